// tools/judge/live.hpp: a program with probes on the live kernel.
//
// The judge probes nothing but what it starts itself. Probes are events of perf's `uprobe` PMU, which belong to a file:
// whoever executes the file hits them. Events bound to one process are no way out: the kernel reads the path of an
// inherited event again at every fork and clone, from the memory of the process that forks, where after an exec it is
// not, and the clone fails with EFAULT. So the *file* is made private instead. In a mount namespace of its own the
// runner puts a copy on a tmpfs over every probed file; only the program and its children can reach those copies, so
// the rest of the machine neither hits the probes nor carries their int3.
//
//   judge ── runner      mount namespace, private copies, events          (runner.cpp, private_files.hpp, events.hpp)
//              ├─ tracer    where fetch arguments are wanted: all that tracefs is told (tracer.hpp)
//              └─ init   number 1 of a PID namespace: reaps, reports       (program.cpp)
//                  └─ program and everything that it starts
//
// Each dies with its parent, and with init its whole namespace. Events are descriptors of the runner, copies are in its
// namespace: a SIGKILL at any moment leaves no process, probe or mount. (The tracer outlives the others for as long as
// it takes to remove what it has entered.) Read next: runner.cpp.
#pragma once

#include "emu/result.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace trapline::judge {

struct LiveProbe {
    std::string path; ///< as the program sees it
    std::uint64_t offset = 0;
    bool is_return = false;
    std::uint32_t counter_offset = 0; ///< of a reference counter in the file (USDT semaphore); 0: none
    std::string fetch;                ///< fetch arguments in the words of the kernel's tracer; empty: none
    bool registered = true;           ///< before the program starts; false: a LiveChange does it
};

/// A probe comes or goes while the program runs.
struct LiveChange {
    std::size_t probe = 0;
    bool registers = false;
};

struct LiveRequest {
    std::string program;           ///< a path, as the program sees it
    std::vector<std::string> args; ///< with argv[0]
    std::vector<std::string> environment;
    std::string root = "/";
    std::string working_directory = "/";
    /// Folders that the program may write to. It writes to copies, which nobody sees afterwards; everything else is
    /// read-only.
    std::vector<std::string> write_directories;
    int input = -1; ///< its standard input
    std::vector<LiveProbe> probes;
    /// The program asks for the next of these by writing a byte to its standard input, which is a socket then, and
    /// reads one when they have been made. For programs that are written for it.
    std::vector<std::vector<LiveChange>> changes;
    unsigned cpus = 1; ///< at most so many of the machine's
    unsigned timeout_seconds = 60;
    bool reports_refusals = true; ///< map probed files first: a kernel looks at an instruction when its file is mapped
    const std::atomic<bool>* interrupted = nullptr;
};

struct LiveCount {
    int error = 0; ///< errno of a refused registration
    std::uint64_t hits = 0;
    std::vector<std::string> fetched; ///< ` name=value` for each fetch argument, by hit
    std::uint64_t lost = 0;           ///< values of hits that came too fast to be written down
};

struct LiveReport {
    std::string kernel; ///< its release
    int exit_code = 0, signal = 0;
    bool timed_out = false, interrupted = false;
    std::string standard_output, standard_error;
    std::vector<LiveCount> probes;
};

/// What an Error of run_live carries in `code` when it is the machine that lacks something: the command's exit code.
inline constexpr int kUnavailable = 77;

/// Why this machine cannot judge, in one line, if it cannot: no root, no uprobes, lockdown, seccomp, no namespaces.
/// `fetches`: and where fetch arguments are wanted.
Result<void> live_available(bool fetches = false);

/// Runs it. Everything that it made is gone when this returns.
Result<LiveReport> run_live(const LiveRequest& request);

} // namespace trapline::judge
