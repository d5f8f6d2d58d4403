// strategies/xol.cpp: single-stepping out of line, a slot per hit.
//
// A copy of the instruction is stepped in a slot of the XOL area while the int3 stays where it is, so nobody can pass
// it. Jim Keniston and others for utrace (2006), seed 004 section 1.1, mainline Linux since 3.5; seed 001 weighs the
// VMA that it needs. It asks the decoder for the instruction's length and for fix-ups: calls, jumps, returns and
// RIP-relative operands.
//
//   start    slot-taken        a free slot is this thread's; all taken: slot-waiting, and it sleeps
//            slot-written      the copy stands in it; a scratch register holds the address RIP would have had
//   step     the copy runs with TF
//   finish   stepped           fix-ups done, the thread is behind the probe point
//            slot-freed        one waiter wakes
//            resumed
//
// What the program can observe: a mapping `[uprobes]`, which it can unmap; the slot's address and TF where pushf or
// syscall leak them; a rep string instruction traps after every iteration and runs the handler each time (as measured
// on Linux 6.18.44). A fault on the copy is reported at the probe point. After a system call TF traps one instruction
// late (measured on 6.18.44): what follows the call runs in the slot, too, past its own probe, and with a RIP that
// nobody corrects. Costs two traps, no text write.
#include "probes/strategies/xol.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace trapline {

XolStep::Copy XolStep::copy_of(const Uprobe& u) {
    Copy copy;
    std::copy(u.copy.bytes.begin(), u.copy.bytes.end(), copy.bytes.begin());
    return copy;
}

Path<bool> XolStep::start(Hit hit) {
    Kernel& k = uprobes.kernel();
    XolArea* a = area(*hit.task.process->mm);
    if (a == nullptr) co_return false; // no room for the area: the thread traps again
    int slot = -1;
    while ((slot = a->take()) < 0) {
        if (uprobes.mutated(Mutation::slot_not_waited)) {
            slot = static_cast<int>(uprobes.slots()) - 1;
            break;
        }
        co_await k.step(hit.task, Step::slot_waiting, hit.address);
        // One may have become free since: who sleeps now would miss its wake-up.
        if (a->full() || uprobes.mutated(Mutation::slot_sleeps_anyway))
            (void)co_await k.sleep(hit.task, &a->waiters, ~0ull, false);
    }
    Utask& u = uprobes.utask(hit.task);
    u.slot = slot;
    const Copy copy = copy_of(*hit.uprobe);
    uprobes.begin_step(hit, copy.stepped);
    uprobes.counters.xol_slots_used = std::max<std::uint64_t>(uprobes.counters.xol_slots_used, a->used());
    if (uprobes.mutated(Mutation::slot_marked_late)) a->free(slot);
    co_await k.step(hit.task, Step::slot_taken, static_cast<std::uint64_t>(slot), hit.address);

    if (uprobes.mutated(Mutation::slot_marked_late)) a->claim(slot);
    a->write(slot, std::span(copy.bytes).first(copy.size), !uprobes.mutated(Mutation::slot_flush_forgotten),
             uprobes.mutated(Mutation::slot_copy_kept));
    if (uprobes.mutated(Mutation::slot_freed_early) && a->taken(slot)) a->free(slot);
    enter(hit, a->slot_address(slot));
    co_await k.step(hit.task, Step::slot_written, a->slot_address(slot), hit.address);
    co_return true;
}

Path<bool> XolStep::finish(Hit hit) { return end(hit, Step::stepped); }

Path<bool> XolStep::end(Hit hit, Step ended) {
    Kernel& k = uprobes.kernel();
    Utask& u = uprobes.utask(hit.task);
    XolArea& a = *area(*hit.task.process->mm);
    const Addr slot_va = a.slot_address(u.slot);
    const Addr next = leave(hit, slot_va);
    co_await k.step(hit.task, ended, next);
    free_slot(hit.task, a);
    co_await k.step(hit.task, Step::slot_freed, slot_va);
    co_await uprobes.resume(hit, next);
    co_return true;
}

