#include "decoder/rules.hpp"

#include "decoder/refusals.hpp"

#include <array>

namespace trapline {
namespace {

/// A reason for each opcode.
using Reasons = std::array<Why, 256>;

template <size_t N> consteval Reasons reasons(const refusals::Range (&ranges)[N]) {
    Reasons out{};
    for (const auto& range : ranges)
        for (int op = range.first; op <= range.last; ++op) out[op] = range.why;
    return out;
}

constexpr Reasons linux_64 = reasons(refusals::linux_64);
constexpr Reasons linux_32 = reasons(refusals::linux_32);
constexpr Reasons old_64 = reasons(refusals::uprobes_2010_64);
constexpr Reasons old_32 = reasons(refusals::uprobes_2010_32);
constexpr Reasons old_0f = reasons(refusals::uprobes_2010_0f);

Verdict refuse(int error, Why why) { return {error, why, words(why)}; }

bool is_near_branch(const LinuxInsn& insn) {
    if (insn.first == 0x0f) return insn.opcode_bytes == 2 && (insn.second & 0xf0) == 0x80;
    return insn.first == 0xe8 || insn.first == 0xe9 || insn.first == 0xeb || (insn.first & 0xf0) == 0x70;
}

Verdict linux_verdict(const KernelCopy& copy) {
    const auto& insn = copy.insn;
    if (!insn) return refuse(enoexec, Why::undecodable);
    if (insn->refused_prefix) return refuse(enotsupp, Why::prefix);
    if (insn->prefix_is_opcode) return {};
    if (insn->first == 0x17 || (insn->first == 0x8e && insn->shape.reg() == 2)) return refuse(enotsupp, Why::loads_ss);
    const Reasons& table = copy.mode == Mode::k64 ? linux_64 : linux_32;
    if (const Why why = table[insn->first]; why != Why::none) {
        const bool misread = insn->shape.vector() || (insn->shape.rex2 && insn->shape.map != map::one_byte);
        return refuse(enotsupp, misread ? Why::vector_misread : why);
    }
    if ((insn->shape.prefixes & prefix::operand_size) && is_near_branch(*insn)) return refuse(enotsupp, Why::branch_66);
    return {};
}

/// The rules before there was a decoder: bytes are skipped and looked up, and nothing is ever undecodable.
Verdict verdict_2010(std::span<const uint8_t> bytes, Mode mode) {
    size_t at = 0;
    while (is_accepted_prefix(bytes[at]) && at + 3 < bytes.size()) ++at;
    if (is_refused_prefix(bytes[at])) return refuse(eperm, Why::prefix);
    if (mode == Mode::k64 && is_rex(bytes[at])) ++at;
    const uint8_t opcode = bytes[at];
    const uint8_t next = bytes[at + 1];

    // Whatever leaves the instruction pointer elsewhere may have no prefix, `rep ret` aside; the whole ff group counts.
    const bool transfer = opcode == 0xc2 || opcode == 0xc3 || opcode == 0xca || opcode == 0xcb || opcode == 0xe8 ||
                          opcode == 0x9a || opcode == 0xea || opcode == 0xff;
    const bool rep_ret = opcode == 0xc3 && at == 1 && (bytes[0] == 0xf2 || bytes[0] == 0xf3);
    if (transfer && at > 0 && !rep_ret) return refuse(eperm, Why::prefixed_transfer);

    const Why why = opcode == 0x0f ? old_0f[next] : mode == Mode::k64 ? old_64[opcode] : old_32[opcode];
    return why == Why::none ? Verdict{} : refuse(eperm, why);
}

} // namespace

Verdict may_probe(const KernelCopy& copy, RuleSet rules) {
    return rules == RuleSet::uprobes_2010 ? verdict_2010(copy.bytes, copy.mode) : linux_verdict(copy);
}

Verdict may_probe(std::span<const uint8_t> bytes, RuleSet rules, Mode mode) {
    return may_probe(KernelCopy(bytes, mode), rules);
}

} // namespace trapline
