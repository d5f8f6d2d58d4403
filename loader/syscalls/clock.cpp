#include "loader/syscalls/clock.hpp"

#include "loader/process_state.hpp"

#include <algorithm>
#include <time.h>

namespace trapline {
namespace {

constexpr std::int64_t kMostSeconds = 9'000'000'000; // about 285 years: sums of two fit into 64 bits of nanoseconds

std::optional<std::uint64_t> nanoseconds_of(const GuestTime& t, std::int64_t fractions, std::uint64_t unit) {
    if (t.seconds < 0 || t.fraction < 0 || t.fraction >= fractions) return std::nullopt;
    return static_cast<std::uint64_t>(std::min(t.seconds, kMostSeconds)) * kSecond +
           static_cast<std::uint64_t>(t.fraction) * unit;
}

} // namespace

std::uint64_t monotonic_time(const Kernel& kernel, const Task& t) { return kernel.nanoseconds(kernel.now(t)); }

std::uint64_t realtime_offset(const Kernel& kernel) { return kernel.config().start_time * kSecond; }

std::optional<std::pair<Process*, Task*>> cpu_clock(Kernel& kernel, const Task& t, int clock) {
    if (clock >= 0) return std::nullopt;
    // ~id << 3, one bit for "a thread's", and which time (posix-timers_types.h).
    constexpr int kThread = 4, kKind = 3, kDescriptor = 3;
    const int id = ~(clock >> 3);
    if ((clock & kKind) == kDescriptor) return std::nullopt;
    if ((clock & kThread) != 0) {
        Task* other = kernel.task(id == 0 ? t.tid : id);
        if (other == nullptr || other->process != t.process) return std::nullopt;
        return std::pair{t.process, other};
    }
    Process* p = id == 0 ? t.process : kernel.process(id);
    if (p == nullptr) return std::nullopt;
    return std::pair{p, static_cast<Task*>(nullptr)};
}

std::optional<std::uint64_t> read_clock(Kernel& kernel, const Task& t, int clock) {
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        return realtime_offset(kernel) + monotonic_time(kernel, t);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return monotonic_time(kernel, t);
    case CLOCK_PROCESS_CPUTIME_ID:
        return kernel.nanoseconds(t.process->user_time);
    case CLOCK_THREAD_CPUTIME_ID:
        return kernel.nanoseconds(t.user_time);
    default:
        break;
    }
    const auto other = cpu_clock(kernel, t, clock);
    if (!other) return std::nullopt;
    return kernel.nanoseconds(other->second != nullptr ? other->second->user_time : other->first->user_time);
}

GuestTime to_timespec(std::uint64_t ns) {
    return {static_cast<std::int64_t>(ns / kSecond), static_cast<std::int64_t>(ns % kSecond)};
}

GuestTime to_timeval(std::uint64_t ns) {
    return {static_cast<std::int64_t>(ns / kSecond), static_cast<std::int64_t>(ns % kSecond / 1000)};
}

std::optional<std::uint64_t> from_timespec(const GuestTime& t) { return nanoseconds_of(t, 1'000'000'000, 1); }
std::optional<std::uint64_t> from_timeval(const GuestTime& t) { return nanoseconds_of(t, 1'000'000, 1000); }

Cycles deadline_in(const Kernel& kernel, const Task& t, std::uint64_t ns) {
    return kernel.now(t) + kernel.cycles(ns) + 1; // one more: the clock rounds down
}

Cycles deadline_at(const Kernel& kernel, int clock, std::uint64_t ns) {
    const bool real = clock == CLOCK_REALTIME || clock == CLOCK_TAI || clock == CLOCK_REALTIME_ALARM;
    const std::uint64_t offset = real ? realtime_offset(kernel) : 0;
    return ns <= offset ? 1 : kernel.cycles(ns - offset) + 1;
}

} // namespace trapline
