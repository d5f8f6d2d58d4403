// loader/process_state.hpp: what the system-call layer keeps with a process, beside its files.
//
// Resource limits, timers, names, the strings that exec put on the stack. fork copies what Linux copies and leaves
// timers and times behind; exec keeps the limits and the interval timer. Read next: exec.hpp.
#pragma once

#include "loader/signal_timer.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

namespace trapline {

/// RLIMIT_*: soft and hard, ~0 for none.
struct Limit {
    std::uint64_t soft = ~0ull, hard = ~0ull;
};

/// What sched_setscheduler and its like set for a thread. Kept, and without effect: the schedule is the platform's.
struct Scheduling {
    std::int32_t policy = 0, priority = 0; ///< SCHED_OTHER
    bool reset_on_fork = false;
    std::vector<std::uint64_t> cpus; ///< the mask of CPUs, empty: all
};

struct ProcessState final : Extension {
    ProcessState();
    std::array<Limit, 16> limits;
    std::map<int, std::string> thread_names; ///< by tid: /proc/…/comm, at most 15 bytes
    std::map<int, Scheduling> scheduling;    ///< by tid, of those threads that set any
    Addr arguments = 0, arguments_end = 0;   ///< on the stack: /proc/…/cmdline
    Addr environment = 0, environment_end = 0;
    Addr stack_pointer = 0;
    Cycles children_user = 0;                   ///< of children that were waited for
    std::array<SignalTimer, 3> interval_timers; ///< ITIMER_REAL (and alarm), ITIMER_VIRTUAL, ITIMER_PROF
    std::map<int, SignalTimer> timers;          ///< timer_create's, by id
    int nice = 0;
    std::uint32_t barriers = 0; ///< membarrier's commands that were registered for
    bool executed = false;      ///< since it was forked: setpgid by the parent is too late

    /// What a child of fork starts with.
    [[nodiscard]] std::unique_ptr<ProcessState> for_child() const;
};

/// The state of a process; made on first use.
ProcessState& state_of(Process& p);
/// A thread's, as its creator's was when it was made.
const Scheduling& scheduling_of(const Task& t);
Scheduling& change_scheduling(const Task& t);
/// A new thread or process starts with what its creator has.
void inherit_scheduling(const Task& parent, const Task& child);
const std::string& thread_name(const Task& t);
void set_thread_name(const Task& t, std::string_view name);

} // namespace trapline
