// tools/judge/runner.hpp: the process between the judge and the program.
//
// It arms the probes, starts the program in namespaces of its own, waits until nothing of it is left, reads the
// counters and sends them to the judge as one CBOR document.
#pragma once

#include "tools/judge/descriptor.hpp"
#include "tools/judge/live.hpp"

namespace trapline::judge {

/// Where the runner writes: the message to the judge, and the program's standard output and error.
struct RunnerPipes {
    Descriptor message, out, err;
};

/// To be called in a process of its own, which it ends.
[[noreturn]] void run_as_runner(const LiveRequest& request, RunnerPipes pipes);

} // namespace trapline::judge
