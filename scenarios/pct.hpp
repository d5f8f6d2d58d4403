// scenarios/pct.hpp: probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010).
//
// Every task gets a random priority when it is first seen; the highest ready one runs, alone. At depth - 1 random steps
// the running task's priority drops below all others. A bug that needs `depth` ordering constraints among `k` steps of
// `n` tasks is then found by one run with a probability of at least 1 / (n * k^(depth - 1)). Steps are kernel steps:
// per instruction the method is hopeless for these races (facts: determinism, section 1.5).
#pragma once

#include "emu/kernel/scheduler.hpp"

#include <map>
#include <set>

namespace trapline {

class PctPolicy final : public Policy {
  public:
    /// The change points lie among the first `kSteps` kernel steps.
    static constexpr std::uint64_t kSteps = 200;
    PctPolicy(std::uint32_t depth, std::uint64_t seed);
    Choice pick(Scheduler& s) override;
    bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override;
    void budget_used(Scheduler& s, const Task& t) override;

  private:
    std::uint64_t& priority(const Task& t);

    Rng rng_;
    std::uint64_t lowest_; // handed out downwards
    std::uint64_t steps_ = 0;
    std::set<std::uint64_t> change_at_;
    std::map<std::uint32_t, std::uint64_t> priorities_; // by Task::serial
};

} // namespace trapline
