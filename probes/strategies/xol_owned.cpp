// strategies/xol_owned.cpp: single-stepping out of line, a slot per probe point.
//
// The first generation of uprobes (Jim Keniston and others, October 2006; in SystemTap's runtime until 2012) gave each
// probe point a slot of its own. The copy is written once, and any number of threads may step it at the same time. When
// more probe points are in use than there are slots, one is stolen from the probe point that used its slot least
// recently; the thief waits until nobody steps there (facts M3).
//
//   start    slot-found        the probe point has a slot; another CPU may steal it before the next step
//            slot-locked       this thread reads the slot: nobody may rewrite it. Stolen meanwhile: start again
//   or       slot-taken        the probe point gets a free slot, or
//            slot-stolen       somebody else's; slot-waiting while threads still step the old copy
//            slot-written      the copy stands in it, and this thread reads the slot
//   step     the copy runs with TF
//   finish   stepped, slot-freed (this thread is off the slot), resumed
//
// What others can observe: as with xol, and more: the slots keep the copies after the probes are gone. A thread that
// sleeps in the kernel on its slot (a page fault, a probed `syscall`) holds off whoever wants to steal it, and so a
// probe point in one thread can stop a thread at another probe point; with a slot per hit it would take 31 sleepers.
// Costs two traps; no write on most hits, so it was the cheaper of the two in its time. Asks the decoder for what xol
// asks.
#include "probes/out_of_line.hpp"
#include "probes/xol_area.hpp"

#include <array>

namespace trapline {
namespace {

struct Slot {
    const Uprobe* owner = nullptr;
    const Task* writer = nullptr; ///< has claimed the slot for the owner; the copy is not there yet
    unsigned readers = 0;         ///< threads that step it
    std::uint64_t last_use = 0;   ///< of the area's clock
    WaitQueue waiters;            ///< for the writer, or for the last reader
};

struct OwnedArea {
    explicit OwnedArea(Mm& mm, XolArea::Place place) : memory(mm, place) {}
    XolArea memory;
    std::array<Slot, XolArea::kSlots> slots; // slot 0 is reserved
    WaitQueue waiters;                       ///< for a slot that is not being rewritten
    std::uint64_t clock = 0;
};

class XolOwned final : public OutOfLineStep {
  public:
    using OutOfLineStep::OutOfLineStep;

    Path<bool> start(Hit hit) override {
        OwnedArea* a = owned(*hit.task.process->mm);
        if (a == nullptr) co_return false;
        uprobes.begin_step(hit);
        const int slot = co_await lock(hit, *a);
        enter(hit, a->memory.slot_address(slot));
        co_await uprobes.kernel().step(hit.task, Step::slot_locked, static_cast<std::uint64_t>(slot), hit.address);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        OwnedArea& a = *owned(*hit.task.process->mm);
        const Addr slot_va = a.memory.slot_address(uprobes.utask(hit.task).slot);
        const Addr next = leave(hit, slot_va);
        co_await k.step(hit.task, Step::stepped, next);
        unlock(hit.task, a);
        co_await k.step(hit.task, Step::slot_freed, slot_va);
        co_await uprobes.resume(hit, next);
        co_return true;
    }

    void abort(const Hit& hit) override {
        undo(hit);
        uprobes.end_step(hit.task);
        unlock(hit.task, *owned(*hit.task.process->mm));
    }

    void task_exit(const Hit& hit) override {
        if (hit.uprobe != nullptr) return abort(hit);
        unlock(hit.task, *owned(*hit.task.process->mm));
    }

    /// The slot of a probe point that goes is free for others once its last reader is off.
    Path<bool> disarming(Mm& mm, Site& site) override {
        if (auto it = areas_.find(mm.id()); it != areas_.end())
            for (Slot& s : it->second->slots)
                if (s.owner == site.uprobe && s.writer == nullptr) s.owner = nullptr;
        return {};
    }

    void forget(Mm& mm) override { areas_.erase(mm.id()); }

    XolArea* area(Mm& mm) override {
        OwnedArea* a = owned(mm);
        return a != nullptr ? &a->memory : nullptr;
    }

