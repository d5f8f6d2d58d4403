// loader/process_state.hpp: what the system-call layer keeps with a process, beside its files.
//
// Resource limits, timers, names, the strings that exec put on the stack. fork copies what Linux copies and leaves
// timers and times behind; exec keeps the limits and the interval timer. Read next: exec.hpp.
#pragma once

#include "emu/kernel/kernel.hpp"

#include <array>
#include <map>
#include <string>

namespace trapline {

/// RLIMIT_*: soft and hard, ~0 for none.
struct Limit {
    std::uint64_t soft = ~0ull, hard = ~0ull;
};

/// A timer that sends a signal, once or again and again. Times are in cycles.
struct SignalTimer {
    Timers::Id id = 0; ///< 0 while it is not armed
    Cycles next = 0;   ///< when it expires
    Cycles interval = 0;
    SigInfo info;
    int tid = 0; ///< SIGEV_THREAD_ID: only this thread gets it; 0: the process
    int clock = 1;
    bool silent = false;       ///< SIGEV_NONE
    std::uint64_t overrun = 0; ///< expirations while the last signal was still pending
};

struct ProcessState final : Extension {
    ProcessState();
    std::array<Limit, 16> limits;
    std::map<int, std::string> thread_names; ///< by tid: /proc/…/comm, at most 15 bytes
    Addr arguments = 0, arguments_end = 0;   ///< on the stack: /proc/…/cmdline
    Addr environment = 0, environment_end = 0;
    Addr stack_pointer = 0;
    Cycles children_user = 0; ///< of children that were waited for
    Cycles dead_threads_user = 0;
    SignalTimer alarm; ///< ITIMER_REAL and alarm(2)
    std::map<int, SignalTimer> timers;
    bool executed = false; ///< since it was forked: setpgid by the parent is too late

    /// What a child of fork starts with.
    [[nodiscard]] std::unique_ptr<ProcessState> for_child() const;
};

/// The state of a process; made on first use.
ProcessState& state_of(Process& p);
const std::string& thread_name(const Task& t);
void set_thread_name(const Task& t, std::string_view name);
/// Instructions that the process has executed so far, and one cycle each.
Cycles user_time(Process& p);

/// Arms the timer at `when` (virtual cycles; ~0 disarms). `p` owns `timer`.
void arm(Kernel& kernel, Process& p, SignalTimer& timer, Cycles when, Cycles interval);
void disarm_all(Kernel& kernel, Process& p);

} // namespace trapline
