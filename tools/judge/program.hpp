// tools/judge/program.hpp: the judged program's surroundings, made equal to those of the emulated machine.
//
// A program that finds other surroundings takes other paths, and then other counts prove nothing. So the live program
// gets what the emulated one has: process numbers from 1000 with 1 as the parent, a session of its own, host name,
// limits, file mode mask, default signal actions, no address randomisation, exactly the given environment, pipes for
// its output. What is chosen by the processor's features is the environment's business (surroundings.hpp).
#pragma once

#include "tools/judge/live.hpp"

#include <functional>

namespace trapline::judge {

/// Descriptors of the calling process.
struct ProgramFiles {
    int out, err;
    std::function<void()> meanwhile; ///< the calling process has that to do while the program runs, if anything
};

/// Runs the program as process 1000 of a new PID namespace, below a process that reaps, and waits until no process of
/// the namespace is left. The program's wait status.
Result<int> run_in_namespace(const LiveRequest& request, const ProgramFiles& files);

} // namespace trapline::judge
