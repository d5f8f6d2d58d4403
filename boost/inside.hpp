// boost/inside.hpp: is a thread inside a piece of code that is about to change or to be reused?
//
// Code that threads run without the kernel's knowledge can only be replaced when none of them is in it. Inside the
// kernel, where seed 002 and jump optimisation come from, it was enough to wait until every CPU had been through the
// scheduler, because a thread was never preempted there. In user space it always can be, so the kernel has to look: a
// thread that is off its CPU has left its instruction pointer behind, and one that runs is interrupted for the look.
// What this look cannot see are addresses that a signal frame holds; who lets those be shown must remember them.
#pragma once

#include "probes/uprobes.hpp"

namespace trapline {

/// True when the instruction pointer of a thread of the address space `mm` (Mm::id) is in [from, to).
bool anyone_inside(Kernel& kernel, std::uint32_t mm, Addr from, Addr to);
/// Counts the interrupts that such a look costs.
void count_look(Uprobes& uprobes);

} // namespace trapline
