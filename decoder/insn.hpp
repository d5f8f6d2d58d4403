// decoder/insn.hpp: an instruction as text, for people.
//
// Capstone prints; nothing in trapline decides by what it prints. It has gaps (AVX-512 forms, ud0 and ud1, 66 e8 as AMD
// reads it), so the length comes from decoder/outline.hpp, and what Capstone cannot print, or takes for another length,
// is printed as its bytes.
#pragma once

#include "decoder/outline.hpp"

#include <memory>
#include <string>

namespace trapline {

/// A printer of instructions in AT&T or Intel spelling. Not for use from several threads at once.
class Disassembler {
  public:
    enum class Syntax { intel, att };

    explicit Disassembler(Mode mode = Mode::k64, Syntax syntax = Syntax::intel);
    ~Disassembler();
    Disassembler(Disassembler&&) noexcept;
    Disassembler& operator=(Disassembler&&) noexcept;

    /// Mnemonic and operands of the instruction at the start of `bytes`, which stands at `address`; `.byte 0x..` for
    /// each of its bytes if it cannot be printed, `.byte` of the first one if it cannot be decoded, and `` for nothing.
    [[nodiscard]] std::string text(std::span<const uint8_t> bytes, uint64_t address) const;

    /// The mnemonic alone, with a lock or rep before it; "?" where it cannot be printed.
    [[nodiscard]] std::string mnemonic(std::span<const uint8_t> bytes) const;

    /// What Capstone takes for the length, 0 where it refuses: for comparing, outline.hpp is who decides.
    [[nodiscard]] uint8_t capstone_length(std::span<const uint8_t> bytes) const;

  private:
    friend class OperandReader; // Capstone again, for another question (operands.hpp)
    struct Handle;
    std::unique_ptr<Handle> handle_;
};

/// The bytes in hex, two digits each, with single spaces between them.
std::string hex(std::span<const uint8_t> bytes);

} // namespace trapline
