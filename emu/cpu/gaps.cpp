#include "emu/cpu/gaps.hpp"

namespace trapline {
namespace {

bool in_memory(const Outline& insn) { return insn.has_modrm && insn.mod() != 3; }
bool in_register(const Outline& insn) { return insn.has_modrm && insn.mod() == 3; }

/// Intel SDM volume 2, "LOCK": the instructions that may have the prefix, with a destination in memory.
bool lockable(const Outline& insn) {
    const std::uint8_t op = insn.opcode, reg = insn.reg();
    if (insn.map == map::m0f && (op & 0xfc) == 0x20) return true; // privileged, whatever stands before it
    if (!in_memory(insn)) return false;
    if (insn.map == map::one_byte) {
        if (op < 0x38 && (op & 6) == 0) return true; // add to xor, into memory
        if (op == 0x80 || op == 0x81 || op == 0x83) return reg != 7;
        if (op == 0xf6 || op == 0xf7) return reg == 2 || reg == 3;
        return op == 0x86 || op == 0x87 || (op >= 0xfe && reg < 2);
    }
    if (insn.map != map::m0f) return false;
    if (op == 0xba) return reg >= 5;
    if (op == 0xc7) return reg == 1;
    return op == 0xab || op == 0xb3 || op == 0xbb || op == 0xb0 || op == 0xb1 || op == 0xc0 || op == 0xc1;
}

/// fs or gs, and behind it another segment: a CPU in 64-bit mode ignores the other one, the engine obeys it.
bool segment_forgotten(const Outline& insn, std::span<const std::uint8_t> bytes) {
    constexpr std::uint16_t kOthers = prefix::es | prefix::cs | prefix::ss | prefix::ds;
    if (!(insn.prefixes & (prefix::fs | prefix::gs)) || !(insn.prefixes & kOthers)) return false;
    const bool string = insn.map == map::one_byte && insn.opcode >= 0xa4 && insn.opcode <= 0xaf;
    const bool xlat = insn.map == map::one_byte && insn.opcode == 0xd7;
    if (!in_memory(insn) && insn.disp_size == 0 && !string && !xlat) return false;
    bool counts = false;
    for (std::size_t i = 0; i < insn.opcode_offset && i < bytes.size(); ++i) {
        const std::uint8_t b = bytes[i];
        if (b == 0x64 || b == 0x65) counts = true;
        if (b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e) counts = false;
    }
    return !counts;
}

Gap one_byte(const Outline& insn, std::span<const std::uint8_t> bytes) {
    switch (insn.opcode) {
    case 0x6c: // ins, outs
    case 0x6d:
    case 0x6e:
    case 0x6f:
    case 0xe4: // in, out
    case 0xe5:
    case 0xe6:
    case 0xe7:
    case 0xec:
    case 0xed:
    case 0xee:
    case 0xef:
        return Gap::guarded;
    case 0x9e: // sahf, lahf: a REX prefix makes the engine take spl for ah
    case 0x9f:
        return insn.rex != 0 ? Gap::refused : Gap::none;
    case 0xc2: // ret imm16: the engine extends its sign
        return insn.length != 0 && insn.imm_size == 2 && immediate_of(insn, bytes) < 0 ? Gap::refused : Gap::none;
    case 0xc0: // rcl, rcr
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return in_memory(insn) && (insn.reg() & 6) == 2 ? Gap::carry : Gap::none;
    case 0xc6: // xabort
    case 0xc7: // xbegin
        return in_register(insn) && insn.reg() == 7 ? Gap::invalid : Gap::none;
    case 0xf6: // lock neg: wrong flags
    case 0xf7:
        return (insn.prefixes & prefix::lock) && insn.reg() == 3 ? Gap::refused : Gap::none;
    default:
        return Gap::none;
    }
}

Gap two_byte(const Outline& insn) {
    const bool prefixed = (insn.prefixes & (prefix::operand_size | prefix::rep | prefix::repne)) != 0;
    switch (insn.opcode) {
    case 0x0f: // 3DNow!
        return Gap::invalid;
    case 0x50: // movmsk, shifts by an immediate
    case 0x71:
    case 0x72:
    case 0x73:
        return in_memory(insn) ? Gap::invalid : Gap::none;
    case 0x78: // SSE4a
    case 0x79:
        return prefixed ? Gap::invalid : Gap::none;
    case 0xa4: // shld, shrd: the engine forgets the immediate behind a RIP-relative address
    case 0xac:
        return insn.rip_relative ? Gap::refused : Gap::none;
    case 0xd6: // movq2dq, movdq2q: the engine takes the operand's displacement for the next instruction
        return in_memory(insn) && (insn.prefixes & (prefix::rep | prefix::repne)) ? Gap::invalid : Gap::none;
    case 0xae: // with a prefix no fences, but instructions of later CPUs
        return in_register(insn) && insn.reg() >= 5 && prefixed ? Gap::invalid : Gap::none;
    default:
        return Gap::none;
    }
}

/// SSSE3's horizontal additions and subtractions, where both operands are one register.
Gap horizontal(const Outline& insn) {
    const std::uint8_t op = insn.opcode;
    const bool both = (insn.rex & 4) >> 2 == (insn.rex & 1) && insn.reg() == insn.rm();
    if (op == 0 || op == 4 || op > 7 || !in_register(insn)) return Gap::none;
    if (insn.prefixes & prefix::operand_size) return both ? Gap::aliased : Gap::none;
    return insn.reg() == insn.rm() ? Gap::refused : Gap::none; // MMX
}

/// SSE4.2's pcmpestrm, pcmpestri, pcmpistrm, pcmpistri.
Gap string_comparison(const Outline& insn, std::span<const std::uint8_t> bytes) {
    if (insn.map != map::m0f3a || (insn.opcode & 0xfc) != 0x60 || insn.length == 0) return Gap::none;
    constexpr std::int32_t kOrdered = 0xc; // "equal ordered", a search for a string: the engine's is wrong
    if ((immediate_of(insn, bytes) & kOrdered) == kOrdered) return Gap::refused;
    return insn.opcode < 0x62 ? Gap::lengths : Gap::none;
}

} // namespace

Gap gap(const Outline& insn, std::span<const std::uint8_t> bytes) {
    if (insn.vector()) return Gap::invalid;
    if (insn.prefixes != 0) {
        if ((insn.prefixes & prefix::lock) && !lockable(insn)) return Gap::invalid;
        if (segment_forgotten(insn, bytes)) return Gap::refused;
    }
    if (insn.map == map::one_byte) return insn.undefined ? Gap::none : one_byte(insn, bytes);
    if (insn.map == map::m0f) return two_byte(insn);
    if (insn.map == map::m0f38) return horizontal(insn);
    return string_comparison(insn, bytes);
}

} // namespace trapline
