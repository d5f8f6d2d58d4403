// emu/kernel/scheduler.hpp: which task runs next, on which virtual CPU, and for how long.
//
// The machine has one engine and N virtual CPUs. Each virtual CPU has its own clock; what runs in parallel on real
// hardware runs here in turn, and the order is the scheduler's choice: the only source of interleaving there is. The
// default, round robin, lets the CPU with the least clock run until it is one quantum ahead of the next, so the clocks
// stay together and sleeps, timers and waits come out as on an SMP machine, at the grain of the quantum.
//
// A Policy makes the choice. `RoundRobin` and `RandomPolicy` live here; scripts and tokens are policies of scenarios/.
// Read next: policy.cpp.
#pragma once

#include "emu/kernel/step.hpp"
#include "emu/kernel/task.hpp"
#include "emu/kernel/wait.hpp"
#include "emu/rng.hpp"

#include <deque>
#include <vector>

namespace trapline {

class Scheduler;

struct Choice {
    Task* task = nullptr;
    std::uint64_t budget = 0; ///< instructions; 0: it may only leave the kernel
    Cycles until = ~0ull;     ///< the turn ends, too, when the task comes out of the kernel at this time or later
};

class Policy {
  public:
    /// `minds_steps`: false for a policy that never switches after a step, which is then not asked.
    explicit Policy(bool minds_steps = true) : minds_steps_(minds_steps) {}
    virtual ~Policy() = default;
    [[nodiscard]] bool minds_steps() const { return minds_steps_; }
    /// Chooses among the ready tasks (never empty).
    virtual Choice pick(Scheduler& s) = 0;
    /// A step of `t` has just happened. True: ask `pick` again before anything else happens.
    virtual bool switch_after_step(Scheduler& s, const Task& t, const struct Event& e) = 0;
    /// `t` is about to execute the watched address. True: ask `pick` again first.
    virtual bool switch_before_fetch(Scheduler& s, const Task& t, Addr va);
    /// `t` used up its budget.
    virtual void budget_used(Scheduler& s, const Task& t);
    /// No task is ready and no timer is set. True: the policy has made one ready after all.
    virtual bool idle(Scheduler& s);

  private:
    bool minds_steps_;
};

struct VirtualCpu {
    Cycles clock = 0;
    Task* current = nullptr;
    Cycles slice_end = 0; ///< round robin: when another ready task may take over
    CycleParts part = 0;  ///< kernel work that the clock has not moved for yet

    /// Moves the clock for kernel work by whole cycles, and returns them; what is less is kept for the next piece.
    Cycles work(CycleParts parts) {
        part += parts;
        const Cycles whole = part >> kPartBits;
        clock += whole;
        part &= (CycleParts{1} << kPartBits) - 1;
        return whole;
    }
};

class Scheduler {
  public:
    Scheduler(unsigned cpus, Policy& policy) : cpus_(cpus), policy_(&policy) {}

    void set_policy(Policy& p) { policy_ = &p; }
    [[nodiscard]] Policy& policy() { return *policy_; }
    [[nodiscard]] std::vector<VirtualCpu>& cpus() { return cpus_; }
    [[nodiscard]] Timers& timers() { return timers_; }
    /// Ready tasks that are on no CPU, longest waiting first.
    [[nodiscard]] std::deque<Task*>& queue() { return queue_; }

    /// The task became ready at `now`: it gets an idle CPU, or waits in the queue.
    void ready(Task& t, Cycles now);
    /// The task blocks, stops or dies: its CPU is free.
    void leave(Task& t);
    /// Puts a ready task on a CPU, taking one from another task if none is idle.
    void place(Task& t);
    /// Takes a task off its CPU and puts it at the end of the queue.
    void requeue(Task& t);

    /// Chooses the next task; runs timers that are due and lets time pass when everybody sleeps.
    /// No task: nothing will ever be ready again.
    Choice next();
    /// Ready tasks by serial number, on a CPU or not.
    [[nodiscard]] std::vector<Task*> ready_tasks() const;
    /// Virtual time of the task's CPU.
    [[nodiscard]] Cycles now(const Task& t) const {
        return t.cpu >= 0 ? cpus_[static_cast<std::size_t>(t.cpu)].clock : global_now();
    }
    /// The least clock among CPUs at work, or the latest time of all when none is.
    [[nodiscard]] Cycles global_now() const;
    void charge(const Task& t, Cycles c) {
        if (t.cpu >= 0) cpus_[static_cast<std::size_t>(t.cpu)].clock += c;
    }

  private:
    void fill_idle_cpus();

    std::vector<VirtualCpu> cpus_;
    Policy* policy_;
    std::deque<Task*> queue_;
    Timers timers_;
    Cycles latest_ = 0;
};

/// Least clock first, one quantum at a time.
class RoundRobin : public Policy {
  public:
    RoundRobin() : Policy(false) {}
    /// In cycles; small enough that threads mingle, large enough that switching costs little on the host.
    static constexpr Cycles kQuantum = 20'000;
    /// Turns on one CPU before a waiting task takes over.
    static constexpr Cycles kSlice = 5 * kQuantum;
    Choice pick(Scheduler& s) override;
    bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override;
    void budget_used(Scheduler& s, const Task& t) override;
};

/// Any ready task, for a random number of instructions; and a switch after a kernel step, one time in four.
class RandomPolicy : public Policy {
  public:
    explicit RandomPolicy(std::uint64_t seed) : rng_(seed) {}
    Choice pick(Scheduler& s) override;
    bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override;

  private:
    Rng rng_;
};

} // namespace trapline
