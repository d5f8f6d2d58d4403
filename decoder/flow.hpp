// decoder/flow.hpp: what an instruction does to the instruction pointer, as far as its opcode says.
//
// For messages, and for strategies that must know whether a copy would go astray.
#pragma once

#include "decoder/outline.hpp"

#include <string_view>

namespace trapline {

enum class Flow : uint8_t {
    sequential,    ///< goes on behind itself
    jump,          ///< e9, eb
    conditional,   ///< 70..7f, 0f 80..8f
    loop,          ///< loop, loope, loopne, jcxz
    call,          ///< e8
    jump_indirect, ///< ff /4, ff /5, ea
    call_indirect, ///< ff /2, ff /3, 9a
    ret,           ///< c2, c3, ca, cb
    interrupt,     ///< int3, int, int1, into, iret
    system,        ///< syscall, sysenter, sysret, sysexit
};

Flow flow(const Outline& insn);

/// Does the condition hold under these EFLAGS? The low four bits of the opcode of a conditional jump, set or move.
/// Source: SDM volume 1, "EFLAGS Condition Codes".
bool condition_holds(uint8_t condition, uint64_t flags);

/// Goes to a place that its immediate names relative to its end.
constexpr bool branches_relatively(Flow flow) {
    return flow == Flow::jump || flow == Flow::conditional || flow == Flow::loop || flow == Flow::call;
}

/// The kind in words, for messages: "relative call".
std::string_view name(Flow flow);

/// int3 in one byte (cc), whatever follows it: the instruction that a probe puts into the text.
inline bool is_breakpoint(std::span<const uint8_t> bytes) { return !bytes.empty() && bytes[0] == 0xcc; }

} // namespace trapline
