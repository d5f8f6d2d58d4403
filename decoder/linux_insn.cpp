#include "decoder/linux_insn.hpp"

#include "decoder/vector_map.hpp"

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

/// The mandatory prefix that the last legacy prefix is: 0 none, 1 66, 2 f3, 3 f2.
uint8_t last_prefix(std::span<const uint8_t> bytes) {
    uint8_t last = 0;
    for (const uint8_t b : bytes) {
        if (!is_refused_prefix(b) && !is_accepted_prefix(b)) break;
        last = b;
    }
    return last == 0x66 ? 1 : last == 0xf3 ? 2 : last == 0xf2 ? 3 : 0;
}

/// Where a byte stands that would begin VEX or EVEX, if REX were not before it: to Linux it is lds, les or bound then.
std::optional<uint8_t> vector_behind_rex(std::span<const uint8_t> bytes) {
    size_t at = 0;
    while (at + 2 < bytes.size() && (is_refused_prefix(bytes[at]) || is_accepted_prefix(bytes[at]))) ++at;
    if (at + 1 >= bytes.size() || !is_rex(bytes[at])) return {};
    const uint8_t opcode = bytes[at + 1];
    if (opcode != 0x62 && opcode != 0xc4 && opcode != 0xc5) return {};
    return static_cast<uint8_t>(at + 1);
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
        if (const auto at = mode == Mode::k64 ? vector_behind_rex(copied) : std::nullopt) {
            constexpr uint8_t kLikeIt = 0x8b; // one byte and ModRM
            std::array<uint8_t, kernel_copy> other;
            std::copy(copied.begin(), copied.end(), other.begin());
            other[*at] = kLikeIt;
            if (decode(other, out.shape, mode) != Decoded::ok) return {};
            out.first = out.shape.opcode = copied[*at];
            return out;
        }
    }
    if (decode(copied, out.shape, mode) != Decoded::ok) return {};
    const Outline& shape = out.shape;
    // REX2.W makes the far address of 9a and ea 64 bits wide, which its decoder gives up on.
    const bool far = shape.map == map::one_byte && (shape.opcode == 0x9a || shape.opcode == 0xea);
    if (far && shape.rex2 && (copied[shape.vector_offset + 1u] & 8) != 0) return {};
    if (out.opcode_misread() || shape.map == map::one_byte) {
        out.first = shape.opcode;
        return out;
    }
    if (vector_map::vector_only(shape, last_prefix(copied))) return {};
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
