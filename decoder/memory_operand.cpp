#include "decoder/memory_operand.hpp"

namespace trapline {
namespace {

constexpr uint8_t rsp = 4, rbp = 5;

int64_t displacement(const Outline& insn, std::span<const uint8_t> bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < insn.disp_size; ++i) value |= uint64_t{bytes[insn.disp_offset + i]} << 8 * i;
    switch (insn.disp_size) {
    case 1:
        return static_cast<int8_t>(value);
    case 2:
        return static_cast<int16_t>(value);
    case 4:
        return static_cast<int32_t>(value);
    default:
        return static_cast<int64_t>(value);
    }
}

/// The bits that extend base and index: from REX, REX2, or inverted from VEX, EVEX and XOP.
struct Extension {
    uint8_t base = 0, index = 0;
};

Extension extension(const Outline& insn, std::span<const uint8_t> bytes) {
    if (insn.rex2) { // M0 R4 X4 B4 W R3 X3 B3
        const uint8_t p = bytes[insn.vector_offset + 1u];
        return {static_cast<uint8_t>((p & 1) << 3 | (p & 0x10)), static_cast<uint8_t>((p & 2) << 2 | (p & 0x20) >> 1)};
    }
    if (!insn.vector()) return {static_cast<uint8_t>((insn.rex & 1) << 3), static_cast<uint8_t>((insn.rex & 2) << 2)};
    if (insn.vector_size == 2) return {};
    const uint8_t inverted = static_cast<uint8_t>(~bytes[insn.vector_offset + 1u]); // R X B
    return {static_cast<uint8_t>((inverted & 0x20) >> 2), static_cast<uint8_t>((inverted & 0x40) >> 3)};
}

Segment segment(const Outline& insn, Segment otherwise, Mode mode) {
    // The last one counts on a CPU; two different ones are nobody's code, and fs and gs are asked first.
    if (insn.prefixes & prefix::gs) return Segment::gs;
    if (insn.prefixes & prefix::fs) return Segment::fs;
    if (mode == Mode::k64) return otherwise;
    if (insn.prefixes & prefix::ds) return Segment::ds;
    if (insn.prefixes & prefix::ss) return Segment::ss;
    if (insn.prefixes & prefix::cs) return Segment::cs;
    if (insn.prefixes & prefix::es) return Segment::es;
    return otherwise;
}

/// SDM volume 2, "16-Bit Addressing Forms with the ModR/M Byte".
void address_16(const Outline& insn, MemoryOperand& out) {
    constexpr uint8_t bx = 3, bp = 5, si = 6, di = 7, no = MemoryOperand::none;
    constexpr uint8_t bases[] = {bx, bx, bp, bp, si, di, bp, bx}, indexes[] = {si, di, si, di, no, no, no, no};
    if (insn.rm() == 6 && insn.mod() == 0) return;
    out.base = bases[insn.rm()];
    out.index = indexes[insn.rm()];
}

bool has_vector_index(const Outline& insn) {
    if (!insn.vector() || insn.map != map::m0f38) return false;
    const uint8_t op = insn.opcode;
    return (op >= 0x90 && op <= 0x93) || (op >= 0xa0 && op <= 0xa3) || op == 0xc6 || op == 0xc7;
}

} // namespace

std::optional<MemoryOperand> memory_operand(const Outline& insn, std::span<const uint8_t> bytes, Mode mode) {
    MemoryOperand out;
    const bool short_address = (insn.prefixes & prefix::address_size) != 0;
    out.bits = mode == Mode::k64 ? (short_address ? 32 : 64) : (short_address ? 16 : 32);
    out.displacement = displacement(insn, bytes);
    if (!insn.has_modrm) { // mov between the accumulator and an address
        if (insn.disp_size == 0) return std::nullopt;
        out.segment = segment(insn, Segment::ds, mode);
        return out;
    }
    const bool no_memory = insn.map == map::m0f && (insn.opcode & 0xfc) == 0x20 && !insn.vector();
    if (insn.mod() == 3 || no_memory) return std::nullopt;

    if (out.bits == 16) {
        address_16(insn, out);
    } else {
        const Extension more = mode == Mode::k64 ? extension(insn, bytes) : Extension{};
        const uint8_t base = insn.has_sib ? insn.sib & 7 : insn.rm();
        out.rip_relative = insn.rip_relative;
        if (!(base == rbp && insn.mod() == 0)) out.base = base | more.base;
        if (insn.has_sib) {
            out.vector_index = has_vector_index(insn);
            out.scale = static_cast<uint8_t>(1 << (insn.sib >> 6));
            const uint8_t index = static_cast<uint8_t>((insn.sib >> 3 & 7) | more.index);
            if (index != rsp || out.vector_index) out.index = index;
        }
    }
    const bool by_stack = out.base == rsp || out.base == rbp;
    out.segment = segment(insn, by_stack ? Segment::ss : Segment::ds, mode);
    return out;
}

} // namespace trapline
