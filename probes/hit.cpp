// One hit, from the trap to the instruction, and back after the step. Read top to bottom.
#include "probes/uprobes.hpp"

namespace trapline {

Path<bool> Uprobes::breakpoint(Task& t) {
    Mm& mm = *t.process->mm;
    const Space* known = space(mm);
    if (known == nullptr) co_return false; // this address space never had a probe (Linux: MMF_HAS_UPROBES)
    const Addr va = kernel_.get(t, Reg::rip) - 1;
    if (va == known->trampoline) co_return co_await returns_.trapped(t);
    if (Path<bool> own = strategy_->breakpoint(t, va); own.valid()) co_return co_await own;
    Utask& u = utask(t);
    confirm(t);
    if (u.active != nullptr) {                      // in place it met the int3 that another thread put back
        if (u.address != va) ++counters.step_traps; // or the step trap is late, and the next instruction is probed, too
        strategy_->abort(Hit{t, u.active, u.address});
    }
    u.trapped_at = kernel_.now(t);
    ++counters.breakpoint_traps;

    // A handler in interrupt context runs before anything else can happen on this CPU; in task context the thread is
    // preemptible from the trap on, as on Linux's way back to user mode.
    Site* s = site(mm, va);
    const bool in_interrupt = s != nullptr && s->uprobe->in_interrupt;
    if (!in_interrupt) kernel_.charge(t, Price::task_work);
    if (in_interrupt)
        kernel_.note(t, Step::trap, va);
    else
        co_await kernel_.step(t, Step::trap, va);

    s = site(mm, va);
    const bool overlooked = mutated(Mutation::lookup_not_repeated) &&
                            std::any_of(all_.begin(), all_.end(), [](const auto& other) { return other->locked; });
    Uprobe* uprobe = s != nullptr && s->armed && !overlooked ? s->uprobe : nullptr;
    // Looked at together with the tree, under one lock: otherwise a probe that comes back between the two looks would
    // pass for somebody else's breakpoint.
    std::uint8_t byte = 0;
    const bool not_ours = uprobe == nullptr && mm.force_read(va, &byte, 1) && byte == kBreakpoint;
    if (not_ours && dialect_.adopts_breakpoints && !overlooked) uprobe = adopt(mm, va);
    bool foreign = not_ours && uprobe == nullptr;
    const std::uint64_t number = uprobe != nullptr ? uprobe->number : 0;
    if (in_interrupt)
        kernel_.note(t, Step::lookup, va, number);
    else
        co_await kernel_.step(t, Step::lookup, va, number);

    if (uprobe == nullptr || !uprobe->analysed) {
        if (mutated(Mutation::lookup_looks_twice)) foreign = mm.force_read(va, &byte, 1) && byte == kBreakpoint;
        if (foreign || mutated(Mutation::gone_is_foreign)) co_return false; // somebody else's breakpoint
        if (!mutated(Mutation::restart_behind)) kernel_.set(t, Reg::rip, va);
        ++counters.restarts;
        co_await kernel_.step(t, Step::restarted, va);
        co_return true;
    }
    kernel_.set(t, Reg::rip, va);
    if (Path<bool> more = run_handlers(t, *uprobe, va); more.valid()) co_await more;
    co_await handled(t, Step::handler, va, uprobe->truth.hits);

    if (kernel_.get(t, Reg::rip) != va) { // a handler chose another place to go on: the instruction is skipped
        const Hit skipped{t, uprobe, va};
        co_await resume(skipped, kernel_.get(t, Reg::rip));
        co_return true;
    }
    const Hit hit{t, uprobe, va};
    const bool started = co_await strategy_->start(hit);
    if (!started) {
        ++counters.restarts;
        co_await kernel_.step(t, Step::restarted, va);
    }
    co_return true;
}

Path<bool> Uprobes::single_step(Task& t) {
    Utask& u = utask(t);
    if (u.active == nullptr) {
        confirm(t);
        return {};
    }
    ++counters.step_traps;
    const Hit hit{t, u.active, u.address};
    // In place, a rep string instruction traps after each iteration with RIP still on it: it has not completed.
    if (u.bare != nullptr && u.bare->rep_string && kernel_.get(t, Reg::rip) == u.bare_address)
        u.bare = nullptr;
    else
        confirm(t);
    return strategy_->finish(hit);
}

Kernel::StepAwait Uprobes::handled(Task& t, Step s, Addr va, std::uint64_t hits) {
    std::string& text = utask(t).text;
    if (text.empty()) return kernel_.step(t, s, va, hits);
    Kernel::StepAwait done = kernel_.step(t, s, va, hits, text);
    text.clear();
    return done;
}

Kernel::StepAwait Uprobes::resume(const Hit& hit, Addr next) {
    Kernel::StepAwait done = kernel_.step(hit.task, Step::resumed, next);
    hit.uprobe->truth.cycles += kernel_.now(hit.task) - utask(hit.task).trapped_at;
    return done;
}

void Uprobes::begin_step(const Hit& hit, bool trap_flag) {
    Utask& u = utask(hit.task);
    u.user_trap_flag = kernel_.trap_flag(hit.task);
    u.our_trap_flag = trap_flag && !u.user_trap_flag;
    u.active = hit.uprobe;
    u.address = hit.address;
    if (trap_flag) kernel_.set_trap_flag(hit.task, true);
}

bool Uprobes::end_step(Task& t) {
    Utask& u = utask(t);
    const bool popf = u.active->copy.post == PostFix::popf; // what it popped is the program's own
    const bool was_users = u.user_trap_flag;
    if (!popf && !was_users && !mutated(Mutation::trap_flag_left)) kernel_.set_trap_flag(t, false);
    u.our_trap_flag = u.our_trap_flag && mutated(Mutation::trap_flag_left);
    u.active = nullptr;
    return was_users;
}

void Uprobes::signal_own_step(Task& t) {
    SigInfo info;
    info.signo = sig::trap;
    info.pid = t.process->pid;
    kernel_.send(t, info);
}

void Uprobes::hide_step(const Hit& hit, Addr next) {
    if (dialect_.leaks_step) return;
    const StepShows shows = hit.uprobe->copy.shows;
    if (shows == StepShows::in_pushed_flags) {
        const Addr at = kernel_.get(hit.task, Reg::rsp) + 1; // TF is in the second byte of the image
        std::uint8_t byte = 0;
        Mm& mm = *hit.task.process->mm;
        if (mm.get(at, byte)) mm.put(at, static_cast<std::uint8_t>(byte & ~(kFlagTrap >> 8)));
    } else if (shows == StepShows::after_syscall) {
        kernel_.set(hit.task, Reg::rcx, next);
        kernel_.set(hit.task, Reg::r11, kernel_.get(hit.task, Reg::r11) & ~kFlagTrap);
    }
}

void Uprobes::before_fault_signal(Task& t) {
    not_under_way(t);
    const Utask& u = utask(t);
    if (u.active == nullptr) return strategy_->before_fault_signal(t);
    const Hit hit{t, u.active, u.address};
    const bool users = u.user_trap_flag;
    strategy_->abort(hit);
    kernel_.set_trap_flag(t, users); // also where popf was to load it: it has not
    kernel_.note(t, Step::aborted, hit.address);
}

void Uprobes::before_signal_frame(Task& t) {
    if (t.probe != nullptr && !utask(t).bare_copy) confirm(t); // of a copy the strategy says where it is
    strategy_->before_signal_frame(t);
}

bool Uprobes::holds_signals(Task& t) {
    if (t.probe == nullptr) return false;
    const bool stepping = static_cast<const Utask&>(*t.probe).active != nullptr;
    return stepping ? strategy_->steps_hold_signals() : strategy_->holds_signals(t);
}

bool Uprobes::steps_end_behind_calls(const Task& t) {
    const bool stepping = t.probe != nullptr && static_cast<const Utask&>(*t.probe).active != nullptr;
    return stepping && !dialect_.late_syscall_step;
}

Path<bool> Uprobes::syscall(Task& t) {
    if (Path<bool> returns = returns_.called(t); returns.valid()) return returns;
    return strategy_->syscall(t);
}

} // namespace trapline
