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

/// What is left until the timer expires, 0 if it is not armed.
std::uint64_t left(const Call& c, const SignalTimer& timer) {
    if (timer.id == 0) return 0;
    const Cycles now = c.kernel.now(c.task);
    // A timer that is armed never reads as zero, even when it is late.
    return timer.next > now ? std::max<std::uint64_t>(c.kernel.nanoseconds(timer.next - now), 1) : 1;
}

SignalTimer& alarm_of(Call& c) {
    SignalTimer& a = state_of(c.process()).alarm;
    a.info.signo = sig::alrm;
    a.info.code = sig::kernel;
    return a;
}

long alarm(Call& c) {
    SignalTimer& timer = alarm_of(c);
    const std::uint64_t before = left(c, timer);
    const auto seconds = static_cast<unsigned>(c.args[0]);
    arm(c.kernel, c.process(), timer, seconds == 0 ? kNever : deadline_in(c.kernel, c.task, seconds * kSecond), 0);
    return static_cast<long>((before + kSecond - 1) / kSecond);
}

Setting interval_setting(const Call& c, const SignalTimer& timer) {
    return {to_timeval(c.kernel.nanoseconds(timer.interval)), to_timeval(left(c, timer))};
}

long getitimer(Call& c) {
    if (c.args[0] != ITIMER_REAL) return -EINVAL;
    return c.mm().put(c.args[1], interval_setting(c, alarm_of(c))) ? 0 : -EFAULT;
}

long setitimer(Call& c) {
    if (c.args[0] != ITIMER_REAL) return -EINVAL;
    SignalTimer& timer = alarm_of(c);
    Setting fresh{};
    if (c.args[1] != 0 && !c.mm().get(c.args[1], fresh)) return -EFAULT;
    const auto value = from_timeval(fresh.value), interval = from_timeval(fresh.interval);
    if (!value || !interval) return -EINVAL;
    const Setting old = interval_setting(c, timer);
    arm(c.kernel, c.process(), timer, *value == 0 ? kNever : deadline_in(c.kernel, c.task, *value),
        c.kernel.cycles(*interval));
    return c.args[2] == 0 || c.mm().put(c.args[2], old) ? 0 : -EFAULT;
}

/// struct sigevent as the kernel reads it.
struct Event {
    std::uint64_t value;
    std::int32_t signo, notify, tid;
    std::int32_t pad[11];
};
static_assert(sizeof(Event) == 64);

long timer_create(Call& c) {
    const int clock = static_cast<int>(c.args[0]);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
        return -EINVAL;
    constexpr std::size_t kMost = 1024; // of Linux's limit on queued signals, a small part
    ProcessState& s = state_of(c.process());
    if (s.timers.size() >= kMost) return -EAGAIN;
    int id = 0;
    while (s.timers.contains(id)) ++id;
    SignalTimer timer;
    timer.clock = clock;
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
        when = (c.args[1] & TIMER_ABSTIME) != 0 ? deadline_at(c.kernel, timer->clock, *value)
                                                : deadline_in(c.kernel, c.task, *value);
    timer->overrun = 0;
    arm(c.kernel, c.process(), *timer, when, c.kernel.cycles(*interval));
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
    return static_cast<long>(std::min(std::exchange(timer->overrun, 0), kMost));
}

long timer_delete(Call& c) {
    SignalTimer* timer = timer_of(c);
    if (timer == nullptr) return -EINVAL;
    arm(c.kernel, c.process(), *timer, kNever, 0);
    state_of(c.process()).timers.erase(static_cast<int>(c.args[0]));
    return 0;
}

constexpr SyscallInfo kCalls[] = {
    {SYS_getitimer, "getitimer", "ip", "partial: ITIMER_REAL only", getitimer},
    {SYS_alarm, "alarm", "u", "full", alarm},
    {SYS_setitimer, "setitimer", "ipp", "partial: ITIMER_REAL only", setitimer},
    {SYS_timer_create, "timer_create", "ipp", "partial: no CPU clocks", timer_create},
    {SYS_timer_settime, "timer_settime", "iipp", "full", timer_settime},
    {SYS_timer_gettime, "timer_gettime", "ip", "full", timer_gettime},
    {SYS_timer_getoverrun, "timer_getoverrun", "i", "partial: counted since the last call", timer_getoverrun},
    {SYS_timer_delete, "timer_delete", "i", "full", timer_delete},
};

} // namespace

std::span<const SyscallInfo> timer_calls() { return kCalls; }

} // namespace trapline
