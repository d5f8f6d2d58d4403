// decoder/vector_opcodes.hpp: the opcodes that exist behind VEX, EVEX and XOP, as Linux knows them.
//
// One hexadecimal digit per opcode, sixteen to a row: a set of the mandatory prefixes it exists with (1 none, 2 66, 4
// f3, 8 f2), or a dot for none. Source: each of the 14,000 encodings was offered to uprobes of Linux 6.18.44, which
// answers ENOEXEC to those that its decoder does not have. Older kernels lack the newest of them. W, L and register
// fields are nobody's business here: Linux does not look at them. decoder/vector_map.cpp is the only reader.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace trapline::vector_opcodes {

using Opcodes = std::array<uint8_t, 256>;

consteval Opcodes opcodes(std::string_view digits) {
    Opcodes out{};
    size_t n = 0;
    for (const char c : digits) {
        if (c == ' ') continue;
        if (c != '.' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) throw "not a digit of the legend";
        out.at(n++) = static_cast<uint8_t>(c == '.' ? 0 : c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (n != out.size()) throw "a row is too long or too short";
    return out;
}

// clang-format off

/// VEX map 1 (0f).
inline constexpr Opcodes vex_0f = opcodes(
    ". . . . . . . . . . . . . . . . " // 0
    "f f f 3 3 3 7 3 . . . . . . . . " // 1
    ". . . . . . . . 3 3 c 3 c c 3 3 " // 2
    ". . . . . . . . . . . . . . . . " // 3
    ". 3 3 . 3 3 3 3 . . 3 3 . . . . " // 4
    "3 f 5 5 3 3 3 3 f f f 7 f f f f " // 5
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 6 " // 6
    "e 2 2 2 2 2 2 1 1 1 . . a a 6 6 " // 7
    ". . . . . . . . . . . . . . . . " // 8
    "3 3 b b . . . . 3 3 . . . . . . " // 9
    ". . . . . . . . . . . . . . 1 . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . f . 2 2 3 . . . . . . . . . " // c
    "a 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // d
    "2 2 2 2 2 2 e 2 2 2 2 2 2 2 2 2 " // e
    "8 2 2 2 2 2 2 2 2 2 2 2 2 2 2 . "); // f

/// VEX map 2 (0f 38).
inline constexpr Opcodes vex_0f38 = opcodes(
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // 0
    "2 . . 2 2 2 2 2 2 2 2 . 2 2 2 . " // 1
    "2 2 2 2 2 2 . . 2 2 2 2 2 2 2 2 " // 2
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // 3
    "2 2 . . . 2 2 2 . b . e . . . . " // 4
    "f f 2 2 . . . . 2 2 2 . c . f . " // 5
    ". . . . . . . . . . . . 3 . . . " // 6
    ". . 4 . . . . . 2 2 . . . . . . " // 7
    ". . . . . . . . . . . . 2 . 2 . " // 8
    "2 2 2 2 . . 2 2 2 2 2 2 2 2 2 2 " // 9
    ". . . . . . 2 2 2 2 2 2 2 2 2 2 " // a
    "f 6 . . 2 2 2 2 2 2 2 2 2 2 2 2 " // b
    ". . . . . . 2 . . . . 8 8 8 . 2 " // c
    ". . 7 7 . . . . . . f 2 2 2 2 2 " // d
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // e
    ". . 1 f . d 8 f . . . . . . . . "); // f

/// VEX map 3 (0f 3a).
inline constexpr Opcodes vex_0f3a = opcodes(
    "2 2 2 . 2 2 2 . 3 2 3 2 2 2 2 2 " // 0
    ". . . . 2 2 2 2 2 2 . . . 2 . . " // 1
    "2 2 2 . . . . . . . . . . . . . " // 2
    "2 2 2 2 . . . . 2 2 . . . . . . " // 3
    "2 2 2 . 2 . 2 . . . 2 2 2 . . . " // 4
    ". . . . . . . . . . . . . . . . " // 5
    "2 2 2 2 . . . . . . . . . . . . " // 6
    ". . . . . . . . . . . . . . . . " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . . . . . . . . . . . . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . . . . . . . . . . . . . 2 2 " // c
    ". . . . . . . . . . . . . . 2 2 " // d
    ". . . . . . . . . . . . . . . . " // e
    "8 . . . . . . . . . . . . . . . "); // f

/// EVEX map 1 (0f).
inline constexpr Opcodes evex_0f = opcodes(
    ". . . . . . . . . . . . . . . . " // 0
    "f f f 3 3 3 7 3 . . . . . . . . " // 1
    ". . . . . . . . 3 3 c 3 c c 3 3 " // 2
    ". . . . . . . . . . . . . . . . " // 3
    ". 3 3 . 3 3 3 3 . . 3 3 . . . . " // 4
    "3 f 5 5 3 3 3 3 f f f 7 f f f f " // 5
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 e " // 6
    "e 2 2 2 2 2 2 1 f f e e a a 6 e " // 7
    ". . . . . . . . . . . . . . . . " // 8
    "3 3 b b . . . . 3 3 . . . . . . " // 9
    ". . . . . . . . . . . . . . 1 . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . f . 2 2 3 . . . . . . . . . " // c
    "a 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // d
    "2 2 2 2 2 2 e 2 2 2 2 2 2 2 2 2 " // e
    "8 2 2 2 2 2 2 2 2 2 2 2 2 2 2 . "); // f

/// EVEX map 2 (0f 38).
inline constexpr Opcodes evex_0f38 = opcodes(
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // 0
    "6 6 6 6 6 6 2 2 2 2 2 2 2 2 2 2 " // 1
    "6 6 6 6 6 6 6 6 6 6 6 2 2 2 2 2 " // 2
    "6 6 6 6 6 6 2 2 6 6 6 2 2 2 2 2 " // 3
    "2 2 2 2 2 2 2 2 . b . e 2 2 2 2 " // 4
    "f f e a 2 2 . . 2 2 2 2 c . f . " // 5
    ". . 2 2 2 2 2 . 8 . . . 3 . . . " // 6
    "2 2 e 2 . 2 2 2 2 2 2 2 2 2 2 2 " // 7
    ". . . 2 . . . . 2 2 2 2 2 2 2 2 " // 8
    "2 2 2 2 . . 2 2 2 2 a a 2 2 2 2 " // 9
    "2 2 2 2 . . 2 2 2 2 a a 2 2 2 2 " // a
    "f 6 . . 2 2 2 2 2 2 2 2 2 2 2 2 " // b
    ". . . . 2 . 2 2 2 . 2 a a a . 2 " // c
    ". . 7 7 . . . . . . f 2 2 2 2 2 " // d
    "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 " // e
    ". . 1 f . d 8 f . . . . . . . . "); // f

/// EVEX map 3 (0f 3a).
inline constexpr Opcodes evex_0f3a = opcodes(
    "2 2 2 2 2 2 2 . 3 2 3 2 2 2 2 2 " // 0
    ". . . . 2 2 2 2 2 2 2 2 . 2 2 2 " // 1
    "2 2 2 2 . 2 3 3 . . . . . . . . " // 2
    "2 2 2 2 . . . . 2 2 2 2 . . 2 2 " // 3
    "2 2 2 2 2 . 2 . . . 2 2 2 . . . " // 4
    "2 2 . . 2 2 3 3 . . . . . . . . " // 5
    "2 2 2 2 . . 3 3 . . . . . . . . " // 6
    "2 2 2 2 . . . . . . . . . . . . " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . . . . . . . . . . . . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . 5 . . . . . . . . . . . 2 2 " // c
    ". . . . . . . . . . . . . . 2 2 " // d
    ". . . . . . . . . . . . . . . . " // e
    "8 . . . . . . . . . . . . . . . "); // f

/// EVEX map 4 (APX).
inline constexpr Opcodes evex_4 = opcodes(
    "1 3 1 3 . . . . 1 3 1 3 . . . . " // 0
    "1 3 1 3 . . . . 1 3 1 3 . . . . " // 1
    "1 3 1 3 3 . . . 1 3 1 3 3 . . . " // 2
    "1 3 1 3 . . . . 1 3 1 3 . . . . " // 3
    "b b b b b b b b b b b b b b b b " // 4
    ". . . . . . . . . . . . . . . . " // 5
    "3 3 . . . 2 7 . . 3 . 3 . . . . " // 6
    ". . . . . . . . . . . . . . . . " // 7
    "f f . f 1 3 . . 3 . . . . . . 1 " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . 3 . . . . . . . 3 . 3 " // a
    ". . . . . . . . . . . . . . . . " // b
    "f f . . . . . . . . . . . . . . " // c
    "f f f f . . . . . . . . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    "5 7 4 . 3 3 f f e 1 . . . . f f "); // f

/// EVEX map 5 (half precision).
inline constexpr Opcodes evex_5 = opcodes(
    ". . . . . . . . . . . . . . . . " // 0
    "4 4 . . . . . . . . . . . 3 . . " // 1
    ". . . . . . . . . . 4 . 4 4 1 1 " // 2
    ". . . . . . . . . . . . . . . . " // 3
    ". . . . . . . . . . . . . . . . " // 4
    ". 5 . . . . . . 5 5 f 7 5 5 5 5 " // 5
    ". . . . . . . . . . . . . . 2 . " // 6
    ". . . . . . . . 7 7 a 6 3 f 2 . " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . . . . . . . . . . . . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . . . . . . . . . . . . . . . " // c
    ". . . . . . . . . . . . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    ". . . . . . . . . . . . . . . . "); // f

/// EVEX map 6 (half precision).
inline constexpr Opcodes evex_6 = opcodes(
    ". . . . . . . . . . . . . . . . " // 0
    ". . . 3 . . . . . . . . . . . . " // 1
    ". . . . . . . . . . . . 2 2 . . " // 2
    ". . . . . . . . . . . . . . . . " // 3
    ". . 2 2 . . . . . . . . 2 2 2 2 " // 4
    ". . . . . . c c . . . . . . . . " // 5
    ". . . . . . . . . . . . . . . . " // 6
    ". . . . . . . . . . . . . . . . " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . 2 2 2 2 2 2 2 2 2 2 " // 9
    ". . . . . . 2 2 2 2 2 2 2 2 2 2 " // a
    ". . . . . . 2 2 2 2 2 2 2 2 2 2 " // b
    ". . . . . . . . . . . . . . . . " // c
    ". . . . . . c c . . . . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    ". . . . . . . . . . . . . . . . "); // f

/// The opcodes of the older maps that Linux's decoder has for VEX and EVEX alone, with their prefixes, where the last
/// one counts: encoded without, they are no instructions to it. Source: each was offered to Linux 6.18.44.
inline constexpr Opcodes legacy_0f = opcodes(
    ". . . . . . . . . . . . . . . . " // 0
    ". . . . . . . . . . . . . . . . " // 1
    ". . . . . . . . . . . . . . . . " // 2
    ". . . . . . . . . . . . . . . . " // 3
    ". . . . . . . . . . . . . . . . " // 4
    ". . . . . . . . . . . . . . . . " // 5
    ". . . . . . . . . . . . . . . 8 " // 6
    ". . . . . . . . e e e e . . . 8 " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . . . . . . . . . . . . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . . . . . . . . . . . . . . . " // c
    ". . . . . . . . . . . . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    ". . . . . . . . . . . . . . . . "); // f

inline constexpr Opcodes legacy_0f38 = opcodes(
    ". . . . . . . . . . . . 2 2 2 2 " // 0
    "4 6 6 6 4 4 2 . 2 2 2 2 . . . 2 " // 1
    "4 4 4 4 4 4 6 6 4 4 4 . 2 2 2 2 " // 2
    "4 4 4 4 4 4 2 . 4 4 4 . . . . . " // 3
    ". . 2 2 2 2 2 2 . . . 4 2 2 2 2 " // 4
    "d d c 8 2 2 . . 2 2 2 2 . . . . " // 5
    ". . 2 2 2 2 2 . 8 . . . . . . . " // 6
    "2 2 a 2 . 2 2 2 2 2 2 2 2 2 2 2 " // 7
    ". . . 2 . . . . 2 2 2 2 2 2 2 2 " // 8
    "2 2 2 2 . . 2 2 2 2 a a 2 2 2 2 " // 9
    "2 2 2 2 . . 2 2 2 2 a a 2 2 2 2 " // a
    "f 6 . . . . 2 2 2 2 2 2 2 2 2 2 " // b
    ". . . . 2 . . . 2 . 2 a a a . . " // c
    ". . 7 7 . . . . . . c . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    ". . f . . d 8 f . . . . . . . . "); // f

inline constexpr Opcodes legacy_0f3a = opcodes(
    "2 2 2 2 2 2 2 . . . . . . . . . " // 0
    ". . . . . . . . 2 2 2 2 . 2 2 2 " // 1
    ". . . 2 . 2 3 3 . . . . . . . . " // 2
    "2 2 2 2 . . . . 2 2 2 2 . . 2 2 " // 3
    ". . . 2 . . 2 . . . 2 2 . . . . " // 4
    "2 2 . . 2 2 3 3 . . . . . . . . " // 5
    ". . . . . . 3 3 . . . . . . . . " // 6
    "2 2 2 2 . . . . . . . . . . . . " // 7
    ". . . . . . . . . . . . . . . . " // 8
    ". . . . . . . . . . . . . . . . " // 9
    ". . . . . . . . . . . . . . . . " // a
    ". . . . . . . . . . . . . . . . " // b
    ". . 5 . . . . . . . . . . . . . " // c
    ". . . . . . . . . . . . . . . . " // d
    ". . . . . . . . . . . . . . . . " // e
    "8 . . . . . . . . . . . . . . . "); // f

// clang-format on

/// XOP opcodes, first to last; they exist with every value of pp. Map 7 has one opcode behind VEX and EVEX.
struct Range {
    uint8_t map, first, last;
};
inline constexpr Range xop[] = {
    {8, 0x85, 0x87}, {8, 0x8e, 0x8f}, {8, 0x95, 0x97}, {8, 0x9e, 0x9f},  {8, 0xa2, 0xa3},  {8, 0xa6, 0xa6},
    {8, 0xb6, 0xb6}, {8, 0xc0, 0xc3}, {8, 0xcc, 0xcf}, {8, 0xec, 0xef},  {9, 0x01, 0x02},  {9, 0x12, 0x12},
    {9, 0x80, 0x83}, {9, 0x90, 0x9b}, {9, 0xc1, 0xc3}, {9, 0xc6, 0xc7},  {9, 0xcb, 0xcb},  {9, 0xd1, 0xd3},
    {9, 0xd6, 0xd7}, {9, 0xdb, 0xdb}, {9, 0xe1, 0xe3}, {10, 0x10, 0x10}, {10, 0x12, 0x12},
};
inline constexpr uint8_t map7_opcode = 0xf8, map7_prefixes = 0xc;

/// Opcodes whose ModRM.reg belongs to them: the set of reg values that exist, bit 0 for /0. The same behind VEX and
/// EVEX.
struct Group {
    uint8_t map, opcode, regs;
};
inline constexpr Group groups[] = {
    {1, 0x71, 0x54},                  // shifts of words: /2 /4 /6
    {1, 0x72, 0x57},                  // shifts and rotates of doublewords: /0 /1 /2 /4 /6
    {1, 0x73, 0xcc},                  // shifts of quadwords: /2 /3 /6 /7
    {1, 0xae, 0x0c},                  // vldmxcsr, vstmxcsr: /2 /3
    {2, 0xc6, 0x66},                  // prefetches of gathers and scatters: /1 /2 /5 /6
    {2, 0xc7, 0x66}, {2, 0xf3, 0x0e}, // blsr, blsmsk, blsi: /1 /2 /3
};

} // namespace trapline::vector_opcodes
