#include "scenarios/pct.hpp"

namespace trapline {
namespace {
constexpr std::uint64_t kTop = 1ull << 32;     // initial priorities lie above, lowered ones below
constexpr std::uint64_t kPatience = 1'000'000; // instructions; a task that spins for ever must not starve the others
} // namespace

PctPolicy::PctPolicy(std::uint32_t depth, std::uint64_t seed) : rng_(seed), lowest_(kTop) {
    while (change_at_.size() + 1 < depth && change_at_.size() < kSteps) change_at_.insert(1 + rng_.below(kSteps));
}

std::uint64_t& PctPolicy::priority(const Task& t) {
    auto [it, fresh] = priorities_.try_emplace(t.serial, 0);
    if (fresh) it->second = kTop + 1 + rng_.below(kTop);
    return it->second;
}

Choice PctPolicy::pick(Scheduler& s) {
    Task* best = nullptr;
    for (Task* t : s.ready_tasks())
        if (best == nullptr || priority(*t) > priority(*best)) best = t;
    return {best, kPatience};
}

bool PctPolicy::switch_after_step(Scheduler&, const Task& t, const Event&) {
    if (!change_at_.contains(++steps_)) return false;
    priority(t) = --lowest_;
    return true;
}

void PctPolicy::budget_used(Scheduler&, const Task& t) { priority(t) = --lowest_; }

} // namespace trapline
