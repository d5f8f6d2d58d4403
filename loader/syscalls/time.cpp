// Clocks and sleeps.
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"

#include <cerrno>
#include <sys/syscall.h>
#include <time.h>

namespace trapline {
namespace {

long put_time(Call& c, Addr at, const GuestTime& t) { return c.mm().put(at, t) ? 0 : -EFAULT; }

long clock_gettime(Call& c) {
    const auto ns = read_clock(c.kernel, c.task, static_cast<int>(c.args[0]));
    return ns ? put_time(c, c.args[1], to_timespec(*ns)) : -EINVAL;
}

long clock_getres(Call& c) {
    if (!read_clock(c.kernel, c.task, static_cast<int>(c.args[0]))) return -EINVAL;
    return c.args[1] == 0 ? 0 : put_time(c, c.args[1], GuestTime{0, 1});
}

long gettimeofday(Call& c) {
    const std::uint64_t now = realtime_offset(c.kernel) + monotonic_time(c.kernel, c.task);
    if (c.args[0] != 0 && put_time(c, c.args[0], to_timeval(now)) != 0) return -EFAULT;
    const std::int32_t utc[2] = {0, 0};
    return c.args[1] == 0 || c.mm().put(c.args[1], utc) ? 0 : -EFAULT;
}

long time(Call& c) {
    const auto seconds =
        static_cast<std::int64_t>((realtime_offset(c.kernel) + monotonic_time(c.kernel, c.task)) / kSecond);
    if (c.args[0] != 0 && !c.mm().put(c.args[0], seconds)) return -EFAULT;
    return seconds;
}

/// `relative`: what is left is written to `left`, and the sleep goes on where it was if no handler runs.
Path<long> sleep_until(Call& c, Cycles deadline, bool relative, Addr left) {
    if (c.kernel.now(c.task) >= deadline) co_return 0;
    if (co_await c.kernel.sleep(c.task, nullptr, deadline) != Wake::signal) co_return 0;
    if (!relative) co_return c.interrupted_for_good();
    const Cycles now = c.kernel.now(c.task);
    const std::uint64_t ns = now >= deadline ? 0 : c.kernel.nanoseconds(deadline - now);
    if (left != 0 && !c.mm().put(left, to_timespec(ns))) co_return -EFAULT;
    co_return c.interrupted_for_good(deadline);
}

Path<long> sleep_for(Call& c, Addr request, Addr left) {
    GuestTime time;
    if (!c.mm().get(request, time)) co_return -EFAULT;
    const auto ns = from_timespec(time);
    if (!ns) co_return -EINVAL;
    Cycles deadline = std::exchange(c.task.restart_deadline, 0);
    if (deadline == 0) deadline = deadline_in(c.kernel, c.task, *ns);
    co_return co_await sleep_until(c, deadline, true, left);
}

Path<long> nanosleep(Call& c) { co_return co_await sleep_for(c, c.args[0], c.args[1]); }

Path<long> clock_nanosleep(Call& c) {
    const int clock = static_cast<int>(c.args[0]);
    const bool known =
        clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
    if (!known)
        co_return clock == CLOCK_THREAD_CPUTIME_ID || !read_clock(c.kernel, c.task, clock) ? -EINVAL : -EOPNOTSUPP;
    if ((c.args[1] & ~std::uint64_t{TIMER_ABSTIME}) != 0) co_return -EINVAL;
    if (c.args[1] == 0) co_return co_await sleep_for(c, c.args[2], c.args[3]);
    GuestTime time;
    if (!c.mm().get(c.args[2], time)) co_return -EFAULT;
    const auto ns = from_timespec(time);
    if (!ns) co_return -EINVAL;
    co_return co_await sleep_until(c, deadline_at(c.kernel, clock, *ns), false, 0);
}

constexpr std::uint64_t kTick = kSecond / 100; // AT_CLKTCK

long times(Call& c) {
    Process& p = c.process();
    const auto ticks = [&](Cycles cycles) { return c.kernel.nanoseconds(cycles) / kTick; };
    const std::uint64_t out[4] = {ticks(p.user_time), 0, ticks(state_of(p).children_user), 0};
    if (c.args[0] != 0 && !c.mm().put(c.args[0], out)) return -EFAULT;
    return static_cast<long>(monotonic_time(c.kernel, c.task) / kTick);
}

constexpr SyscallInfo kCalls[] = {
    {SYS_nanosleep, "nanosleep", "Tp", "full", nullptr, nanosleep},
    {SYS_gettimeofday, "gettimeofday", "pp", "full", gettimeofday},
    {SYS_times, "times", "p", "partial: kernel time is not counted", times},
    {SYS_time, "time", "p", "full", time},
    {SYS_clock_gettime, "clock_gettime", "ip", "full", clock_gettime},
    {SYS_clock_getres, "clock_getres", "ip", "full", clock_getres},
    {SYS_clock_nanosleep, "clock_nanosleep", "iiTp", "partial: no CPU clocks", nullptr, clock_nanosleep},
};

} // namespace

std::span<const SyscallInfo> time_calls() { return kCalls; }

} // namespace trapline
