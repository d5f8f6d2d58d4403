#include "decoder/computed.hpp"

#include "decoder/address.hpp"
#include "decoder/boost_opcodes.hpp"
#include "decoder/kernel_exec.hpp"

namespace trapline {
namespace {

using boost_opcodes::Letters;
using boost_opcodes::letters;

// One character per opcode, sixteen to a row:
//   .  stepped    b  branch    p  stack    m  move    a  arithmetic    s  string    n  nested CPU
//   3 4 5 b  the reg field of ModRM decides (groups 3 to 5); 6: only /0 is a move
// clang-format off

constexpr Letters one_byte = letters(
    "a a a a a a . . a a a a a a . . " // 0
    "a a a a a a . . a a a a a a . . " // 1
    "a a a a a a . . a a a a a a . . " // 2
    "a a a a a a . . a a a a a a . . " // 3
    ". . . . . . . . . . . . . . . . " // 4
    "p p p p p p p p p p p p p p p p " // 5   push, pop
    ". . . m . . . . p n p n . . . . " // 6   movsxd; push, imul
    "b b b b b b b b b b b b b b b b " // 7
    "a a . a a a m m m m m m . m . p " // 8   groups 1, test, xchg, mov, lea, pop
    "m m m m m m m m m m . . . . n n " // 9   xchg, cbw, cwd; sahf, lahf
    "m m m m s s s s a a s s s s s s " // a
    "m m m m m m m m m m m m m m m m " // b   mov
    "n n b b . . 6 6 . p . . . . . . " // c   shifts; ret, mov, leave
    "n n n n . . . . . . . . . . . . " // d
    "b b b b . . . . b b . b . . . . " // e   loop, jcxz; call, jmp
    ". . . . . a 3 3 a a . . a a 4 5 "); // f   cmc; clc, stc, cld, std

constexpr Letters two_byte = letters(
    ". . . . . . . . . . . . . . . . " // 0
    "n n n n n n n n . . . . . . . m " // 1   SSE; nop
    ". . . . . . . . n n n n n n n n " // 2
    ". . . . . . . . . . . . . . . . " // 3
    "m m m m m m m m m m m m m m m m " // 4   cmov
    "n n n n n n n n n n n n n n n n " // 5
    "n n n n n n n n n n n n n n n n " // 6
    "n n n n n n n n . . . . n n n n " // 7
    "b b b b b b b b b b b b b b b b " // 8
    "m m m m m m m m m m m m m m m m " // 9   set
    ". . . n n n . . . . . n n n . n " // a   bt, shld; bts, shrd, imul
    "n n . n . . m m n . n n n n m m " // b   cmpxchg, btr, movzx; popcnt, btc, bsf, bsr, movsx
    "n n n . n n n . n n n n n n n n " // c   xadd; bswap
    "n n n n n n n n n n n n n n n n " // d
    "n n n n n n n n n n n n n n n n " // e
    "n n n n n n n . n n n n n n n . "); // f   not maskmovq

// clang-format on

char letter_of(const Outline& insn) {
    if (insn.map == map::one_byte) return one_byte[insn.opcode];
    return insn.map == map::m0f ? two_byte[insn.opcode] : 'n';
}

bool in_memory(const Outline& insn) { return insn.has_modrm && insn.mod() != 3; }

Computed by_registers(const Outline& insn, std::span<const uint8_t> bytes) {
    const bool memory = in_memory(insn) || accesses(insn, bytes, {}).count != 0;
    return !memory && kernel_exec(insn, KernelRing::ring0) == Why::none ? Computed::nested : Computed::none;
}

Computed group_5(const Outline& insn) {
    if (insn.reg() < 2) return Computed::arithmetic;
    if (insn.reg() == 2 || insn.reg() == 4) return Computed::branch;
    return insn.reg() == 6 ? Computed::stack : Computed::none;
}

bool repeats_twice(uint16_t prefixes) { return (prefixes & prefix::rep) && (prefixes & prefix::repne); }

} // namespace

Computed computed(const Outline& insn, std::span<const uint8_t> bytes) {
    if (insn.vector() || insn.rex2 || insn.undefined || (insn.prefixes & prefix::lock)) return Computed::none;
    // The last of two segment prefixes counts, and their order is not in the outline.
    if ((insn.prefixes & prefix::fs) && (insn.prefixes & prefix::gs)) return Computed::none;
    const bool short_operand = (insn.prefixes & prefix::operand_size) != 0;
    const bool short_address = (insn.prefixes & prefix::address_size) != 0;
    switch (letter_of(insn)) {
    case 'b':
        return short_operand ? Computed::none : Computed::branch;
    case 'p': // pop of memory: rsp moves before its operand is found
        return short_operand || (insn.opcode == 0x8f && (insn.reg() != 0 || in_memory(insn))) ? Computed::none
                                                                                              : Computed::stack;
    case 'm':
        if (insn.map == map::m0f && insn.opcode == 0x1f && (insn.reg() != 0 || !in_memory(insn))) return Computed::none;
        return insn.opcode == 0x8d && !in_memory(insn) ? Computed::none : Computed::move;
    case 'a':
        return Computed::arithmetic;
    case 's':
        return short_address || repeats_twice(insn.prefixes) ? Computed::none : Computed::string;
    case 'n':
        return by_registers(insn, bytes);
    case '3':
        if (insn.reg() == 1) return Computed::none;
        return insn.reg() < 4 ? Computed::arithmetic : by_registers(insn, bytes);
    case '4':
        return insn.reg() < 2 ? Computed::arithmetic : Computed::none;
    case '5':
        return short_operand && insn.reg() >= 2 ? Computed::none : group_5(insn);
    case '6':
        return insn.reg() == 0 && (insn.rex & 4) == 0 ? Computed::move : Computed::none;
    default:
        return Computed::none;
    }
}

} // namespace trapline
