// tools/calibrate/program.hpp: a program that times itself, written here byte by byte.
//
// It calls a few small functions round after round and writes how long each batch of rounds took: on the live kernel by
// its thread's processor time, which nobody else on the machine makes longer; in the emulated machine by virtual time,
// and there it is alone. So one program and one set of probes measures a kernel and tests a prediction. Every function
// is a few instructions and a ret; probes are on the first.
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
    unsigned rounds = 300, batches = 15;
};

/// Nanoseconds of one round.
struct Measured {
    double median = 0, low = 0, high = 0; ///< the middle, and what a tenth is below and above
};

/// Runs it once on the live kernel, without probes if `probed` is false, and appends what each batch says of a round.
Result<void> run_live(const Mix& mix, const Timing& timing, bool probed, std::vector<double>& rounds);
Measured summed_up(std::vector<double> rounds);
/// In the emulated machine, with `strategy` and the profile in the file `cost`.
Result<Measured> in_machine(const Mix& mix, const Timing& timing, const std::string& strategy, const std::string& cost);

} // namespace trapline::calibrate
