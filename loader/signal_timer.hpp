// loader/signal_timer.hpp: timers that send signals: alarm, interval timers, POSIX timers.
//
// A timer counts virtual time or the CPU time of a process or thread. One that repeats is set again when its signal is
// delivered, not when it expires, as Linux does it: what expired meanwhile is counted (timer_getoverrun), and a timer
// of a nanosecond costs no more than the program that takes its signals. Read next: syscalls/timer.cpp.
#pragma once

#include "emu/kernel/kernel.hpp"

namespace trapline {

struct SignalTimer {
    enum class Clock : std::uint8_t { machine, process, thread };
    Clock clock = Clock::machine;
    int clock_thread = 0; ///< whose CPU time it counts
    int clock_id = 1;     ///< CLOCK_*, as timer_create was given it

    SigInfo info;
    int tid = 0;         ///< SIGEV_THREAD_ID: only this thread gets it; 0: the process
    bool silent = false; ///< SIGEV_NONE

    bool armed = false;
    bool waiting = false;      ///< it has expired, and its signal is not delivered yet
    Cycles next = 0;           ///< when it expires, in cycles of its clock
    Cycles interval = 0;       ///< 0: once
    std::uint64_t overrun = 0; ///< expirations between the last signal and its delivery
    Timers::Id id = 0;
};

/// What the timer's clock shows now, for a timer of `p`.
Cycles clock_of(const Kernel& kernel, const Process& p, const SignalTimer& timer);
/// Cycles until it expires, at least 1; 0 when it is not armed.
Cycles left_of(const Kernel& kernel, const Process& p, const SignalTimer& timer);
/// Sets the timer to expire at `when` of its clock; ~0 disarms. `p` owns it.
void arm(Kernel& kernel, Process& p, SignalTimer& timer, Cycles when, Cycles interval);
/// Process and tasks are told when their CPU time reaches what a timer or RLIMIT_CPU waits for.
void update_cpu_deadlines(Kernel& kernel, Process& p);
void cpu_time_used(Kernel& kernel, Process& p);
/// A timer's signal is being delivered: it is set again, and `info` says how often it had expired.
void timer_signal_taken(Kernel& kernel, Process& p, SigInfo& info);
/// POSIX timers go, as exec wants it; `all`: interval timers, too.
void drop_timers(Kernel& kernel, Process& p, bool all);

} // namespace trapline
