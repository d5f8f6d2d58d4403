#include "decoder/linux_insn.hpp"

#include <algorithm>

namespace trapline {
namespace {

/// The offset of the prefix that is the opcode to Linux; nullopt in the usual case. `refused` is set if a prefix that
/// uprobes refuses was among those it took.
std::optional<uint8_t> prefix_too_many(std::span<const uint8_t> bytes, Mode mode, bool& refused) {
    std::array<uint8_t, 4> seen{};
    size_t distinct = 0, at = 0;
    for (; at < bytes.size() && (is_refused_prefix(bytes[at]) || is_accepted_prefix(bytes[at])); ++at) {
        const auto end = seen.begin() + static_cast<std::ptrdiff_t>(distinct);
        if (std::find(seen.begin(), end, bytes[at]) != end) continue;
        if (distinct == seen.size()) return static_cast<uint8_t>(at);
        seen[distinct++] = bytes[at];
        refused = refused || is_refused_prefix(bytes[at]);
    }
    if (mode == Mode::k32 || at >= bytes.size() || !is_rex(bytes[at])) return {};
    if (++at >= bytes.size()) return {};
    if (!is_rex(bytes[at]) && !is_refused_prefix(bytes[at]) && !is_accepted_prefix(bytes[at])) return {};
    return static_cast<uint8_t>(at);
}

std::optional<LinuxInsn> linux_insn(std::span<const uint8_t, kernel_copy> copied, Mode mode) {
    LinuxInsn out;
    // Prefixes are rare; the loop that remembers them is for instructions that start with one.
    const uint8_t head = copied[0];
    const bool rex = mode == Mode::k64 && is_rex(head);
    if (rex || is_accepted_prefix(head) || is_refused_prefix(head)) {
        if (const auto at = prefix_too_many(copied, mode, out.refused_prefix)) {
            out.prefix_is_opcode = true;
            out.first = copied[*at];
            decode(copied.first(*at), out.shape, mode); // cut short, and the prefixes found so far stay
            out.shape.length = static_cast<uint8_t>(*at + 1);
            return out;
        }
    }
    if (decode(copied, out.shape, mode) != Decoded::ok) return {};
    const Outline& shape = out.shape;
    if (out.opcode_misread() || shape.map == map::one_byte) {
        out.first = shape.opcode;
        return out;
    }
    out.first = 0x0f;
    out.opcode_bytes = shape.map == map::m0f ? 2 : 3;
    out.second = shape.map == map::m0f ? shape.opcode : shape.map == map::m0f38 ? 0x38 : 0x3a;
    return out;
}

} // namespace

KernelCopy::KernelCopy(std::span<const uint8_t> from, Mode in_mode) : mode(in_mode) {
    std::copy_n(from.begin(), std::min(from.size(), bytes.size()), bytes.begin());
    insn = linux_insn(bytes, mode);
}

} // namespace trapline
