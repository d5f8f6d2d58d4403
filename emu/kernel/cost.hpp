// emu/kernel/cost.hpp: what the kernel's work costs in virtual cycles.
//
// Virtual time is instructions retired plus these prices. The profile built in, `bare-metal`, is a model of a current
// server core; its sums are those of the published overheads: a breakpoint that is emulated 0.31 us, one that is
// single-stepped out of line 0.91 us (nop5 series v4, July 2025; docs/costs.md). Predictions made from it are labelled
// as such.
#pragma once

#include "emu/types.hpp"

#include <span>
#include <string_view>

namespace trapline {

struct CostProfile {
    std::string_view name;
    std::string_view source;
    std::uint64_t hz;       ///< cycles a second, to turn cycles into time
    Cycles breakpoint_trap; ///< #BP from ring 3 into the kernel and back
    Cycles step_trap;       ///< #DB likewise
    Cycles page_fault;      ///< #PF likewise, mapping included
    Cycles syscall;         ///< syscall and sysret with the dispatch between them
    Cycles lookup;          ///< finding the uprobe
    Cycles handler;         ///< an empty handler, in task context
    Cycles slot;            ///< taking or freeing an XOL slot; writing it is charged the same
    Cycles page_copy;       ///< 4 KiB
    Cycles tlb_flush;       ///< on the CPU that changes an entry
    Cycles ipi;             ///< for each other CPU that must flush
};

std::span<const CostProfile> cost_profiles();
const CostProfile* cost_profile(std::string_view name);

} // namespace trapline
