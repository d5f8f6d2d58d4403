// loader/syscalls/usage.hpp: struct rusage as getrusage and wait4 fill it in.
//
// Time in user mode is what the machine counts: instructions, a cycle each. Page faults, switches and memory are left
// at zero, as Linux leaves the fields that it does not maintain.
#pragma once

#include "loader/syscalls/clock.hpp"

namespace trapline {

struct Usage {
    GuestTime user, system;
    std::int64_t rest[14] = {};
};
static_assert(sizeof(Usage) == 144);

inline Usage usage_of(const Kernel& kernel, Cycles user) {
    Usage u;
    u.user = to_timeval(kernel.nanoseconds(user));
    return u;
}

} // namespace trapline
