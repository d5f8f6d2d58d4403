#include "decoder/kernel_exec.hpp"

#include "decoder/kernel_exec_opcodes.hpp"

namespace trapline {
namespace {

namespace ko = kernel_exec_opcodes;

constexpr uint8_t rsp = 4;

struct Opcode {
    uint8_t map, first, last;
};

/// Vector instructions that read or write general registers.
constexpr Opcode vector_general[] = {
    {map::m0f, 0x2a, 0x2a},   {map::m0f, 0x2c, 0x2d},   {map::m0f, 0x50, 0x50},    {map::m0f, 0x6e, 0x6e},
    {map::m0f, 0x78, 0x79},   {map::m0f, 0x7b, 0x7b},   {map::m0f, 0x7e, 0x7e},    {map::m0f, 0x92, 0x93},
    {map::m0f, 0xc4, 0xc5},   {map::m0f, 0xd7, 0xd7},   {map::m0f38, 0x7a, 0x7c},  {map::m0f38, 0xe0, 0xef},
    {map::m0f38, 0xf2, 0xf7}, {map::m0f3a, 0x14, 0x17}, {map::m0f3a, 0x20, 0x20},  {map::m0f3a, 0x22, 0x22},
    {map::m0f3a, 0xf0, 0xf0}, {map::apx, 0x00, 0xff},   {map::fp16_5, 0x2a, 0x2d}, {map::fp16_5, 0x78, 0x7e},
    {map::msr, 0x00, 0xff},   {map::xop9, 0x01, 0x12},  {map::xop_a, 0x10, 0x12},
};
/// VSIB: an address for each element.
constexpr Opcode vector_gathers[] = {{map::m0f38, 0x90, 0x93}, {map::m0f38, 0xa0, 0xa3}, {map::m0f38, 0xc6, 0xc7}};

template <size_t N> bool is_one_of(const Opcode (&list)[N], const Outline& insn) {
    for (const Opcode& o : list)
        if (o.map == insn.map && o.first <= insn.opcode && insn.opcode <= o.last) return true;
    return false;
}

bool in_memory(const Outline& insn) { return insn.has_modrm && insn.mod() != 3; }

/// Group 15: fxsave, ldmxcsr, xsave, fences and the bases of fs and gs.
char group_15(const Outline& insn) {
    if (insn.prefixes & prefix::rep) return 'r';
    const bool xsave = in_memory(insn) && !(insn.prefixes & prefix::operand_size);
    return xsave && insn.reg() >= 4 && insn.reg() <= 6 ? 'z' : '.';
}

/// Group 9: cmpxchg8b, xsave of the supervisor, virtual machines, random numbers.
char group_9(const Outline& insn) {
    if (!in_memory(insn)) return '.';
    return insn.reg() == 1 ? '.' : insn.reg() == 4 ? 'z' : 'p';
}

/// Of the map behind 0f, what prefixes make of two opcodes: extrq and insertq for vmread and vmwrite, rdssp for a nop.
char with_prefix(const Outline& insn, char letter) {
    const bool sse4a = (insn.opcode & 0xfe) == 0x78 && (insn.prefixes & (prefix::operand_size | prefix::repne));
    if (sse4a) return '.';
    const bool rdssp = insn.opcode == 0x1e && (insn.prefixes & prefix::rep) && insn.reg() == 1 && !in_memory(insn);
    return rdssp ? 'r' : letter;
}

char three_byte(const Outline& insn) {
    if (insn.map == map::m0f3a) return '.';
    if (insn.opcode >= 0x80 && insn.opcode <= 0x82) return 'p'; // invept, invvpid, invpcid
    if (insn.opcode == 0xf5 || insn.opcode == 0xf8) return 'r'; // wruss; movdir64b, enqcmd
    return '.';
}

char letter_of(const Outline& insn) {
    if (insn.undefined) return 'u';
    if (insn.vector()) {
        if (is_one_of(vector_gathers, insn)) return 'v';
        return insn.map == map::msr ? 'p' : '.';
    }
    if (insn.map > map::m0f) return three_byte(insn);
    const char letter = insn.map == map::m0f ? with_prefix(insn, ko::two_byte[insn.opcode]) : ko::one_byte[insn.opcode];
    switch (letter) {
    case '5':
        return insn.reg() < 2 ? '.' : insn.reg() < 6 ? 'f' : insn.reg() == 6 ? 's' : 'x';
    case '6': // xabort, xbegin
        return insn.modrm == 0xf8 ? 'f' : '.';
    case '9':
        return group_9(insn);
    case 'a':
        return group_15(insn);
    default:
        return letter;
    }
}

/// Field values count their three bits and the REX bit that extends them.
bool field_is_rsp(uint8_t field, uint8_t extension, bool byte, const Outline& insn) {
    if (field != rsp || extension != 0) return false;
    return !byte || insn.rex != 0 || insn.rex2; // without REX, 4 is ah
}

bool names_rsp(const Outline& insn) {
    const uint8_t rex_r = insn.rex & 4, rex_b = insn.rex & 1;
    const bool rm_is_register = insn.has_modrm && insn.mod() == 3;
    if (insn.vector()) // rare: the extension bits are not looked at, so that r12 counts, too
        return is_one_of(vector_general, insn) && (insn.reg() == rsp || (rm_is_register && insn.rm() == rsp));
    char letter = '.';
    if (insn.map == map::one_byte) letter = ko::one_byte_registers[insn.opcode];
    if (insn.map == map::m0f) letter = ko::two_byte_registers[insn.opcode];
    if (insn.map == map::m0f38 && insn.opcode >= 0xf0) letter = 'g'; // movbe, crc32, adcx and their like
    if (insn.map == map::m0f3a && ((insn.opcode & 0xfc) == 0x14 || (insn.opcode & 0xfd) == 0x20)) letter = 'm';
    const auto reg = [&](bool byte) { return field_is_rsp(insn.reg(), rex_r, byte, insn); };
    const auto rm = [&](bool byte) { return rm_is_register && field_is_rsp(insn.rm(), rex_b, byte, insn); };
    const bool scalar = (insn.prefixes & (prefix::rep | prefix::repne)) != 0;
    switch (letter) {
    case 'b':
        return reg(true) || rm(true);
    case 'g':
        return reg(false) || rm(false);
    case 'w':
        return reg(false) || rm(true);
    case 'm': // movd, but movq between vector registers
        if (insn.map == map::m0f && insn.opcode == 0x7e && (insn.prefixes & prefix::rep)) return false;
        return rm(false);
    case 'c':
        return rm(true);
    case 'r':
        return reg(false);
    case '2':
        return scalar && rm(false);
    case '3':
        return scalar && reg(false);
    case 'o':
        return field_is_rsp(insn.opcode & 7, rex_b, false, insn);
    case 'h':
        return field_is_rsp(insn.opcode & 7, rex_b, true, insn);
    default:
        return false;
    }
}

} // namespace

Why kernel_exec(const Outline& insn, KernelRing ring) {
    const bool ring0 = ring != KernelRing::ring2;
    switch (letter_of(insn)) {
    case 'f':
        return Why::control_flow;
    case 's':
        if (ring0) return Why::uses_stack;
        break;
    case 'p':
        if (ring0) return Why::privileged;
        break;
    case 'r':
        return Why::depends_on_ring;
    case 'u':
        return Why::not_64_bit;
    case 'x':
        return Why::raises_exception;
    case 'v':
        if (ring == KernelRing::ring0) return Why::gather;
        break;
    case 'z':
        if (ring == KernelRing::ring0) return Why::memory_of_unknown_size;
        break;
    default:
        break;
    }
    if (!ring0) return Why::none;
    if (names_rsp(insn)) return Why::names_rsp;
    if (insn.prefixes & prefix::gs) return Why::gs_operand;
    return Why::none;
}

} // namespace trapline
