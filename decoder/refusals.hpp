// decoder/refusals.hpp: the opcodes that kernels refuse to probe, in the order of the opcode map.
//
// Data to be proof-read; decoder/rules.cpp is the only reader and says in which order the questions are asked. An entry
// covers the opcodes first..last. Linux looks a vector instruction's opcode up here as if it stood in the one-byte map,
// so that the loads of vmovdqa and vmovdqu (6f) are refused as if they were port output; that was measured, and is
// kept.
#pragma once

#include <cstdint>
#include <string_view>

namespace trapline::refusals {

struct Range {
    uint8_t first, last;
    std::string_view reason;
};

inline constexpr std::string_view not_64 = "no such instruction in 64-bit mode";
inline constexpr std::string_view port_io = "port input or output";
inline constexpr std::string_view breakpoint = "a breakpoint or software interrupt";
inline constexpr std::string_view privileged = "privileged or changes the interrupt flag";
inline constexpr std::string_view is_prefix = "a prefix in the place of the opcode";

/// One-byte map, 64-bit tasks. Source: a scan of every opcode on Linux 6.18.44, which agrees with the table of 6.12.
inline constexpr Range linux_64[] = {
    {0x06, 0x07, not_64},     {0x0e, 0x0e, not_64},     {0x16, 0x17, not_64},  {0x1e, 0x1f, not_64},
    {0x27, 0x27, not_64},     {0x2f, 0x2f, not_64},     {0x37, 0x37, not_64},  {0x3f, 0x3f, not_64},
    {0x60, 0x62, not_64}, // 62 counts only behind a vector prefix: by itself it is EVEX
    {0x6c, 0x6f, port_io},    {0x82, 0x82, not_64},     {0x9a, 0x9a, not_64},  {0xcc, 0xcd, breakpoint},
    {0xce, 0xce, not_64},     {0xcf, 0xcf, privileged}, // iret
    {0xd4, 0xd6, not_64},                               // d5 counts only behind a vector prefix: by itself it is REX2
    {0xe4, 0xe7, port_io},    {0xea, 0xea, not_64},     {0xec, 0xef, port_io}, {0xf1, 0xf1, breakpoint},
    {0xf4, 0xf4, privileged}, {0xfa, 0xfb, privileged},
};

/// One-byte map, 64-bit tasks, around 2010. Source: the tables of uprobes as in SystemTap's runtime and the first
/// kernels that had it. Legacy prefixes it does not know and a second REX are opcodes to it, hence the 2e and the 40.
inline constexpr Range uprobes_2010_64[] = {
    {0x06, 0x07, not_64},     {0x0e, 0x0e, not_64},     {0x16, 0x17, not_64},
    {0x1e, 0x1f, not_64},     {0x26, 0x26, is_prefix},  {0x27, 0x27, not_64},
    {0x2e, 0x2e, is_prefix},  {0x2f, 0x2f, not_64},     {0x36, 0x36, is_prefix},
    {0x37, 0x37, not_64},     {0x3e, 0x3e, is_prefix},  {0x3f, 0x3f, not_64},
    {0x40, 0x4f, is_prefix},  {0x60, 0x62, not_64},     {0x66, 0x67, is_prefix},
    {0x6c, 0x6f, port_io},    {0x82, 0x82, not_64},     {0xc4, 0xc5, "VEX, which the table takes for les and lds"},
    {0xcc, 0xcd, breakpoint}, {0xce, 0xce, not_64},     {0xcf, 0xcf, privileged},
    {0xd4, 0xd6, not_64},     {0xe4, 0xe7, port_io},    {0xec, 0xef, port_io},
    {0xf0, 0xf0, is_prefix},  {0xf1, 0xf1, breakpoint}, {0xf4, 0xf4, privileged},
    {0xfa, 0xfb, privileged},
};

/// The map behind 0f, around 2010, for tasks of both widths. Source: as above. Today's kernels have such a table too,
/// and never reach it.
inline constexpr Range uprobes_2010_0f[] = {
    {0x00, 0x0d, "system instruction"}, // syscall, sysret and ud2 among them
    {0x18, 0x18, "prefetch"},
    {0x24, 0x27, "test register"},
    {0x30, 0x30, "wrmsr"},
    {0x34, 0x3f, "sysenter, sysexit, or a three-byte opcode"},
    {0x78, 0x7d, "vmread, vmwrite, or horizontal add and subtract"},
    {0xa6, 0xa7, "undefined"},
    {0xae, 0xae, "fxsave group, fences among them"},
    {0xb8, 0xb8, "popcnt"},
    {0xd0, 0xd0, "addsubps"},
    {0xf0, 0xf0, "lddqu"},
    {0xff, 0xff, "undefined"},
};

} // namespace trapline::refusals
