#include "decoder/rules.hpp"

#include "decoder/linux_insn.hpp"
#include "decoder/refusals.hpp"

#include <array>

namespace trapline {
namespace {

/// A reason per opcode; an empty one means that the opcode may be probed.
using Reasons = std::array<std::string_view, 256>;

template <size_t N> consteval Reasons reasons(const refusals::Range (&ranges)[N]) {
    Reasons out{};
    for (const auto& range : ranges)
        for (int op = range.first; op <= range.last; ++op) out[op] = range.reason;
    return out;
}

constexpr Reasons linux_64 = reasons(refusals::linux_64);
constexpr Reasons old_64 = reasons(refusals::uprobes_2010_64);
constexpr Reasons old_0f = reasons(refusals::uprobes_2010_0f);

constexpr std::string_view bad_prefix = "a lock, cs, ds, es or ss prefix";

bool is_near_branch(const LinuxInsn& insn) {
    if (insn.first == 0x0f) return insn.opcode_bytes == 2 && (insn.second & 0xf0) == 0x80;
    return insn.first == 0xe8 || insn.first == 0xe9 || insn.first == 0xeb || (insn.first & 0xf0) == 0x70;
}

Verdict linux_verdict(std::span<const uint8_t, kernel_copy> bytes) {
    const auto insn = linux_insn(bytes);
    if (!insn) return {enoexec, "not an instruction"};
    if (insn->refused_prefix) return {enotsupp, bad_prefix};
    if (insn->prefix_is_opcode) return {};
    if (insn->first == 0x17 || (insn->first == 0x8e && insn->shape.reg() == 2))
        return {enotsupp, "a load of ss, which holds off the step trap"};
    if (!linux_64[insn->first].empty()) return {enotsupp, linux_64[insn->first]};
    if ((insn->shape.prefixes & prefix::operand_size) && is_near_branch(*insn))
        return {enotsupp, "a branch with a 66 prefix, which Intel and AMD execute differently"};
    return {};
}

/// The rules before there was a decoder: bytes are skipped and looked up, and nothing is ever undecodable.
Verdict verdict_2010(std::span<const uint8_t> bytes) {
    size_t at = 0;
    while (is_accepted_prefix(bytes[at]) && at + 3 < bytes.size()) ++at;
    if (is_refused_prefix(bytes[at])) return {eperm, bad_prefix};
    if (is_rex(bytes[at])) ++at;
    const uint8_t opcode = bytes[at];
    const uint8_t next = bytes[at + 1];

    // Whatever leaves the instruction pointer elsewhere may have no prefix, `rep ret` aside; the whole ff group counts.
    const bool transfer = opcode == 0xc2 || opcode == 0xc3 || opcode == 0xca || opcode == 0xcb || opcode == 0xe8 ||
                          opcode == 0x9a || opcode == 0xea || opcode == 0xff;
    const bool rep_ret = opcode == 0xc3 && at == 1 && (bytes[0] == 0xf2 || bytes[0] == 0xf3);
    if (transfer && at > 0 && !rep_ret) return {eperm, "a call, jump or return, or opcode ff, with a prefix"};

    if (opcode == 0x0f) return old_0f[next].empty() ? Verdict{} : Verdict{eperm, old_0f[next]};
    return old_64[opcode].empty() ? Verdict{} : Verdict{eperm, old_64[opcode]};
}

} // namespace

Verdict may_probe(std::span<const uint8_t> bytes, RuleSet rules) {
    const auto copied = as_copied(bytes);
    return rules == RuleSet::uprobes_2010 ? verdict_2010(copied) : linux_verdict(copied);
}

} // namespace trapline
