// decoder/access.hpp: whether an instruction reads or writes its memory operand.
//
// From the opcode, as Capstone 4 takes many stores for loads. For decoder/effects.hpp, which says everything else, too.
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

enum class Access : uint8_t { none, read, write, both };

/// Of an instruction with a memory operand; none: it only names an address. `mandatory_prefix`: 0 none, 1 66, 2 f3, 3
/// f2 (Intel SDM volume 2, "Opcode Map").
Access access(const Outline& i, unsigned mandatory_prefix, Mode mode);

} // namespace trapline
