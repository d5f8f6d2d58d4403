// decoder/emulated.hpp: what a kernel computes itself instead of stepping a copy.
//
// Linux emulates nops, relative branches and `push reg`: no slot, no second trap (seed 000 calls it the win that needs
// total knowledge of the instruction set). It recognises them by the opcode bytes that its decoder keeps, and these
// are not always the ones that a CPU acts on: `xchg r8, rax` (49 90) passes for a nop, vpor (opcode eb) for a jump to
// the next instruction, vpsubsb (e8) for a call, vpshufd (70) for jo. The probed program then computes something
// else. These are defects of released kernels; each is named here, so that a dialect can have it and `fixed` can step
// instead. Read decoder/linux_insn.hpp next for how the kernel comes to it.
#pragma once

#include "decoder/rules.hpp"

namespace trapline {

enum class Emulated : uint8_t {
    none,     ///< stepped
    nop,      ///< goes on behind itself
    jmp,      ///< ip behind it + displacement
    jcc,      ///< the same if `condition` holds
    call_rel, ///< pushes the address behind it; a fault while pushing means that a copy is stepped after all
    push_reg, ///< pushes a register; rsp as it was before
};

/// What the kernel does instead of a step.
struct Emulation {
    Emulated kind = Emulated::none;
    uint8_t length = 0;       ///< of the instruction, in bytes
    uint8_t condition = 0;    ///< of jcc: the low four bits of its opcode
    uint8_t reg = 0;          ///< of push: 0 rax .. 15 r15, in the order of encodings
    int32_t displacement = 0; ///< of branches, from the end of the instruction
    /// Why this is not what the CPU would do; empty where the kernel is right.
    std::string_view defect;

    [[nodiscard]] bool right() const { return kind != Emulated::none && defect.empty(); }
};

/// What the kernel emulates of the instruction at the start of `bytes` in a task of that width, whose words are what a
/// push and a call store; `none` also for what it refuses to probe. Bytes that are missing count as zeros. Source:
/// uprobes of 6.12 and 6.18, and the live kernel (6.18.44); around 2010 the utrace-era uprobes knew one nop, the
/// byte 90.
Emulation emulated_by(std::span<const uint8_t> bytes, RuleSet rules, Mode mode = Mode::k64);
Emulation emulated_by(const KernelCopy& copy, RuleSet rules);

/// "nop", "jmp", "jcc", "call", "push"; "" for none.
std::string_view name(Emulated kind);

} // namespace trapline