void XolStep::abort(const Hit& hit) {
    const Utask& u = uprobes.utask(hit.task);
    undo(hit);
    uprobes.end_step(hit.task);
    if (u.slot >= 0 && !uprobes.mutated(Mutation::slot_leaked_on_fault))
        free_slot(hit.task, *area(*hit.task.process->mm));
}

void XolStep::task_exit(const Hit& hit) {
    if (hit.uprobe != nullptr) return abort(hit);
    free_slot(hit.task, *area(*hit.task.process->mm));
}

Path<bool> XolStep::breakpoint(Task& t, Addr) {
    const bool stepping = t.probe != nullptr && uprobes.utask(t).active != nullptr;
    return stepping && uprobes.dialect().late_syscall_step ? ended_by_int3(t) : Path<bool>();
}

/// It stands behind a system call, whose step has come as far. TF stays, and nothing is put right.
Path<bool> XolStep::ended_by_int3(Task& t) {
    Utask& u = uprobes.utask(t);
    const Hit hit{t, std::exchange(u.active, nullptr), u.address};
    u.our_trap_flag = false; // and nobody's
    uprobes.completed(t, *hit.uprobe);
    free_slot(t, *area(*t.process->mm));
    co_await uprobes.resume(hit, uprobes.kernel().get(t, Reg::rip));
    co_return true;
}

void XolStep::forget(Mm& mm) {
    areas_.erase(mm.id());
    last_mm_ = 0;
}

std::string XolStep::broken(Mm& mm) {
    const auto found = areas_.find(mm.id());
    if (found == areas_.end()) return {};
    const XolArea& a = *found->second;
    std::array<const Task*, XolArea::kSlots> owners{};
    for (const auto& t : uprobes.kernel().tasks()) {
        if (t->process == nullptr || t->process->mm.get() != &mm || t->probe == nullptr) continue;
        const int slot = static_cast<const Utask&>(*t->probe).slot;
        if (slot >= 0) {
            const Task*& owner = owners[static_cast<std::size_t>(slot)];
            if (owner != nullptr) return fmt::format("{} and {} have slot {} both", owner->name, t->name, slot);
            owner = t.get();
            if (!a.taken(slot)) return fmt::format("{} has slot {}, which is free", t->name, slot);
        }
        const Addr rip = uprobes.kernel().get(*t, Reg::rip);
        if (t->path.valid() || rip < a.slot_address(1) || rip >= a.slot_address(XolArea::kSlots)) continue;
        if (const auto in = static_cast<int>((rip - a.address) / XolArea::kSlotBytes); in != slot)
            return fmt::format("{} executes in slot {}, which it does not have", t->name, in);
    }
    for (int slot = 1; slot < XolArea::kSlots; ++slot)
        if (a.taken(slot) && owners[static_cast<std::size_t>(slot)] == nullptr)
            return fmt::format("slot {} is taken, and nobody has it", slot);
    return {};
}

XolArea* XolStep::area(Mm& mm) {
    if (last_mm_ == mm.id()) return last_;
    auto& a = areas_[mm.id()];
    if (!a) {
        a = std::make_unique<XolArea>(mm, place_ == XolArea::Place::vma ? uprobes.dialect().area_place() : place_);
        if (a->address == 0) {
            areas_.erase(mm.id());
            return nullptr;
        }
        uprobes.prepare(*a);
        if (place_ != XolArea::Place::reserved_page) ++uprobes.counters.vmas_added;
    }
    last_mm_ = mm.id();
    return last_ = a.get();
}

void XolStep::free_slot(Task& t, XolArea& a) {
    const int slot = std::exchange(uprobes.utask(t).slot, -1);
    if (a.taken(slot) || uprobes.mutated(Mutation::none)) a.free(slot); // a defect on purpose may have freed it
    if (!uprobes.mutated(Mutation::slot_wake_forgotten)) uprobes.kernel().wake(a.waiters, 1);
}

std::unique_ptr<Strategy> make_xol(Uprobes& u) { return std::make_unique<XolStep>(u); }

} // namespace trapline
