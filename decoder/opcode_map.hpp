// decoder/opcode_map.hpp: what follows each opcode, as tables to be proof-read against the opcode maps of the SDM.
//
// One letter per opcode, sixteen to a row, in the order of the maps (SDM volume 2, appendix "Opcode Map"). The letters
// become bytes at compile time. decoder/outline.cpp is the only reader.
//
//   .  nothing follows            m  ModRM                     B  ModRM, imm8          Z  ModRM, imm of operand size
//   b  imm8                       w  imm16                     z  imm of operand size  v  the same, 8 bytes with REX.W
//   j  rel32 (16-bit code aside)  e  imm16 and imm8 (enter)    f  far pointer          o  address of its own size
//   t  ModRM, imm8 if TEST        T  ModRM, imm if TEST        p  legacy prefix        r  REX prefix
//   x  not in 64-bit mode         D  ModRM, imm32              *  escape, or a vector prefix: outline.cpp decides
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trapline::opcode_map {

/// The number of immediate bytes, or the rule that gives it.
enum Follow : uint8_t { none, i8, i16, iz, iv, i32, rel, enter, far_pointer, address, test8, testz };
inline constexpr uint8_t follow_mask = 0x0f, modrm = 0x10, prefix = 0x20, rex = 0x40, invalid = 0x80;
inline constexpr uint8_t special = prefix | rex; ///< both at once: an escape or a vector prefix

using Table = std::array<uint8_t, 256>;

struct Letter {
    char letter;
    uint8_t shape;
};
inline constexpr Letter legend[] = {
    {'.', none},
    {'m', modrm},
    {'B', modrm | i8},
    {'Z', modrm | iz},
    {'D', modrm | i32},
    {'t', modrm | test8},
    {'T', modrm | testz},
    {'b', i8},
    {'w', i16},
    {'z', iz},
    {'v', iv},
    {'j', rel},
    {'e', enter},
    {'f', far_pointer},
    {'o', address},
    {'p', prefix},
    {'r', rex},
    {'x', invalid},
    {'*', special},
};

consteval uint8_t shape_of(char letter) {
    for (const Letter& l : legend)
        if (l.letter == letter) return l.shape;
    throw "a letter that the legend does not have";
}

consteval Table table(std::string_view letters) {
    Table out{};
    size_t n = 0;
    for (const char c : letters)
        if (c != ' ') out.at(n++) = shape_of(c);
    if (n != out.size()) throw "a row is too long or too short";
    return out;
}

// clang-format off

/// The one-byte map in 64-bit mode.
inline constexpr Table one_byte_64 = table(
    "m m m m b z x x m m m m b z x * "   // 0
    "m m m m b z x x m m m m b z x x "   // 1
    "m m m m b z p x m m m m b z p x "   // 2
    "m m m m b z p x m m m m b z p x "   // 3
    "r r r r r r r r r r r r r r r r "   // 4
    ". . . . . . . . . . . . . . . . "   // 5
    "x x * m p p p p z Z b B . . . . "   // 6
    "b b b b b b b b b b b b b b b b "   // 7
    "B Z x B m m m m m m m m m m m * "   // 8
    ". . . . . . . . . . x . . . . . "   // 9
    "o o o o . . . . b z . . . . . . "   // a
    "b b b b b b b b v v v v v v v v "   // b
    "B B w . * * B Z e . w . . b x . "   // c
    "m m m m x * x . m m m m m m m m "   // d
    "b b b b b b b b j j x b . . . . "   // e
    "p . p p . . t T . . . . . . m m "); // f

// clang-format on

/// The one-byte map in 32-bit mode: what 64-bit mode took away is there.
consteval Table without_rex() {
    Table out = one_byte_64;
    for (int op = 0x40; op < 0x50; ++op) out[op] = none;
    for (const int op : {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce, 0xd6})
        out[op] = none;
    out[0x82] = modrm | i8;
    out[0x9a] = out[0xea] = far_pointer;
    out[0xd4] = out[0xd5] = i8;
    return out;
}
inline constexpr Table one_byte_32 = without_rex();

// clang-format off

/// The map behind 0f. Opcodes that no CPU has get the ModRM of their neighbours, or nothing (04 0a 0c 24-27 36 39
/// 3b-3f).
inline constexpr Table two_byte = table(
    "m m m m . . . . . . . . . m . B "   // 0   0f 0f: 3DNow!, the suffix opcode is its imm8
    "m m m m m m m m m m m m m m m m "   // 1
    "m m m m . . . . m m m m m m m m "   // 2
    ". . . . . . . . * . * . . . . . "   // 3
    "m m m m m m m m m m m m m m m m "   // 4
    "m m m m m m m m m m m m m m m m "   // 5
    "m m m m m m m m m m m m m m m m "   // 6
    "B B B B m m m . m m m m m m m m "   // 7
    "j j j j j j j j j j j j j j j j "   // 8
    "m m m m m m m m m m m m m m m m "   // 9
    ". . . m B m m m . . . m B m m m "   // a
    "m m m m m m m m m m B m m m m m "   // b   b9 is ud1
    "m m B m B B B m . . . . . . . . "   // c
    "m m m m m m m m m m m m m m m m "   // d
    "m m m m m m m m m m m m m m m m "   // e
    "m m m m m m m m m m m m m m m m "); // f   ff is ud0

/// EVEX map 4: the one-byte and two-byte instructions that APX promotes.
inline constexpr Table apx = table(
    "m m m m m m m m m m m m m m m m "   // 0
    "m m m m m m m m m m m m m m m m "   // 1
    "m m m m B m m m m m m m B m m m "   // 2   24, 2c: shld, shrd with imm8
    "m m m m m m m m m m m m m m m m "   // 3
    "m m m m m m m m m m m m m m m m "   // 4
    "m m m m m m m m m m m m m m m m "   // 5
    "m m m m m m m m m Z m B m m m m "   // 6
    "m m m m m m m m m m m m m m m m "   // 7
    "B Z m B m m m m m m m m m m m m "   // 8
    "m m m m m m m m m m m m m m m m "   // 9
    "m m m m m m m m m m m m m m m m "   // a
    "m m m m m m m m m m m m m m m m "   // b
    "B B m m m m m m m m m m m m m m "   // c
    "m m m m m m m m m m m m m m m m "   // d
    "m m m m m m m m m m m m m m m m "   // e
    "m m m m m m t T m m m m m m m m "); // f

// clang-format on

consteval Table all(char letter) {
    Table out{};
    out.fill(shape_of(letter));
    return out;
}
inline constexpr Table modrm_only = all('m');  ///< 0f 38, EVEX maps 5 and 6, XOP map 9
inline constexpr Table modrm_imm8 = all('B');  ///< 0f 3a, XOP map 8
inline constexpr Table modrm_imm32 = all('D'); ///< XOP map 10, VEX and EVEX map 7

} // namespace trapline::opcode_map
