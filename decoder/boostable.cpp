#include "decoder/boostable.hpp"

#include "decoder/boost_opcodes.hpp"
#include "decoder/linux_insn.hpp"

namespace trapline {
namespace {

namespace bo = boost_opcodes;
using Copied = std::array<uint8_t, kernel_copy>;

constexpr std::string_view undecodable = "not an instruction";
constexpr std::string_view a_prefix = "a prefix that the list does not allow";
constexpr std::string_view too_long = "too long for the buffer beside the jump back";

/// The reason behind a letter; `reg` is the reg field of ModRM.
std::string_view reason(char letter, uint8_t reg) {
    switch (letter) {
    case '?':
        return "a conditional jump or loop";
    case 'c':
        return "a call";
    case 'j':
        return "a relative jump";
    case 'i':
        return "a breakpoint or software interrupt";
    case 'p':
        return a_prefix;
    case 'h':
        return "a halt";
    case 'u':
        return "a reserved opcode";
    case 'g':
        return "a group with reserved opcodes";
    case 'x':
        return "a coprocessor instruction";
    case 'f':
        return "a pushf";
    case 'b':
        return "bound, or EVEX";
    case 'n':
        return "not in the kernel's map of two-byte opcodes";
    case 'e':
        return "a two-byte opcode";
    case '2':
        return reg == 6 ? "group 2 with a reserved opcode" : std::string_view{};
    case '3':
        return reg == 1 ? "group 3 with a reserved opcode" : std::string_view{};
    case '4':
        return reg > 1 ? "group 4 other than inc and dec" : std::string_view{};
    case '5':
        return reg > 1 && reg != 4 ? "group 5 other than inc, dec and the near jump" : std::string_view{};
    default:
        return {};
    }
}

bool absolute_jump(uint8_t opcode, uint8_t modrm) { return opcode == 0xff && (modrm >> 4 & 3) == 2; }

/// The first opcode counts, and nothing else.
Boost of_2005(const Copied& bytes, Mode mode) {
    if (mode == Mode::k64 && is_rex(bytes[0])) return {a_prefix};
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
    return {undecodable};
}

Boost of_6_12(const Copied& bytes, Mode mode) {
    const auto insn = linux_insn(bytes, mode);
    if (!insn) return {undecodable};
    if (insn->opcode_bytes == 2) return {reason(bo::two_byte_6_12[insn->second], 0)};
    if (insn->opcode_bytes == 3) return {"a three-byte opcode"};
    if (insn->shape.prefixes & (prefix::cs | prefix::address_size)) return {a_prefix};
    return {reason(bo::linux_6_12[insn->first], insn->shape.reg())};
}

} // namespace

uint8_t longest_boosted(BoostRules rules) { return rules == BoostRules::linux_6_12 ? 11 : 10; }

Boost boostable(std::span<const uint8_t> bytes, BoostRules rules, Mode mode) {
    const auto copied = as_copied(bytes);
    Boost out;
    switch (rules) {
    case BoostRules::booster_2005:
        out = of_2005(copied, mode);
        break;
    case BoostRules::linux_2_6_32:
        out = of_2_6_32(copied, mode);
        break;
    case BoostRules::linux_6_12:
        out = of_6_12(copied, mode);
        break;
    }
    if (!out.possible()) return out;
    const auto insn = outline(copied, mode);
    if (!insn) return {undecodable};
    if (insn->length > longest_boosted(rules)) return {too_long};
    return out;
}

} // namespace trapline
