// decoder/groups.hpp: groups of instructions that several questions are asked about, by opcode (Intel SDM volume 2,
// "Opcode Map").
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

inline bool one_byte(const Outline& i) { return i.map == map::one_byte && !i.vector() && !i.undefined; }
inline bool two_byte(const Outline& i) { return i.map == map::m0f && !i.vector(); }
inline bool in_memory(const Outline& i) { return i.has_modrm && i.mod() != 3; }
inline bool is_string(const Outline& i) {
    return one_byte(i) && ((i.opcode >= 0xa4 && i.opcode <= 0xa7) || (i.opcode >= 0xaa && i.opcode <= 0xaf) ||
                           (i.opcode >= 0x6c && i.opcode <= 0x6f));
}
inline bool is_x87(const Outline& i) { return one_byte(i) && i.opcode >= 0xd8 && i.opcode <= 0xdf; }
inline bool is_shift(const Outline& i) {
    return one_byte(i) && (i.opcode == 0xc0 || i.opcode == 0xc1 || (i.opcode >= 0xd0 && i.opcode <= 0xd3));
}

} // namespace trapline
