// decoder/kernel_exec_opcodes.hpp: which instructions do the same when a copy of them runs in the kernel, in the order
// of the opcode map.
//
// One character per opcode, sixteen to a row, to be proof-read; decoder/kernel_exec.cpp is the only reader. Source: SDM
// volume 2, "Operation" and "Protected Mode Exceptions" of each instruction; nothing of this was ever built.
//
//   .  the same               f  changes the flow of control    s  uses the stack implicitly
//   p  privileged: ring 0 executes what ring 3 may not          r  shows or loads segments, or depends on the ring
//   u  not in 64-bit mode     x  raises an exception            e  an escape or a prefix: never asked
//   5  group 5                6  group 11, transactions in it   9  group 9              a  group 15: ModRM decides
#pragma once

#include "decoder/boost_opcodes.hpp"

namespace trapline::kernel_exec_opcodes {

using boost_opcodes::Letters;
using boost_opcodes::letters;

// clang-format off

/// One-byte map, 64-bit mode.
inline constexpr Letters one_byte = letters(
    ". . . . . . u u . . . . . . u e "   // 0
    ". . . . . . u u . . . . . . u u "   // 1
    ". . . . . . e u . . . . . . e u "   // 2
    ". . . . . . e u . . . . . . e u "   // 3
    "e e e e e e e e e e e e e e e e "   // 4
    "s s s s s s s s s s s s s s s s "   // 5   push, pop
    "u u e . e e e e s . s . p p p p "   // 6   push imm; ins, outs
    "f f f f f f f f f f f f f f f f "   // 7
    ". . u . . . . . . . . . r . r s "   // 8   mov from and to segments; pop
    ". . . . . . . . . . u . s s . . "   // 9   pushf, popf
    ". . . . . . . . . . . . . . . . "   // a
    ". . . . . . . . . . . . . . . . "   // b
    ". . f f e e 6 6 s s f f f f u f "   // c   ret, enter, leave, int, iret
    ". . . . u e u . . . . . . . . . "   // d
    "f f f f p p p p f f u f p p p p "   // e
    "e f e e p . . . . . p p . . . 5 "); // f   int1, hlt, cli, sti

/// The map behind 0f.
inline constexpr Letters two_byte = letters(
    "r r r r x f p p p p x x x . . . "   // 0   lldt, lgdt, lar, lsl; syscall, clts, sysret, invd, wbinvd, ud2
    ". . . . . . . . . . . . . . . . "   // 1
    "p p p p x x x x . . . . . . . . "   // 2   mov cr, mov dr
    "p r p r f p x p e x e x x x x x "   // 3   wrmsr, rdtsc, rdmsr, rdpmc, sysenter, sysexit, getsec
    ". . . . . . . . . . . . . . . . "   // 4
    ". . . . . . . . . . . . . . . . "   // 5
    ". . . . . . . . . . . . . . . . "   // 6
    ". . . . . . . . p p . . . . . . "   // 7   vmread, vmwrite
    "f f f f f f f f f f f f f f f f "   // 8
    ". . . . . . . . . . . . . . . . "   // 9
    "s s . . . . x x s s p . . . a . "   // a   push and pop fs, gs; rsm
    ". . r . r r . . . x . . . . . . "   // b   lss, lfs, lgs, ud1
    ". . . . . . . 9 . . . . . . . . "   // c
    ". . . . . . . . . . . . . . . . "   // d
    ". . . . . . . . . . . . . . . . "   // e
    ". . . . . . . . . . . . . . . x "); // f   ud0

/// Which fields name general registers, so that rsp may be among them:
///   b  reg and rm, of one byte     g  reg and rm     w  reg of full size, rm of one byte     m  rm     c  rm, of one byte
///   r  reg   o  the low bits of the opcode   h  those, of one byte   2  rm with f2 or f3   3  reg with f2 or f3   .  none
inline constexpr Letters one_byte_registers = letters(
    "b g b g . . . . b g b g . . . . "   // 0
    "b g b g . . . . b g b g . . . . "   // 1
    "b g b g . . . . b g b g . . . . "   // 2
    "b g b g . . . . b g b g . . . . "   // 3
    ". . . . . . . . . . . . . . . . "   // 4
    "o o o o o o o o o o o o o o o o "   // 5
    ". . . g . . . . . g . g . . . . "   // 6
    ". . . . . . . . . . . . . . . . "   // 7
    "c m . m b g b g b g b g m g m m "   // 8
    "o o o o o o o o . . . . . . . . "   // 9
    ". . . . . . . . . . . . . . . . "   // a
    "h h h h h h h h o o o o o o o o "   // b
    "c m . . . . c m . . . . . . . . "   // c
    "c m c m . . . . . . . . . . . . "   // d
    ". . . . . . . . . . . . . . . . "   // e
    ". . . . . . c m . . . . . . c m "); // f

inline constexpr Letters two_byte_registers = letters(
    "m m g g . . . . . . . . . . . . "   // 0
    ". . . . . . . . . . . . . . . . "   // 1
    "m m m m . . . . . . 2 . 3 3 . . "   // 2   cvtsi2ss, cvttss2si, cvtss2si
    ". . . . . . . . . . . . . . . . "   // 3
    "g g g g g g g g g g g g g g g g "   // 4
    "r . . . . . . . . . . . . . . . "   // 5   movmskps
    ". . . . . . . . . . . . . . m . "   // 6   movd
    ". . . . . . . . . . . . . . m . "   // 7
    ". . . . . . . . . . . . . . . . "   // 8
    "c c c c c c c c c c c c c c c c "   // 9
    ". . . g g g . . . . . g g g m g "   // a
    "b g g g g g w g g g m g g g w g "   // b
    "b g . g m r . m o o o o o o o o "   // c   movnti, pinsrw, pextrw, group 9, bswap
    ". . . . . . . r . . . . . . . . "   // d   pmovmskb
    ". . . . . . . . . . . . . . . . "   // e
    ". . . . . . . . . . . . . . . . "); // f

// clang-format on

} // namespace trapline::kernel_exec_opcodes
