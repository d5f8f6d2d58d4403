// decoder/refusals.hpp: the opcodes that kernels refuse to probe, in the order of the opcode map.
//
// Data to be proof-read; decoder/rules.cpp is the only reader and says in which order the questions are asked. An entry
// covers the opcodes first..last. Linux looks a vector instruction's opcode up here as if it stood in the one-byte map,
// so that the loads of vmovdqa and vmovdqu (6f) are refused as if they were port output; that was measured, and is
// kept.
#pragma once

#include "decoder/why.hpp"

namespace trapline::refusals {

struct Range {
    uint8_t first, last;
    Why why;
};

/// One-byte map, 64-bit tasks. Source: a scan of every opcode on Linux 6.18.44, which agrees with the table of 6.12.
inline constexpr Range linux_64[] = {
    {0x06, 0x07, Why::not_64_bit}, {0x0e, 0x0e, Why::not_64_bit},
    {0x16, 0x17, Why::not_64_bit}, {0x1e, 0x1f, Why::not_64_bit},
    {0x27, 0x27, Why::not_64_bit}, {0x2f, 0x2f, Why::not_64_bit},
    {0x37, 0x37, Why::not_64_bit}, {0x3f, 0x3f, Why::not_64_bit},
    {0x60, 0x62, Why::not_64_bit}, // 62 counts only behind a vector prefix: by itself it is EVEX
    {0x6c, 0x6f, Why::port_io},    {0x82, 0x82, Why::not_64_bit},
    {0x9a, 0x9a, Why::not_64_bit}, {0xcc, 0xcd, Why::breakpoint},
    {0xce, 0xce, Why::not_64_bit}, {0xcf, 0xcf, Why::privileged}, // iret
    {0xd4, 0xd6, Why::not_64_bit}, // d5 counts only behind a vector prefix: by itself it is REX2
    {0xe4, 0xe7, Why::port_io},    {0xea, 0xea, Why::not_64_bit},
    {0xec, 0xef, Why::port_io},    {0xf1, 0xf1, Why::breakpoint},
    {0xf4, 0xf4, Why::privileged}, {0xfa, 0xfb, Why::privileged},
};

/// One-byte map, 32-bit tasks. Source: a scan of every opcode on Linux 6.18.44 in a 32-bit process.
inline constexpr Range linux_32[] = {
    {0x07, 0x07, Why::loads_segment}, {0x1f, 0x1f, Why::loads_segment}, {0x6c, 0x6f, Why::port_io},
    {0xcc, 0xce, Why::breakpoint},    {0xcf, 0xcf, Why::privileged},    {0xe4, 0xe7, Why::port_io},
    {0xec, 0xef, Why::port_io},       {0xf1, 0xf1, Why::breakpoint},    {0xf4, 0xf4, Why::privileged},
    {0xfa, 0xfb, Why::privileged},
};

/// One-byte map, 64-bit tasks, around 2010. Source: the tables of uprobes as in SystemTap's runtime and the first
/// kernels that had it. Legacy prefixes it does not know and a second REX are opcodes to it, hence the 2e and the 40.
inline constexpr Range uprobes_2010_64[] = {
    {0x06, 0x07, Why::not_64_bit},       {0x0e, 0x0e, Why::not_64_bit},       {0x16, 0x17, Why::not_64_bit},
    {0x1e, 0x1f, Why::not_64_bit},       {0x26, 0x26, Why::prefix_as_opcode}, {0x27, 0x27, Why::not_64_bit},
    {0x2e, 0x2e, Why::prefix_as_opcode}, {0x2f, 0x2f, Why::not_64_bit},       {0x36, 0x36, Why::prefix_as_opcode},
    {0x37, 0x37, Why::not_64_bit},       {0x3e, 0x3e, Why::prefix_as_opcode}, {0x3f, 0x3f, Why::not_64_bit},
    {0x40, 0x4f, Why::prefix_as_opcode}, {0x60, 0x62, Why::not_64_bit},       {0x66, 0x67, Why::prefix_as_opcode},
    {0x6c, 0x6f, Why::port_io},          {0x82, 0x82, Why::not_64_bit},       {0xc4, 0xc5, Why::vex},
    {0xcc, 0xcd, Why::breakpoint},       {0xce, 0xce, Why::not_64_bit},       {0xcf, 0xcf, Why::privileged},
    {0xd4, 0xd6, Why::not_64_bit},       {0xe4, 0xe7, Why::port_io},          {0xec, 0xef, Why::port_io},
    {0xf0, 0xf0, Why::prefix_as_opcode}, {0xf1, 0xf1, Why::breakpoint},       {0xf4, 0xf4, Why::privileged},
    {0xfa, 0xfb, Why::privileged},
};

/// The same, 32-bit tasks: what the 64-bit table refuses for the mode alone is allowed, and 40 to 4f are inc and dec.
/// Reconstructed: no source of it was at hand, and no such kernel runs here.
inline constexpr Range uprobes_2010_32[] = {
    {0x07, 0x07, Why::loads_segment},    {0x17, 0x17, Why::loads_ss},         {0x1f, 0x1f, Why::loads_segment},
    {0x26, 0x26, Why::prefix_as_opcode}, {0x2e, 0x2e, Why::prefix_as_opcode}, {0x36, 0x36, Why::prefix_as_opcode},
    {0x3e, 0x3e, Why::prefix_as_opcode}, {0x63, 0x63, Why::system},           {0x66, 0x67, Why::prefix_as_opcode},
    {0x6c, 0x6f, Why::port_io},          {0xcc, 0xce, Why::breakpoint},       {0xcf, 0xcf, Why::privileged},
    {0xe4, 0xe7, Why::port_io},          {0xec, 0xef, Why::port_io},          {0xf0, 0xf0, Why::prefix_as_opcode},
    {0xf1, 0xf1, Why::breakpoint},       {0xf4, 0xf4, Why::privileged},       {0xfa, 0xfb, Why::privileged},
};

/// The map behind 0f, around 2010, for tasks of both widths. Source: as above. Today's kernels have such a table too,
/// and never reach it.
inline constexpr Range uprobes_2010_0f[] = {
    {0x00, 0x0d, Why::system}, // syscall, sysret and ud2 among them
    {0x18, 0x18, Why::prefetch},       {0x24, 0x27, Why::test_register},
    {0x30, 0x30, Why::wrmsr},          {0x34, 0x3f, Why::sysenter_or_three_byte},
    {0x78, 0x7d, Why::vmread_or_hadd}, {0xa6, 0xa7, Why::undefined},
    {0xae, 0xae, Why::fxsave_group},   {0xb8, 0xb8, Why::popcnt},
    {0xd0, 0xd0, Why::addsubps},       {0xf0, 0xf0, Why::lddqu},
    {0xff, 0xff, Why::undefined},
};

} // namespace trapline::refusals
