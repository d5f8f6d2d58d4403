// decoder/computed.hpp: which instructions `emulate-most` computes itself.
//
// Linux emulates a handful (decoder/emulated.hpp). Seed 000 asks how far one could go with "pretty much total
// knowledge" of the instruction set; this is how far it is honest to go: moves, arithmetic with its flags, string
// operations, all near branches, calls and returns, the stack, each written down in boost/compute.cpp and held against
// the emulated CPU by tests/differential. What names registers alone, SSE above all, is given to a nested CPU, which
// has no memory to spoil. The rest (memory operands of SSE, shifts in memory, x87, what a lock makes atomic) is
// stepped.
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

enum class Computed : uint8_t {
    none,
    branch,     ///< near ones, calls and returns among them
    stack,      ///< push, pop, leave
    move,       ///< mov, lea, xchg, cmov, set, extensions, nop
    arithmetic, ///< with flags; and the instructions that change a flag alone
    string,     ///< repeated or not
    nested,     ///< registers alone, by a CPU in the kernel
};

/// How the instruction, whose bytes are given, is computed in a 64-bit task. The table is in the .cpp.
Computed computed(const Outline& insn, std::span<const uint8_t> bytes);

} // namespace trapline
