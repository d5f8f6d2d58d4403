// loader/syscalls/clock.hpp: virtual time in the units of the system-call interface.
//
// CLOCK_MONOTONIC is virtual time since power-on; CLOCK_REALTIME adds the machine's start time. Nothing of the host's
// clocks is ever seen. Durations are nanoseconds, deadlines virtual cycles. Read next: time.cpp.
#pragma once

#include "loader/syscalls/call.hpp"

#include <optional>

namespace trapline {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr Cycles kNever = ~0ull;

/// struct timespec and struct timeval of the guest.
struct GuestTime {
    std::int64_t seconds = 0;
    std::int64_t fraction = 0; ///< nanoseconds or microseconds
};

/// Nanoseconds since power-on, as the task's CPU has it.
std::uint64_t monotonic_time(const Kernel& kernel, const Task& t);
/// CLOCK_REALTIME minus CLOCK_MONOTONIC, nanoseconds.
std::uint64_t realtime_offset(const Kernel& kernel);
/// Whose CPU time a clock of clock_getcpuclockid or pthread_getcpuclockid shows: a process's, or one thread's.
std::optional<std::pair<Process*, Task*>> cpu_clock(Kernel& kernel, const Task& t, int clock);
/// The clock's reading; nothing for a clock that is not there.
std::optional<std::uint64_t> read_clock(Kernel& kernel, const Task& t, int clock);

GuestTime to_timespec(std::uint64_t ns);
GuestTime to_timeval(std::uint64_t ns);
/// Nothing for negative values and fractions out of range (EINVAL). Values beyond 292 years are cut there.
std::optional<std::uint64_t> from_timespec(const GuestTime& t);
std::optional<std::uint64_t> from_timeval(const GuestTime& t);

/// The first cycle at which `ns` nanoseconds from now have passed.
Cycles deadline_in(const Kernel& kernel, const Task& t, std::uint64_t ns);
/// The first cycle at which the clock shows at least `ns`; in the past for a time that is over.
Cycles deadline_at(const Kernel& kernel, int clock, std::uint64_t ns);

} // namespace trapline
