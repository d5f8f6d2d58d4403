#include "loader/signal_timer.hpp"

#include "loader/process_state.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace trapline {
namespace {

constexpr int kTimerCode = -2; // SI_TIMER
constexpr int kCpuLimit = 24;  // SIGXCPU
constexpr std::uint64_t kSecond = 1'000'000'000;

void expire(Kernel& kernel, Process& p, SignalTimer& timer);

template <class F> void each_timer(Process& p, F f) {
    ProcessState& s = state_of(p);
    for (SignalTimer& t : s.interval_timers) f(t);
    for (auto& [id, t] : s.timers) f(t);
}

/// The timer is due at `timer.next` and nothing else about it changes.
void set(Kernel& kernel, Process& p, SignalTimer& timer) {
    timer.armed = true;
    if (timer.silent) return; // nobody hears of it; what is left is computed when somebody asks
    if (timer.clock == SignalTimer::Clock::machine && timer.next <= kernel.time())
        expire(kernel, p, timer);
    else if (timer.clock == SignalTimer::Clock::machine)
        timer.id = kernel.timers().set(timer.next, [&kernel, &p, &timer] { expire(kernel, p, timer); });
    else
        update_cpu_deadlines(kernel, p);
}

/// The next expiration after now; returns how many were passed over.
std::uint64_t advance(const Kernel& kernel, const Process& p, SignalTimer& timer) {
    const Cycles now = clock_of(kernel, p, timer);
    if (now < timer.next) return 0;
    const std::uint64_t passed = (now - timer.next) / timer.interval + 1;
    timer.next += passed * timer.interval;
    return passed;
}

void expire(Kernel& kernel, Process& p, SignalTimer& timer) {
    timer.id = 0;
    timer.armed = timer.interval != 0;
    timer.next += timer.interval;
    timer.waiting = true;
    Task* t = timer.tid != 0 ? kernel.task(timer.tid) : nullptr;
    if (timer.tid != 0 && t == nullptr) return; // the thread that was to hear of it is gone
    if (t != nullptr)
        kernel.send(*t, timer.info);
    else
        kernel.send(p, timer.info);
    const std::uint64_t pending = t != nullptr ? t->pending.set() : p.pending.set();
    if ((pending & sig::bit(timer.info.signo)) != 0) return;
    // It is ignored, so nobody will take it: the timer goes on, but not too often.
    timer.waiting = false;
    if (!timer.armed) return;
    (void)advance(kernel, p, timer);
    const Cycles least = clock_of(kernel, p, timer) + kernel.cycles(kSecond / 1000);
    if (timer.next < least) timer.next += (least - timer.next) / timer.interval * timer.interval + timer.interval;
    set(kernel, p, timer);
}

/// RLIMIT_CPU: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one (setrlimit(2)).
void check_limit(Kernel& kernel, Process& p) {
    Limit& l = state_of(p).limits[RLIMIT_CPU];
    const std::uint64_t used = kernel.nanoseconds(p.user_time);
    SigInfo info;
    info.code = sig::kernel;
    if (l.hard != ~0ull && used / kSecond >= l.hard)
        info.signo = sig::kill;
    else if (l.soft != ~0ull && used / kSecond >= l.soft)
        info.signo = kCpuLimit;
    else
        return;
    if (info.signo == kCpuLimit) l.soft = used / kSecond + 1;
    kernel.send(p, info);
}

} // namespace

Cycles clock_of(const Kernel& kernel, const Process& p, const SignalTimer& timer) {
    switch (timer.clock) {
    case SignalTimer::Clock::process:
        return p.user_time;
    case SignalTimer::Clock::thread:
        for (const Task* t : p.tasks)
            if (t->tid == timer.clock_thread) return t->user_time;
        return 0;
    case SignalTimer::Clock::machine:
        break;
    }
    return kernel.time();
}

Cycles left_of(const Kernel& kernel, const Process& p, const SignalTimer& timer) {
    if (!timer.armed) return 0;
    const Cycles now = clock_of(kernel, p, timer);
    if (timer.next > now) return timer.next - now;
    if (timer.interval == 0) return timer.silent ? 0 : 1;
    return timer.interval - (now - timer.next) % timer.interval;
}

void arm(Kernel& kernel, Process& p, SignalTimer& timer, Cycles when, Cycles interval) {
    if (timer.id != 0) kernel.timers().cancel(timer.id);
    timer.id = 0;
    timer.armed = timer.waiting = false;
    timer.next = when;
    timer.interval = interval;
    if (when != ~0ull) set(kernel, p, timer);
    if (timer.clock != SignalTimer::Clock::machine) update_cpu_deadlines(kernel, p);
}

void update_cpu_deadlines(Kernel& kernel, Process& p) {
    const Limit& l = state_of(p).limits[RLIMIT_CPU];
    const std::uint64_t limit = std::min(l.soft, l.hard);
    p.cpu_deadline = limit < ~0ull / kSecond ? kernel.cycles(limit * kSecond) : ~0ull;
    for (Task* t : p.tasks) t->cpu_deadline = ~0ull;
    each_timer(p, [&](const SignalTimer& timer) {
        if (!timer.armed || timer.waiting || timer.silent) return;
        if (timer.clock == SignalTimer::Clock::process) p.cpu_deadline = std::min(p.cpu_deadline, timer.next);
        if (timer.clock != SignalTimer::Clock::thread) return;
        for (Task* t : p.tasks)
            if (t->tid == timer.clock_thread) t->cpu_deadline = std::min(t->cpu_deadline, timer.next);
    });
}

void cpu_time_used(Kernel& kernel, Process& p) {
    check_limit(kernel, p);
    each_timer(p, [&](SignalTimer& timer) {
        if (timer.clock == SignalTimer::Clock::machine || !timer.armed || timer.waiting || timer.silent) return;
        if (clock_of(kernel, p, timer) >= timer.next) expire(kernel, p, timer);
    });
    update_cpu_deadlines(kernel, p);
}

void timer_signal_taken(Kernel& kernel, Process& p, SigInfo& info) {
    each_timer(p, [&](SignalTimer& timer) {
        if (!timer.waiting || timer.info.signo != info.signo) return;
        timer.waiting = false;
        timer.overrun = timer.armed ? advance(kernel, p, timer) : 0;
        if (timer.armed) set(kernel, p, timer);
        if (info.code == kTimerCode && info.pid == timer.info.pid) info.uid = static_cast<std::int32_t>(timer.overrun);
    });
}

void drop_timers(Kernel& kernel, Process& p, bool all) {
    ProcessState& s = state_of(p);
    for (auto& [id, timer] : s.timers) arm(kernel, p, timer, ~0ull, 0);
    s.timers.clear();
    if (all)
        for (SignalTimer& timer : s.interval_timers) arm(kernel, p, timer, ~0ull, 0);
}

} // namespace trapline
