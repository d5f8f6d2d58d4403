#include "decoder/fixup.hpp"

#include "decoder/flow.hpp"

#include <algorithm>
#include <cstring>

namespace trapline {
namespace {

constexpr uint8_t rbx = 3, rsi = 6, rdi = 7, rex_w = 8;

/// VEX.vvvv, EVEX.vvvv or XOP.vvvv without its top bit, so that r14 counts as rsi. rax when there is no such field.
uint8_t second_register(const Outline& insn, std::span<const uint8_t> bytes) {
    if (!insn.vector()) return 0;
    const uint8_t field = bytes[insn.vector_offset + (insn.vector_size == 2 ? 1u : 2u)];
    return ~(field >> 3) & 7;
}

/// Which register no RIP-relative instruction can be using. rsi and rdi are never implicit operands of an instruction
/// with ModRM and a memory operand; rbx is one of cmpxchg16b's only, whose reg field (1) leaves rsi to be chosen.
Scratch choose(uint8_t reg, uint8_t second) {
    if (reg != rsi && second != rsi) return Scratch::rsi;
    if (reg != rdi && second != rdi) return Scratch::rdi;
    return Scratch::rbx;
}

/// Rewrites [rip + disp32] to [scratch + disp32]. ModRM keeps its size (mod 2 has a disp32 too), and so does the rest.
void replace_rip(const Outline& insn, OutOfLine& out) {
    out.scratch = choose(insn.reg(), second_register(insn, out.bytes));
    const uint8_t base = out.scratch == Scratch::rsi ? rsi : out.scratch == Scratch::rdi ? rdi : rbx;
    out.bytes[insn.modrm_offset] = static_cast<uint8_t>(0x80 | insn.reg() << 3 | base);
    // With RIP as base the bits that extend the base register are ignored; now they would make rsi r14.
    if (insn.rex) out.bytes[insn.rex_offset] &= 0xfe;                      // REX.B
    if (insn.rex2) out.bytes[insn.vector_offset + 1u] &= 0xee;             // REX2.B4 and .B3
    if (insn.vector_size >= 3) out.bytes[insn.vector_offset + 1u] |= 0x60; // VEX.B, EVEX.X and .B, stored inverted
}

PostFix post_fix(const Outline& insn) {
    switch (flow(insn)) {
    case Flow::call:
        return PostFix::call_relative;
    case Flow::call_indirect:
        return PostFix::call_indirect;
    case Flow::jump_indirect:
    case Flow::ret:
        return PostFix::absolute;
    case Flow::jump:
    case Flow::conditional:
    case Flow::loop:
        return insn.prefixes & prefix::operand_size ? PostFix::shift_short : PostFix::shift;
    default:
        break;
    }
    const bool popf = insn.map == map::one_byte && insn.opcode == 0x9d && !insn.undefined;
    return popf ? PostFix::popf : PostFix::shift;
}

} // namespace

StepShows step_shows(const Outline& insn) {
    if (insn.vector() || insn.undefined) return StepShows::nothing;
    if (insn.map == map::one_byte && insn.opcode == 0x9c) return StepShows::in_pushed_flags;
    return insn.map == map::m0f && insn.opcode == 0x05 ? StepShows::after_syscall : StepShows::nothing;
}

std::optional<OutOfLine> out_of_line(std::span<const uint8_t> bytes) {
    const auto insn = outline(bytes);
    if (!insn) return std::nullopt;
    OutOfLine out;
    out.length = insn->length;
    std::copy_n(bytes.begin(), insn->length, out.bytes.begin());
    if (insn->rip_relative) replace_rip(*insn, out);
    out.post = post_fix(*insn);
    if ((insn->prefixes & prefix::operand_size) && !(insn->rex & rex_w)) out.pushed = 2;
    out.shows = step_shows(*insn);
    return out;
}

std::optional<std::array<uint8_t, 16>> relocated(std::span<const uint8_t> bytes, uint64_t from, uint64_t to) {
    const auto insn = outline(bytes);
    if (!insn || branches_relatively(flow(*insn))) return std::nullopt;
    std::array<uint8_t, 16> out{};
    std::copy_n(bytes.begin(), insn->length, out.begin());
    if (!insn->rip_relative) return out;
    if (insn->prefixes & prefix::address_size) return std::nullopt; // relative to eip, which wraps at 4 GiB
    int32_t disp = 0;
    std::memcpy(&disp, &out[insn->disp_offset], sizeof disp);
    const auto moved = static_cast<int64_t>(from - to) + disp;
    disp = static_cast<int32_t>(moved);
    if (disp != moved) return std::nullopt;
    std::memcpy(&out[insn->disp_offset], &disp, sizeof disp);
    return out;
}

} // namespace trapline
