// decoder/boost_opcodes.hpp: which opcodes kernels boost, in the order of the opcode map.
//
// One character per opcode, sixteen to a row, to be proof-read; decoder/boostable.cpp is the only reader. A dot may be
// boosted, every other character is a reason why not, or says where the answer is:
//
//   ?  conditional jump, loop    c  call            j  relative jump     i  breakpoint or software interrupt
//   p  prefix                    h  halt            u  reserved          g  group with reserved opcodes
//   x  coprocessor               f  pushf           b  bound, EVEX       n  not in the kernel's two-byte map
//   e  two-byte escape           s  skipped: the next byte decides       E  the two-byte map decides
//   2 3 4 5  the reg field of ModRM decides (groups 2 to 5 of the opcode map)
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trapline::boost_opcodes {

using Letters = std::array<char, 256>;

consteval Letters letters(std::string_view rows) {
    Letters out{};
    size_t n = 0;
    for (const char c : rows)
        if (c != ' ') out.at(n++) = c;
    if (n != out.size()) throw "a row is too long or too short";
    return out;
}

// clang-format off

/// Of 2005, for i386, asked about the first byte alone. Source: the list at the end of seed 002, exactly as posted (the
/// patch of 27 February 2006 tests the same opcodes). The mail's own sentences contradict the list:
///   - "Absolute direct/indirect jumps are OK", but ff /4 and ff /5 are in the list with all of FEH-FFH. The patch
///     boosts them after their first step all the same.
///   - "Prefixes are NG", but of the prefixes only f0, f2 and f3 are in the list, and not 26 2e 36 3e 64-67.
/// Relative jumps (e9, eb) are not in the list either, though they "change EIP beyond the range of the instruction
/// buffer": that is found out by measuring, when the first step has shown where EIP went (boost/).
inline constexpr Letters booster_2005 = letters(
    ". . . . . . . . . . . . . . . e "   // 0   0FH
    ". . . . . . . . . . . . . . . . "   // 1
    ". . . . . . . . . . . . . . . . "   // 2
    ". . . . . . . . . . . . . . . . "   // 3
    ". . . . . . . . . . . . . . . . "   // 4
    ". . . . . . . . . . . . . . . . "   // 5
    ". . . . . . . . . . . . . . . . "   // 6
    "? ? ? ? ? ? ? ? ? ? ? ? ? ? ? ? "   // 7   70H-7FH
    ". . . . . . . . . . . . . . . . "   // 8
    ". . . . . . . . . . c . f . . . "   // 9   9AH, 9CH
    ". . . . . . . . . . . . . . . . "   // a
    ". . . . . . . . . . . . . . . . "   // b
    "g g . . . . g g . . . . i i i . "   // c   C0H-C1H, C6H-C7H, CCH-CEH
    "g g g g . . u . x x x x x x x x "   // d   D0H-D3H, D6H, D8H-DFH
    "? ? ? ? . . . . c . . . . . . . "   // e   E0H-E3H, E8H
    "p p p p h . g g . . . . . . g g "); // f   F0H-F3H, F4H, F6H-F7H, FEH-FFH

/// Of 2.6.32, byte by byte: prefixes are skipped, those that change the code segment or the address size aside. 40-4f
/// are skipped in 64-bit mode only. Source: kprobes of 2.6.32, the unified x86 file.
inline constexpr Letters linux_2_6_32 = letters(
    ". . . . . . . . . . . . . . . E "   // 0
    ". . . . . . . . . . . . . . . . "   // 1
    ". . . . . . s . . . . . . . p . "   // 2
    ". . . . . . s . . . . . . . s . "   // 3
    "s s s s s s s s s s s s s s s s "   // 4
    ". . . . . . . . . . . . . . . . "   // 5
    ". . b . s s s p . . . . . . . . "   // 6
    "? ? ? ? ? ? ? ? ? ? ? ? ? ? ? ? "   // 7
    ". . . . . . . . . . . . . . . . "   // 8
    ". . . . . . . . . . c . . . . . "   // 9
    ". . . . . . . . . . . . . . . . "   // a
    ". . . . . . . . . . . . . . . . "   // b
    "g g . . . . . . . . . . i i i . "   // c
    "g g g g . . u . x x x x x x x x "   // d
    "? ? ? ? . . . . c j . j . . . . "   // e
    "s i s s h . g g . . . . . . g g "); // f

/// Of 6.12 (and 6.18, which did not change it), asked about the first opcode byte that the kernel's decoder keeps.
/// Source: kprobes of 6.12. The prefixes 2e and 67 are refused beside the table, with a one-byte opcode only.
inline constexpr Letters linux_6_12 = letters(
    ". . . . . . . . . . . . . . . . "   // 0   0f only behind VEX: a two-byte opcode is looked up below
    ". . . . . . . . . . . . . . . . "   // 1
    ". . . . . . . . . . . . . . . . "   // 2
    ". . . . . . . . . . . . . . . . "   // 3
    ". . . . . . . . . . . . . . . . "   // 4
    ". . . . . . . . . . . . . . . . "   // 5
    ". . b . . . . . . . . . . . . . "   // 6
    "? ? ? ? ? ? ? ? ? ? ? ? ? ? ? ? "   // 7
    ". . . . . . . . . . . . . . . . "   // 8
    ". . . . . . . . . . c . . . . . "   // 9
    ". . . . . . . . . . . . . . . . "   // a
    ". . . . . . . . . . . . . . . . "   // b
    "2 2 . . . . . . . . . . i i i . "   // c
    "2 2 2 2 . . u . x x x x x x x x "   // d
    "? ? ? ? . . . . c j . j . . . . "   // e
    "p p p p h . 3 3 . . . . . . 4 5 "); // f

/// The map behind 0f, of 2.6.32 and of 6.12. One opcode was added between them: the long nop.
consteval Letters two_byte(char long_nop) {
    Letters out = letters(
    "n n . . n n . n . . n n n n n n "   // 0
    "n n n n n n n n n n n n n n n n "   // 1   1f: see the argument
    ". . . . n n n n n n n n n n n n "   // 2
    "n . n n n n n n n n n n n n n n "   // 3
    ". . . . . . . . . . . . . . . . "   // 4
    "n n n n n n n n n n n n n n n n "   // 5
    ". . . . . . . . . . . . n n . . "   // 6
    "n n n n . . . . n n n n n n . . "   // 7
    "n n n n n n n n n n n n n n n n "   // 8
    ". . . . . . . . . . . . . . . . "   // 9
    ". . n . . . n n . . n . . . n . "   // a
    ". . . . . . . . n n n . . . . . "   // b
    ". . n n n n n n . . . . . . . . "   // c
    "n . . . n . n n . . n . . . n . "   // d
    "n . . n n . n n . . n . . . n . "   // e
    "n . . . n . n n . . . n . . . n "); // f
    out[0x1f] = long_nop;
    return out;
}
inline constexpr Letters two_byte_2_6_32 = two_byte('n');
inline constexpr Letters two_byte_6_12 = two_byte('.');

// clang-format on

} // namespace trapline::boost_opcodes
