#include "decoder/rules.hpp"

#include "decoder/outline.hpp"
#include "decoder/refusals.hpp"

#include <algorithm>
#include <array>

namespace trapline {
namespace {

constexpr size_t copied = 16; // what a kernel copies from the file

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

bool is_refused_prefix(uint8_t b) { return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0xf0; }
bool is_accepted_prefix(uint8_t b) { return (b >= 0x64 && b <= 0x67) || b == 0xf2 || b == 0xf3; }
bool is_rex(uint8_t b) { return (b & 0xf0) == 0x40; }

/// `first` is the first opcode byte as Linux sees it.
bool is_near_branch(const Outline& insn, uint8_t first) {
    if (first == 0x0f) return insn.map == map::m0f && (insn.opcode & 0xf0) == 0x80;
    return first == 0xe8 || first == 0xe9 || first == 0xeb || (first & 0xf0) == 0x70;
}

/// Linux's decoder takes four different legacy prefixes and then one REX. A prefix or REX beyond that is the opcode to
/// it, a one-byte instruction that the tables let pass. Returns whether that happens; `refused` is set if a prefix that
/// uprobes refuses was among those it took.
bool ends_in_a_prefix(std::span<const uint8_t> bytes, bool& refused) {
    std::array<uint8_t, 4> seen{};
    size_t distinct = 0, at = 0;
    refused = false;
    for (; at < bytes.size() && (is_refused_prefix(bytes[at]) || is_accepted_prefix(bytes[at])); ++at) {
        const auto end = seen.begin() + static_cast<std::ptrdiff_t>(distinct);
        if (std::find(seen.begin(), end, bytes[at]) != end) continue;
        if (distinct == seen.size()) return true;
        seen[distinct++] = bytes[at];
        refused = refused || is_refused_prefix(bytes[at]);
    }
    if (at >= bytes.size() || !is_rex(bytes[at])) return false;
    if (++at >= bytes.size()) return false;
    return is_rex(bytes[at]) || is_refused_prefix(bytes[at]) || is_accepted_prefix(bytes[at]);
}

Verdict linux_verdict(std::span<const uint8_t> bytes) {
    bool refused = false;
    if (ends_in_a_prefix(bytes, refused)) return refused ? Verdict{enotsupp, bad_prefix} : Verdict{};
    const auto insn = outline(bytes);
    if (!insn) return {enoexec, "not an instruction"};
    if (refused) return {enotsupp, bad_prefix};
    // Linux keeps a vector instruction's opcode as its first one, and 0f for the maps behind it.
    const bool first_is_last = insn->vector() || insn->rex2 || insn->map == map::one_byte;
    const uint8_t first = first_is_last ? insn->opcode : 0x0f;
    if (first == 0x17 || (first == 0x8e && insn->reg() == 2))
        return {enotsupp, "a load of ss, which holds off the step trap"};
    if (!linux_64[first].empty()) return {enotsupp, linux_64[first]};
    if ((insn->prefixes & prefix::operand_size) && is_near_branch(*insn, first))
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
    std::array<uint8_t, copied> padded{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), copied), padded.begin());
    return rules == RuleSet::uprobes_2010 ? verdict_2010(padded) : linux_verdict(padded);
}

} // namespace trapline
