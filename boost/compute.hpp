// boost/compute.hpp: the effect of an instruction, computed by the kernel.
//
// What decoder/computed.hpp names, but for the nested CPU's part, which is the strategy's (emulate_most.cpp). Each
// effect is written down here from the SDM's "Operation" and held against the emulated CPU by tests/differential.
#pragma once

#include "decoder/computed.hpp"
#include "emu/kernel/kernel.hpp"

#include <span>

namespace trapline {

/// Does what the instruction at `at` does to the thread's registers, flags and memory, and returns where the thread
/// goes on; RIP is the caller's to set. nullopt: it is stepped, because its memory is not accessible or lies across the
/// end of a page, or there would be more than 4,096 iterations. Then nothing has changed, but that a repeated string
/// instruction has done its first iterations. `kind` is computed()'s answer, neither none nor nested.
std::optional<Addr> compute(Kernel& kernel, Task& t, Computed kind, const Outline& insn,
                            std::span<const std::uint8_t> bytes, Addr at);

} // namespace trapline
