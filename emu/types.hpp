// emu/types.hpp: the few words that every room uses.
//
// Addresses are plain 64-bit numbers: a guest virtual address is an Addr, a place in guest RAM a PhysAddr, a page of
// RAM a FrameNo. Virtual time is counted in Cycles: one for each instruction retired plus what a cost profile charges
// for the kernel's work (emu/kernel/cost.hpp). Read next: emu/cpu/cpu.hpp.
#pragma once

#include <cstdint>

namespace trapline {

using Addr = std::uint64_t;
using PhysAddr = std::uint64_t;
using FrameNo = std::uint32_t;
using Cycles = std::uint64_t;

inline constexpr Addr kPageSize = 4096;
inline constexpr Addr kPageMask = kPageSize - 1;
/// End of user addresses: the last page below the canonical hole is left out, as Linux does (TASK_SIZE_MAX).
inline constexpr Addr kTaskSize = 0x7ffffffff000;

/// The page that is left out: nothing that a program asks for is ever mapped there.
inline constexpr Addr kReservedPage = kTaskSize;

constexpr Addr page_floor(Addr a) { return a & ~kPageMask; }
constexpr Addr page_ceil(Addr a) { return (a + kPageMask) & ~kPageMask; }
constexpr PhysAddr frame_base(FrameNo f) { return PhysAddr{f} * kPageSize; }

} // namespace trapline
