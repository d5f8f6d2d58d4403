// Timers that send signals: alarm, interval timers, POSIX timers.
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"

#include <algorithm>
#include <cerrno>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

namespace trapline {
namespace {

constexpr int kTimerCode = -2; // SI_TIMER

struct Setting {
    GuestTime interval, value;
};

std::uint64_t left(const Call& c, const SignalTimer& timer) {
    const Cycles cycles = left_of(c.kernel, c.process(), timer);
    // A timer that is armed never reads as zero.
    return cycles == 0 ? 0 : std::max<std::uint64_t>(c.kernel.nanoseconds(cycles), 1);
}

/// When a timer expires that is to do so in `ns` nanoseconds of its clock.
Cycles expiry_in(const Call& c, const SignalTimer& timer, std::uint64_t ns) {
    return clock_of(c.kernel, c.process(), timer) + c.kernel.cycles(ns) + 1; // one more: clocks round down
}

/// An interval in cycles: never zero unless it is.
Cycles interval_of(const Call& c, std::uint64_t ns) { return ns == 0 ? 0 : std::max<Cycles>(c.kernel.cycles(ns), 1); }

long alarm(Call& c) {
    SignalTimer& timer = state_of(c.process()).interval_timers[ITIMER_REAL];
    const std::uint64_t before = left(c, timer);
    const auto seconds = static_cast<unsigned>(c.args[0]);
    arm(c.kernel, c.process(), timer, seconds == 0 ? kNever : expiry_in(c, timer, seconds * kSecond), 0);
    return static_cast<long>((before + kSecond - 1) / kSecond);
}

Setting interval_setting(const Call& c, const SignalTimer& timer) {
    return {to_timeval(c.kernel.nanoseconds(timer.interval)), to_timeval(left(c, timer))};
}

long getitimer(Call& c) {
    if (c.args[0] > ITIMER_PROF) return -EINVAL;
    const SignalTimer& timer = state_of(c.process()).interval_timers[c.args[0]];
    return c.mm().put(c.args[1], interval_setting(c, timer)) ? 0 : -EFAULT;
}

long setitimer(Call& c) {
    if (c.args[0] > ITIMER_PROF) return -EINVAL;
    SignalTimer& timer = state_of(c.process()).interval_timers[c.args[0]];
    Setting fresh{};
    if (c.args[1] != 0 && !c.mm().get(c.args[1], fresh)) return -EFAULT;
    const auto value = from_timeval(fresh.value), interval = from_timeval(fresh.interval);
    if (!value || !interval) return -EINVAL;
    const Setting old = interval_setting(c, timer);
    arm(c.kernel, c.process(), timer, *value == 0 ? kNever : expiry_in(c, timer, *value), interval_of(c, *interval));
    return c.args[2] == 0 || c.mm().put(c.args[2], old) ? 0 : -EFAULT;
}

/// struct sigevent as the kernel reads it.
struct Event {
    std::uint64_t value;
    std::int32_t signo, notify, tid;
    std::int32_t pad[11];
};
static_assert(sizeof(Event) == 64);

/// Virtual time, or the CPU time of the process or of one of its threads.
long choose_clock(Call& c, int clock, SignalTimer& timer) {
    timer.clock_id = clock;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_TAI:
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        timer.clock = SignalTimer::Clock::process;
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        timer.clock = SignalTimer::Clock::thread;
        timer.clock_thread = c.task.tid;
        return 0;
    default:
        break;
    }
    const auto other = cpu_clock(c.kernel, c.task, clock);
    if (!other || other->first != &c.process()) return -EINVAL;
    timer.clock = other->second != nullptr ? SignalTimer::Clock::thread : SignalTimer::Clock::process;
    timer.clock_thread = other->second != nullptr ? other->second->tid : 0;
    return 0;
}

long timer_create(Call& c) {
    const int clock = static_cast<int>(c.args[0]);
    SignalTimer timer;
    if (const long r = choose_clock(c, clock, timer); r != 0) return r;
    constexpr std::size_t kMost = 1024; // of Linux's limit on queued signals, a small part
    ProcessState& s = state_of(c.process());
    if (s.timers.size() >= kMost) return -EAGAIN;
    int id = 0;
    while (s.timers.contains(id)) ++id;
    timer.info.signo = sig::alrm;
    timer.info.value = static_cast<std::uint64_t>(id);
    if (c.args[1] != 0) {
        Event e{};
        if (!c.mm().get(c.args[1], e)) return -EFAULT;
        constexpr int kThread = SIGEV_SIGNAL | 4; // SIGEV_THREAD_ID, which glibc uses for its own threads
        if (e.notify != SIGEV_NONE && e.notify != SIGEV_SIGNAL && e.notify != kThread) return -EINVAL;
        if (e.notify != SIGEV_NONE && (e.signo < 1 || e.signo > sig::count)) return -EINVAL;
        timer.silent = e.notify == SIGEV_NONE;
        if (e.notify == kThread) {
            const Task* t = c.kernel.task(e.tid);
            if (t == nullptr || t->process != &c.process()) return -EINVAL;
            timer.tid = e.tid;
        }
        timer.info.signo = e.signo;
        timer.info.value = e.value;
    }
    timer.info.code = kTimerCode;
    timer.info.pid = id; // si_timerid
    if (!c.mm().put(c.args[2], static_cast<std::int32_t>(id))) return -EFAULT;
    s.timers.emplace(id, timer);
    return 0;
}

SignalTimer* timer_of(Call& c) {
    auto& timers = state_of(c.process()).timers;
    auto it = timers.find(static_cast<int>(c.args[0]));
    return it == timers.end() ? nullptr : &it->second;
}

Setting timer_setting(const Call& c, const SignalTimer& timer) {
    return {to_timespec(c.kernel.nanoseconds(timer.interval)), to_timespec(left(c, timer))};
}

long timer_settime(Call& c) {
    SignalTimer* timer = timer_of(c);
    if (timer == nullptr) return -EINVAL;
    Setting fresh{};
    if (!c.mm().get(c.args[2], fresh)) return -EFAULT;
    const auto value = from_timespec(fresh.value), interval = from_timespec(fresh.interval);
    if (!value || !interval) return -EINVAL;
    const Setting old = timer_setting(c, *timer);
    Cycles when = kNever;
    if (*value != 0)
        when = (c.args[1] & TIMER_ABSTIME) == 0              ? expiry_in(c, *timer, *value)
               : timer->clock == SignalTimer::Clock::machine ? deadline_at(c.kernel, timer->clock_id, *value)
                                                             : c.kernel.cycles(*value);
    timer->overrun = 0;
    arm(c.kernel, c.process(), *timer, when, interval_of(c, *interval));
    return c.args[3] == 0 || c.mm().put(c.args[3], old) ? 0 : -EFAULT;
}

long timer_gettime(Call& c) {
    const SignalTimer* timer = timer_of(c);
    if (timer == nullptr) return -EINVAL;
    return c.mm().put(c.args[1], timer_setting(c, *timer)) ? 0 : -EFAULT;
}

long timer_getoverrun(Call& c) {
    SignalTimer* timer = timer_of(c);
    if (timer == nullptr) return -EINVAL;
    constexpr std::uint64_t kMost = 0x7fffffff; // DELAYTIMER_MAX
    return static_cast<long>(std::min(timer->overrun, kMost));
}

long timer_delete(Call& c) {
    SignalTimer* timer = timer_of(c);
    if (timer == nullptr) return -EINVAL;
    arm(c.kernel, c.process(), *timer, kNever, 0);
    state_of(c.process()).timers.erase(static_cast<int>(c.args[0]));
    return 0;
}

constexpr SyscallInfo kCalls[] = {
    {SYS_getitimer, "getitimer", "ip", "full", getitimer},
    {SYS_alarm, "alarm", "u", "full", alarm},
    {SYS_setitimer, "setitimer", "ipp", "full", setitimer},
    {SYS_timer_create, "timer_create", "ipp", "full", timer_create},
    {SYS_timer_settime, "timer_settime", "iipp", "full", timer_settime},
    {SYS_timer_gettime, "timer_gettime", "ip", "full", timer_gettime},
    {SYS_timer_getoverrun, "timer_getoverrun", "i", "full", timer_getoverrun},
    {SYS_timer_delete, "timer_delete", "i", "full", timer_delete},
};

} // namespace

std::span<const SyscallInfo> timer_calls() { return kCalls; }

} // namespace trapline
