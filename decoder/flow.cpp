#include "decoder/flow.hpp"

namespace trapline {

Flow flow(const Outline& insn) {
    if (insn.vector() || insn.undefined) return Flow::sequential;
    // Behind REX2 there are no relative branches (Intel APX specification, "REX2 Prefix"): #UD.
    const bool relative = insn.map == map::m0f ? (insn.opcode & 0xf0) == 0x80
                                               : (insn.opcode & 0xf0) == 0x70 || (insn.opcode & 0xf0) == 0xe0;
    if (insn.rex2 && relative) return Flow::sequential;
    if (insn.map == map::m0f) {
        if ((insn.opcode & 0xf0) == 0x80) return Flow::conditional;
        const bool system = insn.opcode == 0x05 || insn.opcode == 0x07 || insn.opcode == 0x34 || insn.opcode == 0x35;
        return system ? Flow::system : Flow::sequential;
    }
    if (insn.map != map::one_byte) return Flow::sequential;
    if ((insn.opcode & 0xf0) == 0x70) return Flow::conditional;
    switch (insn.opcode) {
    case 0x9a:
        return Flow::call_indirect;
    case 0xc2:
    case 0xc3:
    case 0xca:
    case 0xcb:
        return Flow::ret;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
    case 0xf1:
        return Flow::interrupt;
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
        return Flow::loop;
    case 0xe8:
        return Flow::call;
    case 0xe9:
    case 0xeb:
        return Flow::jump;
    case 0xea:
        return Flow::jump_indirect;
    case 0xff:
        if (insn.reg() == 2 || insn.reg() == 3) return Flow::call_indirect;
        if (insn.reg() == 4 || insn.reg() == 5) return Flow::jump_indirect;
        return Flow::sequential;
    default:
        return Flow::sequential;
    }
}

bool condition_holds(uint8_t condition, uint64_t flags) {
    const auto flag = [flags](unsigned bit) { return (flags >> bit & 1) != 0; };
    const bool carry = flag(0), parity = flag(2), zero = flag(6), sign = flag(7), overflow = flag(11);
    const bool less = sign != overflow;
    const bool pairs[] = {overflow, carry, zero, carry || zero, sign, parity, less, less || zero};
    return pairs[condition >> 1 & 7] != ((condition & 1) != 0); // an odd one is the opposite of its neighbour
}

std::string_view name(Flow flow) {
    switch (flow) {
    case Flow::sequential:
        return "not a branch";
    case Flow::jump:
        return "relative jump";
    case Flow::conditional:
        return "conditional jump";
    case Flow::loop:
        return "loop or jcxz";
    case Flow::call:
        return "relative call";
    case Flow::jump_indirect:
        return "indirect or far jump";
    case Flow::call_indirect:
        return "indirect or far call";
    case Flow::ret:
        return "return";
    case Flow::interrupt:
        return "interrupt";
    case Flow::system:
        return "system call";
    }
    return "not a branch";
}

} // namespace trapline
