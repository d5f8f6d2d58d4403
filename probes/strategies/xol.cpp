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
// syscall leak them; a rep string instruction traps after every iteration and runs the handler each time (facts 4c). A
// fault on the copy is reported at the probe point. Costs two traps, no text write.
#include "probes/uprobes.hpp"
#include "probes/xol_area.hpp"

namespace trapline {
namespace {

Reg scratch_register(Scratch s) { return s == Scratch::rsi ? Reg::rsi : s == Scratch::rdi ? Reg::rdi : Reg::rbx; }

class XolStep final : public Strategy {
  public:
    using Strategy::Strategy;

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        XolArea* a = area(*hit.task.process->mm);
        if (a == nullptr) co_return false; // no room for the area: the thread traps again
        int slot = a->take();
        while (slot < 0) {
            co_await k.step(hit.task, Step::slot_waiting, hit.address);
            (void)co_await k.sleep(hit.task, &a->waiters, ~0ull, false);
            slot = a->take();
        }
        Utask& u = uprobes.utask(hit.task);
        u.slot = slot;
        uprobes.begin_step(hit);
        uprobes.counters.xol_slots_used = std::max<std::uint64_t>(uprobes.counters.xol_slots_used, a->used());
        co_await k.step(hit.task, Step::slot_taken, static_cast<std::uint64_t>(slot), hit.address);

        const OutOfLine& copy = hit.uprobe->copy;
        a->write(slot, copy.bytes);
        if (copy.scratch != Scratch::none) {
            const Reg r = scratch_register(copy.scratch);
            u.saved_scratch = k.get(hit.task, r);
            k.set(hit.task, r, hit.address + copy.length);
        }
        k.set(hit.task, Reg::rip, a->slot_address(slot));
        co_await k.step(hit.task, Step::slot_written, a->slot_address(slot), hit.address);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Utask& u = uprobes.utask(hit.task);
        XolArea& a = *area(*hit.task.process->mm);
        const Addr slot_va = a.slot_address(u.slot);
        const bool again = hit.uprobe->rep_string && k.get(hit.task, Reg::rip) == slot_va;
        restore_scratch(hit);
        const bool fixed = fix_up(hit, slot_va);
        const Addr next = k.get(hit.task, Reg::rip);
        if (fixed) uprobes.hide_step(hit, next);
        const bool users = uprobes.end_step(hit.task);
        if (!again && fixed) uprobes.completed(hit.task, *hit.uprobe);
        co_await k.step(hit.task, Step::stepped, next);
        free_slot(hit.task, a);
        co_await k.step(hit.task, Step::slot_freed, slot_va);
        co_await uprobes.resume(hit, next);
        co_return !users;
    }

    void abort(const Hit& hit) override {
        Kernel& k = uprobes.kernel();
        Utask& u = uprobes.utask(hit.task);
        restore_scratch(hit);
        k.set(hit.task, Reg::rip, hit.address);
        uprobes.end_step(hit.task);
        if (u.slot >= 0) free_slot(hit.task, *area(*hit.task.process->mm));
    }

    void forget(Mm& mm) override {
        areas_.erase(mm.id());
        last_mm_ = 0;
    }

  private:
    XolArea* area(Mm& mm) {
        if (last_mm_ == mm.id()) return last_;
        auto& a = areas_[mm.id()];
        if (!a) {
            a = std::make_unique<XolArea>(mm);
            if (a->address == 0) {
                areas_.erase(mm.id());
                return nullptr;
            }
            ++uprobes.counters.vmas_added;
        }
        last_mm_ = mm.id();
        return last_ = a.get();
    }

    void free_slot(Task& t, XolArea& a) {
        a.free(std::exchange(uprobes.utask(t).slot, -1));
        uprobes.kernel().wake(a.waiters, 1);
    }

    void restore_scratch(const Hit& hit) {
        const Scratch s = hit.uprobe->copy.scratch;
        Kernel& k = uprobes.kernel();
        // Not if it was not written yet: the thread may be stopped between taking the slot and writing it.
        if (s != Scratch::none && in_slot(hit))
            k.set(hit.task, scratch_register(s), uprobes.utask(hit.task).saved_scratch);
    }

    /// The copy was prepared: RIP has left the probe point.
    bool in_slot(const Hit& hit) { return uprobes.kernel().get(hit.task, Reg::rip) != hit.address; }

    /// Moves RIP and a pushed return address from the copy's place to the original's. False: the stack is gone, the
    /// thread re-executes the instruction (Linux: restart).
    bool fix_up(const Hit& hit, Addr slot_va) {
        Kernel& k = uprobes.kernel();
        Mm& mm = *hit.task.process->mm;
        const Addr delta = hit.address - slot_va;
        const Addr rip = k.get(hit.task, Reg::rip);
        const PostFix post = hit.uprobe->copy.post;
        if (post == PostFix::shift || post == PostFix::popf) {
            k.set(hit.task, Reg::rip, rip + delta);
            return true;
        }
        const Addr sp = k.get(hit.task, Reg::rsp);
        switch (post) {
        case PostFix::shift:
        case PostFix::popf:
        case PostFix::absolute:
            return true;
        case PostFix::call_indirect:
            if (mm.put(sp, hit.address + hit.uprobe->copy.length)) return true;
            break;
        case PostFix::call_relative: {
            std::uint64_t pushed = 0;
            k.set(hit.task, Reg::rip, rip + delta);
            if (mm.get(sp, pushed) && mm.put(sp, pushed + delta)) return true;
            break;
        }
        }
        k.set(hit.task, Reg::rsp, sp + 8);
        k.set(hit.task, Reg::rip, hit.address);
        return false;
    }

    std::map<std::uint32_t, std::unique_ptr<XolArea>> areas_; // by Mm::id, which is never 0
    std::uint32_t last_mm_ = 0;                               // whose area `last_` is
    XolArea* last_ = nullptr;
};

} // namespace

std::unique_ptr<Strategy> make_xol(Uprobes& u) { return std::make_unique<XolStep>(u); }

} // namespace trapline
