// tests/differential/guest_cpu.hpp: the emulated CPU, with a probe on every form or without any.
//
// A process of the virtual kernel has the memory of state.hpp and one thread. It never gets anywhere: whatever its
// instruction leads to (the int3 behind it, the handler of the signal that it became) ends in a breakpoint, where its
// registers are noted and those of the next execution are set. What a signal's handler would see is what is noted, so
// the signal frame is judged, too. With a probe, the uprobes layer gets every trap first, as in any run.
#pragma once

#include "probes/uprobes.hpp"
#include "tests/differential/form.hpp"

#include <functional>

namespace trapline::testing {

class GuestCpu final : private KernelObserver {
  public:
    /// Without a probe when `strategy` is nullptr.
    GuestCpu(const std::vector<Form>& forms, const std::vector<std::uint8_t>& code, const StrategyInfo* strategy,
             const Dialect& dialect);
    ~GuestCpu() override;

    /// 0, or the errno that the probe was refused with.
    [[nodiscard]] int refused(std::size_t form) const { return errors_[form]; }
    /// Executes every form that is not refused (and `wanted`) from `states` states. `done` gets each outcome, and the
    /// memory as it is then.
    using Done = std::function<void(std::size_t form, std::uint64_t state, const Outcome&, const Memory&)>;
    void run(std::uint64_t states, std::uint64_t seed, const std::function<bool(std::size_t)>& wanted, Done done);

  private:
    // KernelObserver: the uprobes layer's, but for what ends an execution.
    Path<bool> breakpoint(Task& t) override;
    Path<bool> single_step(Task& t) override;
    void not_executed(Task& t, Addr rip) override;
    void before_fault_signal(Task& t) override;
    bool holds_signals(Task& t) override;
    bool steps_end_behind_calls(const Task& t) override;
    Path<bool> fetch(Task& t, Addr va) override;
    Path<bool> syscall(Task& t) override;
    void before_signal_frame(Task& t) override;
    void task_created(Task& parent, Task& child) override;
    void task_exit(Task& t) override;
    void executed(Task& t) override;
    void mapped(Mm& mm, const Vma& vma) override;
    void unmapping(Mm& mm, const Vma& vma, Addr from, Addr to) override;
    void duplicated(Mm& parent, Mm& child) override;
    void destroyed(Mm& mm) override;

    class Calls;
    void map(Addr at, std::uint64_t bytes, std::uint8_t protection, std::shared_ptr<Inode> inode = nullptr);
    std::uint8_t* host_view(Addr at);
    Path<bool> ended(Task& t);
    void note(Task& t, bool signal);
    void next(Task& t);
    void load(Task& t, const Form& form, const State& state);

    const std::vector<Form>& forms_;
    RoundRobin policy_;
    Kernel kernel_;
    std::unique_ptr<Calls> calls_;
    std::unique_ptr<Context> pristine_;
    std::shared_ptr<Mm> mm_;
    Task* task_ = nullptr;
    std::unique_ptr<Uprobes> uprobes_;
    std::vector<std::unique_ptr<Consumer>> consumers_;
    std::vector<int> errors_;

    std::size_t form_ = 0;
    std::uint64_t state_ = 0, states_ = 0, seed_ = 0;
    std::uint64_t hits_before_ = 0;
    State state_now_;
    const std::function<bool(std::size_t)>* wanted_ = nullptr;
    Done done_;
    std::unique_ptr<Memory> memory_ = std::make_unique<Memory>();
    std::vector<std::uint8_t*> pages_; // of data and stack, in the order of Memory
};

} // namespace trapline::testing
