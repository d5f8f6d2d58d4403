// decoder/walk.hpp: how many instructions a span of code holds.
//
// The machine calls this once per translated block. Besides the count it wants to know the first instruction of a kind
// that it names (what its engine must not execute: emu/cpu/gaps.hpp), and whether the block ends in a repeated string
// instruction, which can be left and entered again before it is complete.
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

/// What a walk over a span of code found. Offsets are in bytes from its start.
struct Walk {
    uint16_t count = 0;        ///< instructions
    int16_t first_wanted = -1; ///< offset of the first instruction that was asked for; -1: none
    bool ends_in_rep = false;  ///< the last one is a repeated string instruction
    uint16_t last_offset = 0;  ///< where the last one starts
};

/// Is it an instruction of that kind? Asked with the bytes from its start on, also about what cannot be decoded, whose
/// outline is then what was found of it.
using Wanted = bool (*)(const Outline& insn, std::span<const uint8_t> bytes);

/// Walks `code` (at most 32,767 bytes are looked at) from its start. Bytes that are no instruction, or one that is cut
/// short, count as one and end the walk. An empty span has no instruction.
Walk walk(std::span<const uint8_t> code, Wanted wanted = nullptr, Mode mode = Mode::k64);

} // namespace trapline
