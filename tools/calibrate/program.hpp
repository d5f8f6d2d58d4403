// tools/calibrate/program.hpp: a program that times itself, written here byte by byte.
//
// It has mixes of small functions. It calls those of one round after round and writes how long that took, then those of
// the next, and all of it again: on the live kernel by its thread's processor time, which nobody else on the machine
// makes longer; in the emulated machine by virtual time, and there it is alone. So one program and one set of probes
// measures a kernel and tests a prediction. All mixes are in one process because a virtual machine may serve the traps
// of one process in half the time of the next one's. Every function is a few instructions and a ret; probes are on the
// first.
#pragma once

#include "emu/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace trapline::calibrate {

struct Function {
    enum class Probe : std::uint8_t { none, entry, twice, at_return };
    const char* instruction;         ///< what is probed, in assembler, for people
    std::vector<std::uint8_t> bytes; ///< RBP, R14 and R15 are its own; R13 points to memory
    Probe probe = Probe::none;
};

struct Mix {
    std::string name;
    std::vector<Function> functions;
};

struct Timing {
    unsigned rounds = 100, batches = 31; ///< the first batch is for the caches
};

/// Nanoseconds of one round.
struct Measured {
    double median = 0, low = 0, high = 0; ///< the middle, and what a tenth is below and above
};

/// Runs it once on the live kernel. For each mix, what each batch says of a round.
Result<std::vector<std::vector<double>>> run_live(const std::vector<Mix>& mixes, const Timing& timing);
Measured summed_up(std::vector<double> rounds);
/// In the emulated machine, with `strategy` and the profile in the file `cost`.
Result<Measured> in_machine(const Mix& mix, const Timing& timing, const std::string& strategy, const std::string& cost);

} // namespace trapline::calibrate
