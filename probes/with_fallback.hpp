// probes/with_fallback.hpp: a strategy that hands what it cannot do to another one.
//
// Linux emulates what it can and steps the rest; an optimised probe is an int3 probe until it is optimised, and
// wherever it cannot be. So these strategies own a whole second strategy, and every question that they do not answer
// themselves is asked of that one.
#pragma once

#include "probes/uprobes.hpp"

namespace trapline {

class WithFallback : public Strategy {
  public:
    WithFallback(Uprobes& layer, std::unique_ptr<Strategy> fallback)
        : Strategy(layer), fallback_(std::move(fallback)) {}

    Path<bool> start(Hit hit) override {
        ++uprobes.counters.fallbacks;
        return fallback_->start(hit);
    }
    Path<bool> finish(Hit hit) override { return fallback_->finish(hit); }
    void abort(const Hit& hit) override { fallback_->abort(hit); }
    int accepts(const Uprobe& u) override { return fallback_->accepts(u); }
    Path<bool> arming(Mm& mm, Uprobe& u, Addr va) override { return fallback_->arming(mm, u, va); }
    Path<bool> armed(Mm& mm, Site& s) override { return fallback_->armed(mm, s); }
    Path<bool> disarming(Mm& mm, Site& s) override { return fallback_->disarming(mm, s); }
    Path<bool> disarmed(Mm& mm, Uprobe& u, Addr va) override { return fallback_->disarmed(mm, u, va); }
    void duplicated(Mm& parent, Mm& child) override { fallback_->duplicated(parent, child); }
    void task_created(Task& parent, Task& child) override { fallback_->task_created(parent, child); }
    Path<bool> breakpoint(Task& t, Addr va) override { return fallback_->breakpoint(t, va); }
    Path<bool> syscall(Task& t) override { return fallback_->syscall(t); }
    Path<bool> fetch(Task& t, Addr va) override { return fallback_->fetch(t, va); }
    void before_fault_signal(Task& t) override { fallback_->before_fault_signal(t); }
    void before_signal_frame(Task& t) override { fallback_->before_signal_frame(t); }
    bool holds_signals(Task& t) override { return fallback_->holds_signals(t); }
    XolArea* area(Mm& mm) override { return fallback_->area(mm); }
    void forget(Mm& mm) override { fallback_->forget(mm); }
    std::string broken(Mm& mm) override { return fallback_->broken(mm); }
    void task_exit(const Hit& hit) override { fallback_->task_exit(hit); }

  protected:
    /// The kernel has done what the instruction does, but for RIP, which becomes `next`: the hit is over.
    Path<bool> emulated(Hit hit, Addr next);

    std::unique_ptr<Strategy> fallback_;
};

} // namespace trapline
