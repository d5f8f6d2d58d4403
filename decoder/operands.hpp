// decoder/operands.hpp: the registers and flags of an instruction, as Capstone knows them.
//
// Raw material of decoder/effects.hpp, which mends what Capstone has wrong; ask that. In insn.cpp, where Capstone is.
#pragma once

#include "decoder/outline.hpp"

#include <memory>

namespace trapline {

struct Operands {
    uint32_t read = 0, written = 0;                                  ///< general registers, bit 0 rax .. bit 15 r15
    uint32_t vector_read = 0, vector_written = 0;                    ///< xmm, ymm and zmm: bit 0 xmm0 .. bit 31 xmm31
    uint16_t flags_read = 0, flags_written = 0, flags_undefined = 0; ///< bits of EFLAGS: CF PF AF ZF SF DF OF
    uint16_t bytes = 0;                                              ///< of the memory operand
};

/// Not for use from several threads at once.
class OperandReader {
  public:
    explicit OperandReader(Mode mode = Mode::k64);
    ~OperandReader();
    OperandReader(const OperandReader&) = delete;
    OperandReader& operator=(const OperandReader&) = delete;

    /// Of the instruction that `own` is, to its last byte; nullopt when Capstone does not know it.
    [[nodiscard]] std::optional<Operands> operands(std::span<const uint8_t> own) const;

  private:
    struct Handle;
    std::unique_ptr<Handle> handle_;
};

} // namespace trapline
