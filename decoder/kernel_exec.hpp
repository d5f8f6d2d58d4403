// decoder/kernel_exec.hpp: which instructions can run as a copy in the kernel, with the user's registers.
//
// Peter Zijlstra's idea of 2010 (seed 000): most regular instructions are runnable from kernel space. Not those that go
// elsewhere, and none that names rsp or pushes: in ring 0 an exception would put its frame on the user's stack. Ring 0
// also executes what ring 3 may not, and reaches the kernel's memory with a wild pointer, so the address of every
// operand must be computed and checked first, which gathers and xsave make hard. Ring 2 (CPL2) raises #GP for
// privileged instructions and has a stack switch, but pages know only user and supervisor: it reaches the kernel's
// memory, too. The table is decoder/kernel_exec_opcodes.hpp.
#pragma once

#include "decoder/outline.hpp"
#include "decoder/why.hpp"

namespace trapline {

enum class KernelRing : uint8_t {
    ring0,           ///< every address is checked before
    ring0_unchecked, ///< no address is
    ring2,           ///< CPL2, in whose protection was hoped instead
};

/// Would the copy do in the kernel what the instruction does in user mode? A RIP-relative or rsp-based memory operand
/// is no matter: its address is computed anyway, and a scratch register holds it. 64-bit mode.
Why kernel_exec(const Outline& insn, KernelRing ring);

} // namespace trapline
