// decoder/vector_map.hpp: which opcodes exist behind VEX, EVEX and XOP.
//
// Linux refuses to probe a vector instruction that its decoder does not have, so the decoder must know which there are;
// the tables in decoder/vector_map.cpp say it in opcode order.
#pragma once

#include "decoder/outline.hpp"

namespace trapline::vector_map {

/// Is the map that `insn` names one that its prefix (VEX, EVEX, XOP) has?
bool has_map(const Outline& insn);

/// Does the opcode exist in that map with the mandatory prefix `pp` (0 none, 1 66, 2 f3, 3 f2)? Where the reg field of
/// ModRM belongs to the opcode, it is asked too.
bool exists(const Outline& insn, uint8_t pp);

/// Does Linux's decoder have the opcode of a legacy encoding for VEX and EVEX alone? `pp` is that of the last legacy
/// prefix.
bool vector_only(const Outline& insn, uint8_t pp);

} // namespace trapline::vector_map
