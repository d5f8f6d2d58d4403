// scenarios/run.hpp: one run of a program with probes, from a request to a report.
//
// Everything that the commands do (run, replay, compare) is one or more of these. A request is plain data: program,
// probes, strategy, kernel, schedule; a report is what the machine showed: how the program ended, what it printed, the
// truth about every probe, the counters, the log's hash and a token that replays the schedule. Two equal requests give
// equal reports.
//
// The schedule is a policy, a script or a token. When a script or token cannot be followed, the run ends there and the
// report says where (`diverged`). Read next: run.cpp, then follow.hpp.
#pragma once

#include "emu/kernel/kernel.hpp"
#include "emu/result.hpp"
#include "loader/system.hpp"
#include "probes/spec.hpp"
#include "probes/uprobes.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/schedule.hpp"
#include "scenarios/token.hpp"

#include <atomic>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace trapline {

/// How far a run has come.
struct Progress {
    std::uint64_t instructions = 0, hits = 0;
    std::uint64_t nanoseconds = 0; ///< virtual time
};

/// What a probe with fetch arguments has seen at one hit.
struct Fetched {
    std::size_t probe = 0; ///< index into RunRequest::probes
    std::string task;      ///< as schedules name it
    std::string command;   ///< the thread's own name
    int tid = 0, cpu = 0;
    std::uint64_t nanoseconds = 0; ///< virtual time
    Addr address = 0;              ///< of the probe point
    Addr returns_to = 0;           ///< of a return probe; 0: an entry
    std::string values;            ///< ` name=value` for each argument
};

struct RunRequest {
    std::string program; ///< a guest path, or a name to be found in the guest's PATH
    std::vector<std::string> args;
    std::vector<std::string> environment; ///< NAME=VALUE; nothing of the host's comes in by itself
    std::string root = "/";               ///< what the guest sees as /
    std::vector<std::string> write_directories;
    std::string working_directory; ///< guest path; empty: the host's
    StandardFiles standard;
    /// Keep what the guest prints for the report instead of writing it to the host's descriptors.
    bool capture_output = false;

    std::vector<ScenarioProbe> probes;
    std::vector<ScenarioTracer> tracers;
    std::string strategy = "xol";
    std::string kernel = "linux-6.18";
    std::string cost = "bare-metal";
    unsigned cpus = 2;
    std::uint64_t seed = 0;
    std::optional<unsigned> slots; ///< of the XOL area, for hits: fewer than there are
    std::string mutation;          ///< a defect on purpose (probes/mutations.inc), or empty
    bool invariants = false;       ///< ask after every step whether a rule of the virtual kernel is broken
    std::uint64_t limit = ~0ull;   ///< instructions
    bool host_order = false;       ///< directories are listed as the host does, not sorted
    std::uint64_t start_time = KernelConfig{}.start_time; ///< of CLOCK_REALTIME, seconds since 1970
    Layout layout;                                        ///< where address spaces have their stack and mappings
    std::variant<SchedulePolicy, Token> schedule;
    std::function<void(const Event&, const Kernel&)> log;       ///< sees every event, if set
    std::function<void(const Miss&, const Kernel&)> missed;     ///< sees every missed execution, if set
    std::function<void(const CallNote&, const Kernel&)> called; ///< sees every system call in words, if set
    std::function<void(const Fetched&)> fetched;                ///< sees what probes fetch, if set
    std::size_t keeps_fetched = 1000;                           ///< so many for each probe are in the report
    /// Sees every watched instruction before it is executed (Kernel: watcher), if set.
    std::function<bool(Task&, Addr, bool)> watcher;
    const std::atomic<bool>* interrupted = nullptr; ///< becomes true when the user wants an end (Ctrl-C)
    std::function<void(const Progress&)> progress;  ///< called now and then in a long run
};

struct ProbeReport {
    enum class State { armed, pending, refused };
    std::string spec; ///< as typed
    std::string file; ///< guest path of the file that it is in
    std::uint64_t offset = 0;
    Addr address = 0; ///< where it was armed first; 0 when never
    bool is_return = false;
    State state = State::pending;
    int error_number = 0; ///< positive errno when refused
    Truth truth;
    std::vector<Fetched> fetched; ///< of the first hits, where there are fetch arguments
    std::uint64_t not_kept = 0;   ///< how many came later
};

struct RunReport {
    Outcome::Kind outcome = Outcome::Kind::exited;
    int exit_code = 0;     ///< when the program exited by itself
    int signal = 0;        ///< that killed it, or 0
    bool diverged = false; ///< the schedule could not be followed
    std::string detail;    ///< what diverged; or which task waits for what in a deadlock; or the warnings' text
    std::string standard_output, standard_error; ///< when captured
    std::string program;                         ///< resolved guest path
    std::string token;
    std::uint64_t log_hash = 0, events = 0;
    Cycles virtual_cycles = 0;
    std::uint64_t instructions = 0;
    std::uint32_t threads = 0, processes = 0; ///< ever created
    std::uint64_t syscalls = 0;
    std::uint64_t preemptions = 0; ///< switches that the schedule forced
    std::vector<ProbeReport> probes;
    ProbeCounters counters;
    std::vector<std::string> warnings; ///< one line each: a probe inside an instruction, an ifunc resolver
    std::string broken;                ///< the first rule that was broken (RunRequest::invariants), or empty
    std::uint32_t leaked_frames = 0;   ///< frames still in use after everything was gone: a defect if not 0
};

/// Runs it. An Error means that nothing was run: the program or a probe's symbol is not there, a name is unknown. Its
/// `code` is what `run` exits with: 127 program not found, 126 cannot be run, 0 for anything else (125 then).
Result<RunReport> run_program(const RunRequest& request);

} // namespace trapline
