#include "decoder/boostable.hpp"

#include "decoder/boost_opcodes.hpp"

namespace trapline {
namespace {

namespace bo = boost_opcodes;
using Copied = decltype(KernelCopy::bytes);

/// The reason behind a letter; `reg` is the reg field of ModRM.
Why reason(char letter, uint8_t reg) {
    switch (letter) {
    case '?':
        return Why::conditional_jump;
    case 'c':
        return Why::call;
    case 'j':
        return Why::relative_jump;
    case 'i':
        return Why::breakpoint;
    case 'p':
        return Why::boost_prefix;
    case 'h':
        return Why::halt;
    case 'u':
        return Why::reserved;
    case 'g':
        return Why::reserved_in_group;
    case 'x':
        return Why::x87;
    case 'f':
        return Why::pushf;
    case 'b':
        return Why::bound_or_evex;
    case 'n':
        return Why::not_in_0f_map;
    case 'e':
        return Why::two_byte;
    case '2':
        return reg == 6 ? Why::reserved_in_group : Why::none;
    case '3':
        return reg == 1 ? Why::reserved_in_group : Why::none;
    case '4':
        return reg > 1 ? Why::reserved_in_group : Why::none;
    case '5': // inc, dec and the near indirect jump are boosted
        if (reg == 2 || reg == 3) return Why::call;
        return reg > 4 ? Why::reserved_in_group : Why::none;
    default:
        return Why::none;
    }
}

bool absolute_jump(uint8_t opcode, uint8_t modrm) { return opcode == 0xff && (modrm >> 4 & 3) == 2; }

/// The first opcode counts, and nothing else.
Boost of_2005(const Copied& bytes, Mode mode) {
    if (mode == Mode::k64 && is_rex(bytes[0])) return {Why::boost_prefix};
    return {reason(bo::booster_2005[bytes[0]], 0), absolute_jump(bytes[0], bytes[1])};
}

/// Bytes are skipped and looked up, without a decoder.
Boost of_2_6_32(const Copied& bytes, Mode mode) {
    for (size_t at = 0; at + 1 < bytes.size(); ++at) {
        const uint8_t opcode = bytes[at];
        const bool inc_or_dec = mode == Mode::k32 && is_rex(opcode);
        const char letter = inc_or_dec ? '.' : bo::linux_2_6_32[opcode];
        if (letter == 's') continue;
        if (letter == 'E') return {reason(bo::two_byte_2_6_32[bytes[at + 1]], 0)};
        return {reason(letter, 0), absolute_jump(opcode, bytes[at + 1])};
    }
    return {Why::undecodable};
}

Boost of_6_12(const std::optional<LinuxInsn>& insn) {
    if (!insn) return {Why::undecodable};
    if (insn->opcode_bytes == 2) return {reason(bo::two_byte_6_12[insn->second], 0)};
    if (insn->opcode_bytes == 3) return {Why::three_byte};
    if (insn->shape.prefixes & (prefix::cs | prefix::address_size)) return {Why::boost_prefix};
    return {reason(bo::linux_6_12[insn->first], insn->shape.reg())};
}

} // namespace

uint8_t longest_boosted(BoostRules rules) { return rules == BoostRules::linux_6_12 ? 11 : 10; }

Boost boostable(const KernelCopy& copy, BoostRules rules) {
    Boost out;
    switch (rules) {
    case BoostRules::booster_2005:
        out = of_2005(copy.bytes, copy.mode);
        break;
    case BoostRules::linux_2_6_32:
        out = of_2_6_32(copy.bytes, copy.mode);
        break;
    case BoostRules::linux_6_12:
        out = of_6_12(copy.insn);
        break;
    }
    if (!out.possible()) return out;
    if (!copy.insn) return {Why::undecodable};
    if (copy.insn->shape.length > longest_boosted(rules)) return {Why::too_long_to_boost};
    return out;
}

Boost boostable(std::span<const uint8_t> bytes, BoostRules rules, Mode mode) {
    return boostable(KernelCopy(bytes, mode), rules);
}

} // namespace trapline