  private:
    /// Waits until this thread may step the probe point's slot; Utask::slot is it.
    Path<int> lock(Hit hit, OwnedArea& a) {
        Kernel& k = uprobes.kernel();
        Utask& u = uprobes.utask(hit.task);
        for (;;) {
            if (int slot = owned_by(hit.uprobe, a); slot > 0) {
                Slot& s = a.slots[static_cast<std::size_t>(slot)];
                co_await k.step(hit.task, Step::slot_found, static_cast<std::uint64_t>(slot), hit.address);
                while (s.owner == hit.uprobe && s.writer != nullptr) {
                    co_await k.step(hit.task, Step::slot_waiting, hit.address);
                    if (s.owner == hit.uprobe && s.writer != nullptr) (void)co_await sleep(hit, s.waiters);
                }
                if (s.owner != hit.uprobe) continue; // stolen meanwhile
                ++s.readers;
                s.last_use = ++a.clock;
                co_return u.slot = slot;
            }
            const int slot = victim(a);
            if (slot < 0) {
                co_await k.step(hit.task, Step::slot_waiting, hit.address);
                if (victim(a) < 0) (void)co_await sleep(hit, a.waiters);
                continue;
            }
            Slot& s = a.slots[static_cast<std::size_t>(slot)];
            const bool stolen = s.owner != nullptr;
            s.owner = hit.uprobe;
            s.writer = &hit.task;
            u.slot = slot;
            co_await k.step(hit.task, stolen ? Step::slot_stolen : Step::slot_taken, static_cast<std::uint64_t>(slot),
                            hit.address);
            while (s.readers > 0) {
                co_await k.step(hit.task, Step::slot_waiting, hit.address);
                if (s.readers > 0) (void)co_await sleep(hit, s.waiters);
            }
            a.memory.write(slot, hit.uprobe->copy.bytes);
            s.writer = nullptr;
            s.readers = 1;
            s.last_use = ++a.clock;
            k.wake(s.waiters);
            k.wake(a.waiters);
            count_used(a);
            co_await k.step(hit.task, Step::slot_written, a.memory.slot_address(slot), hit.address);
            co_return slot;
        }
    }

    /// To be awaited right after a look at what is waited for: a wake-up between the two would be lost.
    Kernel::Sleep sleep(const Hit& hit, WaitQueue& queue) {
        return uprobes.kernel().sleep(hit.task, &queue, ~0ull, false);
    }

    static int owned_by(const Uprobe* u, const OwnedArea& a) {
        for (int i = 1; i < XolArea::kSlots; ++i)
            if (a.slots[static_cast<std::size_t>(i)].owner == u) return i;
        return -1;
    }

    /// A slot without an owner, else the least recently used; -1: each is being rewritten.
    static int victim(const OwnedArea& a) {
        int best = -1;
        for (int i = 1; i < XolArea::kSlots; ++i) {
            const Slot& s = a.slots[static_cast<std::size_t>(i)];
            if (s.owner == nullptr && s.readers == 0) return i;
            if (s.writer == nullptr && (best < 0 || s.last_use < a.slots[static_cast<std::size_t>(best)].last_use))
                best = i;
        }
        return best;
    }

    /// The thread is off its slot, or dies while it waits for one that it has claimed.
    void unlock(Task& t, OwnedArea& a) {
        const int slot = std::exchange(uprobes.utask(t).slot, -1);
        if (slot < 0) return;
        Slot& s = a.slots[static_cast<std::size_t>(slot)];
        if (s.writer == &t)
            s.owner = nullptr, s.writer = nullptr;
        else
            --s.readers;
        uprobes.kernel().wake(s.waiters);
        uprobes.kernel().wake(a.waiters);
    }

    OwnedArea* owned(Mm& mm) {
        auto& a = areas_[mm.id()];
        if (!a) {
            a = std::make_unique<OwnedArea>(mm, uprobes.dialect().area_place());
            if (a->memory.address == 0) {
                areas_.erase(mm.id());
                return nullptr;
            }
            uprobes.prepare(a->memory);
            ++uprobes.counters.vmas_added;
        }
        return a.get();
    }

    void count_used(const OwnedArea& a) {
        std::uint64_t owned = 0;
        for (const Slot& s : a.slots) owned += s.owner != nullptr ? 1 : 0;
        uprobes.counters.xol_slots_used = std::max(uprobes.counters.xol_slots_used, owned);
    }

    std::map<std::uint32_t, std::unique_ptr<OwnedArea>> areas_; // by Mm::id
};

} // namespace

std::unique_ptr<Strategy> make_xol_owned(Uprobes& u) { return std::make_unique<XolOwned>(u); }

} // namespace trapline
