// Round robin over virtual CPUs, and the seeded random policy.
#include "emu/kernel/scheduler.hpp"

#include <algorithm>

namespace trapline {

Choice RoundRobin::pick(Scheduler& s) {
    VirtualCpu* least = nullptr;
    Cycles second = ~0ull;
    for (VirtualCpu& c : s.cpus()) {
        if (c.current == nullptr) continue;
        if (least == nullptr || c.clock < least->clock) {
            if (least != nullptr) second = std::min(second, least->clock);
            least = &c;
        } else {
            second = std::min(second, c.clock);
        }
    }
    Cycles until = second == ~0ull ? ~0ull : second + kQuantum;
    if (!s.queue().empty()) until = std::min(until, std::max(least->slice_end, least->clock + 1));
    until = std::min(until, std::max(s.timers().next(), least->clock + 1));
    until = std::min(until, least->clock + (Cycles{1} << 40));
    return {least->current, until - least->clock, until};
}

bool RoundRobin::switch_after_step(Scheduler&, const Task&, const Event&) { return false; }

void RoundRobin::budget_used(Scheduler& s, const Task& t) {
    if (t.cpu < 0 || s.queue().empty()) return;
    VirtualCpu& c = s.cpus()[static_cast<std::size_t>(t.cpu)];
    if (c.clock < c.slice_end) return;
    s.requeue(*c.current);
}

Choice RandomPolicy::pick(Scheduler& s) {
    std::vector<Task*> ready = s.ready_tasks();
    Task* t = ready[rng_.below(ready.size())];
    // Short runs make races likely, long ones let programs get somewhere: both come up.
    const std::uint64_t scale = 1ull << (4 + rng_.below(12));
    return {t, 1 + rng_.below(scale)};
}

bool RandomPolicy::switch_after_step(Scheduler& s, const Task&, const Event&) {
    if (s.queue().empty() &&
        std::count_if(s.cpus().begin(), s.cpus().end(), [](const VirtualCpu& c) { return c.current != nullptr; }) < 2)
        return false;
    return rng_.below(4) == 0;
}

} // namespace trapline
