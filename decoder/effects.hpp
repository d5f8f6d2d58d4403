// decoder/effects.hpp: what an instruction reads and changes.
//
// General and vector registers, explicit and implicit; flags; the memory operand's size and direction; what becomes of
// the stack pointer; whether it can fault, traps, or serialises. In 64-bit and in 32-bit mode. Built on Capstone, whose
// errors are mended in the .cpp, each with its reason, and compared with Zydis instruction by instruction
// (tests/decoder/effects_test.cpp). The address of the operand is decoder/memory_operand.hpp's to say, where control
// goes flow.hpp's.
#pragma once

#include "decoder/operands.hpp"

namespace trapline {

/// Bits of EFLAGS.
namespace flag {
inline constexpr uint16_t carry = 1, parity = 4, adjust = 16, zero = 64, sign = 128, direction = 1024, overflow = 2048;
inline constexpr uint16_t arithmetic = carry | parity | adjust | zero | sign | overflow;
inline constexpr uint16_t all = arithmetic | direction;
} // namespace flag

struct Effects {
    uint32_t read = 0, written = 0;               ///< general registers: bit 0 rax .. bit 15 r15; for an address, too
    uint32_t vector_read = 0, vector_written = 0; ///< bit 0 xmm0 .. bit 31 xmm31
    uint16_t flags_read = 0, flags_written = 0, flags_undefined = 0;

    bool reads_operand = false, writes_operand = false; ///< the memory operand, if there is one
    uint16_t operand_bytes = 0;                         ///< of it; 0: not said by the instruction (xsave), or none
    /// What is added to rsp; nullopt: not said by the instruction (leave, mov to rsp).
    std::optional<int32_t> stack = 0;

    bool can_fault = false;  ///< with a general or page fault, #DE, #UD, or a floating-point exception
    bool traps = false;      ///< on purpose, or into the kernel: int, int3, into, int1, syscall, sysenter
    bool serialises = false; ///< SDM volume 3, "Serializing Instructions"
};

class EffectReader {
  public:
    explicit EffectReader(Mode mode = Mode::k64) : mode_(mode), operands_(mode) {}
    /// Of the instruction at the start of `bytes`; nullopt when it cannot be decoded, or Capstone does not know it.
    [[nodiscard]] std::optional<Effects> effects(std::span<const uint8_t> bytes) const;

  private:
    Mode mode_;
    OperandReader operands_;
};

} // namespace trapline
