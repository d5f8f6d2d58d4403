// tools/calibrate/fit.hpp: from what was measured to a cost profile.
//
// A live kernel lets whole hits be measured, and a few pieces of work: a system call, a page fault. A profile has the
// price of every piece (emu/kernel/prices.inc). The pieces that a hit is made of come out as differences between hits:
// an instruction that is stepped costs a step trap and a slot more than one that is emulated. What no difference shows
// is taken from the profile `bare-metal` and scaled as system calls are; the profile's comment says which.
#pragma once

#include "emu/kernel/cost.hpp"
#include "tools/calibrate/machine.hpp"

#include <string>
#include <vector>

namespace trapline::calibrate {

/// Nanoseconds that a probe adds to one execution, by how the kernel serves it.
struct Hits {
    double system_call = 0; ///< without a probe
    double emulated = 0;    ///< a nop
    double stepped = 0;     ///< lea, out of line
    double called = 0;      ///< a nop of five bytes
    double returned = 0;    ///< a return probe on a function that begins with a nop
    double twice = 0;       ///< two probes on a nop
};

struct Fit {
    CostProfile profile;
    std::vector<std::string> assumed; ///< names of prices that are scaled, not measured
};

Fit fit(const Hits& hits, const Machine& machine);

} // namespace trapline::calibrate
