// The ground truth: which executions really happened, and which of them a handler preceded.
//
// Two witnesses. What a strategy steps (a copy, or in place under TF) it reports when the step ends. What runs bare,
// while the int3 is not there, the CPU reports before the instruction is entered, and a copy that is not stepped the
// strategy reports (under_way); both count when the thread is next seen elsewhere, and do not if an exception came
// first.
#include "probes/uprobes.hpp"

#include <algorithm>
#include <utility>

namespace trapline {
namespace {

/// Handlers have run for the thread's next execution of the probed instruction.
bool preceded(const Utask& u, const Uprobe& probe) { return u.owed == &probe && u.owed_runs > 0; }

} // namespace

Path<bool> Uprobes::fetch(Task& t, Addr va) {
    confirm(t);
    returns_.returned_unseen(t, va);
    if (Path<bool> own = strategy_->fetch(t, va); own.valid()) return own;
    Mm& mm = *t.process->mm;
    Site* s = site(mm, va);
    if (s == nullptr || !s->watched || !s->uprobe->wants(mm, t.process)) return {};
    std::uint8_t byte = 0;
    mm.force_read(va, &byte, 1);
    if (byte == kBreakpoint) return {}; // it will trap
    about_to_run(t, *s->uprobe, va);
    const Utask& u = utask(t);
    if (u.bare->returns && !preceded(u, *u.bare)) returns_.entered_unseen(t, *u.bare, va);
    return {};
}

void Uprobes::about_to_run(Task& t, Uprobe& probe, Addr va) {
    Utask& u = utask(t);
    u.bare = &probe;
    u.bare_address = va;
    u.bare_copy = false;
    u.bare_time = kernel_.user_time(t);
    u.bare_seen = here(t, va);
}

void Uprobes::under_way(Task& t, Uprobe& probe, Addr at) {
    Utask& u = utask(t);
    const auto kept =
        std::find_if(u.aside.rbegin(), u.aside.rend(), [&](const Utask::Aside& a) { return a.copy == at; });
    if (u.owed != &probe && kept != u.aside.rend()) {
        settle_owed(u);
        u.owed = kept->owed;
        u.owed_runs = kept->runs;
        u.aside.erase(std::next(kept).base());
    }
    u.bare = &probe;
    u.bare_address = at;
    u.bare_copy = true;
    if (!preceded(u, probe)) u.bare_seen = here(t, probe.first_address);
}

void Uprobes::not_under_way(Task& t) {
    Utask& u = utask(t);
    if (u.bare_copy) u.bare = nullptr;
    u.bare_copy = false;
}

void Uprobes::set_aside(Task& t, Addr at) {
    not_under_way(t);
    Utask& u = utask(t);
    if (u.owed == nullptr) return;
    u.aside.push_back({at, std::exchange(u.owed, nullptr), std::exchange(u.owed_runs, 0)});
}

Miss Uprobes::here(const Task& t, Addr va) {
    Miss m;
    m.after = kernel_.log().count();
    m.retired = kernel_.cpu().retired();
    m.time = kernel_.now(t);
    m.task = t.serial;
    m.cpu = static_cast<std::uint16_t>(t.cpu);
    m.space = t.process->mm->id();
    m.address = va;
    return m;
}

void Uprobes::confirm_bare(Task& t) {
    Utask& u = utask(t);
    if ((u.bare_copy && kernel_.get(t, Reg::rip) == u.bare_address)) return;
    Uprobe& ran = *std::exchange(u.bare, nullptr);
    if (!std::exchange(u.bare_copy, false) && kernel_.user_time(t) == u.bare_time) return; // it was kept from it
    completed(t, ran, &u.bare_seen);
}

void Uprobes::not_executed(Task& t, Addr rip) {
    Utask& u = utask(t);
    if (u.bare != nullptr && !u.bare_copy && u.bare_address == rip) {
        u.bare = nullptr;
    } else {
        confirm(t);
    }
}

void Uprobes::completed(Task& t, Uprobe& probe) { completed(t, probe, nullptr); }

void Uprobes::completed(Task& t, Uprobe& probe, const Miss* seen) {
    Utask& u = utask(t);
    const bool by_handler = preceded(u, probe);
    if (!by_handler && !probe.wants(*t.process->mm, t.process)) return; // nobody asked about this process
    ++probe.truth.executions;
    if (by_handler) {
        probe.truth.repeated += u.owed_runs - 1;
        u.owed_runs = 0;
        u.owed = nullptr;
        return;
    }
    ++probe.truth.missed;
    kernel_.log().record(seen != nullptr ? *seen : here(t, u.address));
}

/// Handler runs that no execution will follow (the thread died, a handler skipped the instruction) count as repeated.
void Uprobes::settle_owed(Utask& u) {
    if (u.owed != nullptr) u.owed->truth.repeated += u.owed_runs;
    u.owed = nullptr;
    u.owed_runs = 0;
}

void Uprobes::settle(Utask& u) {
    settle_owed(u);
    for (const Utask::Aside& a : u.aside) a.owed->truth.repeated += a.runs;
    u.aside.clear();
}

void Uprobes::task_exit(Task& t) {
    if (t.probe == nullptr) return;
    confirm(t);
    Utask& u = utask(t);
    if (u.active != nullptr || u.slot >= 0) strategy_->task_exit(Hit{t, u.active, u.address});
    settle(u);
    t.probe = nullptr;
}

void Uprobes::settle() {
    for (const auto& t : kernel_.tasks())
        if (t->probe != nullptr && t->process != nullptr) {
            confirm(*t);
            settle(utask(*t));
        }
}

} // namespace trapline
