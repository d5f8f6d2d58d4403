// emu/cpu/bare.hpp: the engine with paging and nothing of ours, to measure against. Only for benchmarks.
//
// No instruction counts, no kernel: the code runs in ring 3 behind the same page tables until its first system call
// after `write`s, which are swallowed. What the machine adds to this is the ratio that docs/speed.md quotes.
#pragma once

#include "emu/types.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace trapline {

struct BareSegment {
    Addr address = 0;
    std::uint64_t bytes = 0;            ///< in memory
    std::vector<std::uint8_t> contents; ///< the first of them
    bool writable = false;
};

/// Runs the program with `argument` as argv[1] until it exits. False: it did something that bare code cannot.
bool run_bare(std::span<const BareSegment> segments, Addr entry, const char* argument);

} // namespace trapline
