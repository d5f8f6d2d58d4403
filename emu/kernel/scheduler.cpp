#include "emu/kernel/scheduler.hpp"

#include "emu/check.hpp"

#include <algorithm>

namespace trapline {

void Scheduler::ready(Task& t, Cycles now) {
    t.state = Task::State::ready;
    latest_ = std::max(latest_, now);
    for (std::size_t c = 0; c < cpus_.size(); ++c)
        if (cpus_[c].current == nullptr) {
            cpus_[c].current = &t;
            cpus_[c].clock = std::max(cpus_[c].clock, now);
            cpus_[c].slice_end = cpus_[c].clock + RoundRobin::kSlice;
            t.cpu = static_cast<std::int32_t>(c);
            return;
        }
    queue_.push_back(&t);
}

void Scheduler::leave(Task& t) {
    if (t.cpu >= 0) {
        VirtualCpu& c = cpus_[static_cast<std::size_t>(t.cpu)];
        latest_ = std::max(latest_, c.clock);
        c.current = nullptr;
        t.cpu = -1;
    } else {
        std::erase(queue_, &t);
    }
    fill_idle_cpus();
}

void Scheduler::fill_idle_cpus() {
    for (std::size_t c = 0; c < cpus_.size() && !queue_.empty(); ++c)
        if (cpus_[c].current == nullptr) {
            Task& t = *queue_.front();
            queue_.pop_front();
            // Work that waited starts no earlier than the least of the other clocks: time does not run backwards.
            ready(t, std::max(cpus_[c].clock, global_now()));
        }
}

void Scheduler::place(Task& t) {
    if (t.cpu >= 0) return;
    VirtualCpu* least = &cpus_.front();
    for (VirtualCpu& c : cpus_)
        if (c.clock < least->clock) least = &c;
    std::erase(queue_, &t);
    if (least->current != nullptr) {
        least->current->cpu = -1;
        queue_.push_back(least->current);
    }
    least->current = &t;
    t.cpu = static_cast<std::int32_t>(least - cpus_.data());
}

void Scheduler::requeue(Task& t) {
    cpus_[static_cast<std::size_t>(t.cpu)].current = nullptr;
    t.cpu = -1;
    fill_idle_cpus();
    ready(t, 0);
}

std::vector<Task*> Scheduler::ready_tasks() const {
    std::vector<Task*> out(queue_.begin(), queue_.end());
    for (const VirtualCpu& c : cpus_)
        if (c.current != nullptr) out.push_back(c.current);
    std::sort(out.begin(), out.end(), [](const Task* a, const Task* b) { return a->serial < b->serial; });
    return out;
}

Cycles Scheduler::global_now() const {
    Cycles least = ~0ull;
    for (const VirtualCpu& c : cpus_)
        if (c.current != nullptr) least = std::min(least, c.clock);
    return least == ~0ull ? latest_ : least;
}

Choice Scheduler::next() {
    for (;;) {
        bool busy = std::any_of(cpus_.begin(), cpus_.end(), [](const VirtualCpu& c) { return c.current != nullptr; });
        if (!busy) {
            if (timers_.empty()) {
                if (policy_->idle(*this)) continue;
                return {};
            }
            latest_ = std::max(latest_, timers_.next()); // nobody works: time passes until the next timer
        }
        if (timers_.next() <= global_now()) {
            timers_.run(global_now());
            continue;
        }
        Choice c = policy_->pick(*this);
        TL_CHECK(c.task == nullptr || c.task->state == Task::State::ready, "a task that is not ready was chosen");
        if (c.task != nullptr) place(*c.task);
        return c;
    }
}

bool Policy::switch_before_fetch(Scheduler&, const Task&, Addr) { return false; }
void Policy::budget_used(Scheduler&, const Task&) {}
bool Policy::idle(Scheduler&) { return false; }

} // namespace trapline
