// boost/branch.hpp: what an instruction does whose only business is the instruction pointer.
//
// Nops, jumps, calls and returns: the instructions whose copy would go astray are the ones whose effect is computed
// most easily, as DTrace's fasttrap found (fasttrap.cpp). What Linux emulates is another, shorter list, with mistakes
// of its own (decoder/emulated.hpp).
#pragma once

#include "decoder/outline.hpp"
#include "emu/kernel/kernel.hpp"

#include <span>

namespace trapline {

/// Does what the instruction at `at` does to the thread's stack and to its RSP and RCX, and returns where the thread
/// goes on; RIP is the caller's to set. nullopt, and nothing has changed: it is none of these, it is a far one, or the
/// stack or the word with the target is not accessible. `bytes` are the instruction's, which `insn` is the outline of.
/// Nops: 90. Jumps: jmp, jcc, loop, jcxz. Calls: call. Returns: ret. And `push rbp`, which functions begin with.
std::optional<Addr> branch(Kernel& kernel, Task& t, const Outline& insn, std::span<const std::uint8_t> bytes, Addr at);

} // namespace trapline
