// emu/cpu/gaps.hpp: instructions that the engine must not be given as they are.
//
// The engine executes some instructions that this CPU does not have, or that ring 3 may not, and computes some wrongly.
// Which ones was found by comparing it with a real CPU (tests/differential; docs/instructions.md has the list with what
// was left as it is). Where a wrong result would go unnoticed the instruction is refused: the program gets SIGILL, as
// if the CPU lacked it. Blocks are looked at before they run first (blocks.hpp), so this costs nothing afterwards.
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

enum class Gap : std::uint8_t {
    none,
    invalid, ///< #UD on a CPU of this model, and the engine executes something: AVX, 3DNow!, lock where it is not
             ///< allowed
    guarded, ///< #GP in ring 3, and the engine does not: in and out
    refused, ///< the engine computes something else in silence; #UD instead
    carry,   ///< rcl and rcr of memory: when the store faults, the carry that they start from is lost
    aliased, ///< phadd and phsub of a register with itself: the engine overwrites what it has yet to read
    lengths, ///< pcmpestri and pcmpestrm: lengths beyond 16 make the engine read outside its own memory
};

/// The gap that the instruction falls into, whose outline may be incomplete; `bytes` start with it.
Gap gap(const Outline& insn, std::span<const uint8_t> bytes);

} // namespace trapline
