// boost/boosted.cpp: a copy that ends in a jump back, so that no step trap is needed.
//
// Masami Hiramatsu's kprobe-booster (seed 002, December 2005; Linux 2.6.17), which seed 004 section 7 wanted for
// uprobes and seed 000 counts as the third way. Each probe point has a copy of its instruction near the text, for as
// long as it lives. What the list of the time allows (decoder/boostable.hpp) runs in the copy freely:
//
//        text                 copy, 16 bytes
//   hot: cc ....   trap -->   INSTRUCTION          a RIP-relative operand is encoded anew, as the copy is near
//   +n:  NEXT      <-------   jmp rel32 to +n      "tail five bytes": there must be room for it
//
//   start    slot-taken, slot-written     on the first hit only
//            jumped-back                  the thread is on its way through the copy, without TF
//            resumed
//   or, in the life cycle of 2005 and of 2.6.32, where nobody could measure an instruction beforehand:
//   start    the first hit steps the copy with TF; where RIP is afterwards says how long the instruction is
//   finish   stepped; slot-written        the jump is put behind it: from now on it is boosted, or never (RIP is not
//                                         behind the copy, or less than five bytes are left)
//
// What is not boosted is stepped in its copy, as out of line (a fallback, counted). Where no copy fits near the text
// nothing is boosted.
//
// What others observe: nothing during a hit, the int3 never goes. The program can read the mapping; a fault or a signal
// inside the copy shows the copy's address (facts 1c entry 8), except in the dialect `fixed`, which puts RIP right.
//
// The danger is the copy's end. A thread that was preempted inside it comes back to it after any time at all, so it is
// not reused before the kernel has looked where every thread is (boost/inside.hpp; copies whose address a signal frame
// may hold are never reused). `boosted-as-posted` does what seed 002 says instead: it waits until every CPU has been
// through the scheduler. That protects code that is never preempted, which is why that booster is off where the kernel
// is preemptible; user code always is, a CPU in user mode counts as quiet at once, and the wait protects nothing. Its
// list is that of 2005.
//
// Costs one trap.
#include "boost/boosted.hpp"

#include "boost/code_area.hpp"
#include "boost/inside.hpp"
#include "probes/out_of_line.hpp"

namespace trapline {
namespace {

constexpr std::uint64_t kBuffer = 16; // MAX_INSN_SIZE: an instruction and a jump must fit
constexpr std::uint8_t kJump = 0xe9;
constexpr std::uint64_t kJumpBytes = 5;

struct Slot {
    enum class State : std::uint8_t {
        unknown, ///< to be measured by the first step
        boosted,
        stepped, ///< not to be boosted
    };
    Addr at = 0;
    Addr probe = 0;
    Uprobe* owner = nullptr;
    State state = State::stepped;
    bool relocated = false; ///< the copy needs no scratch register
    bool retired = false;   ///< nobody enters it any more
    bool shown = false;     ///< a signal frame may hold its address: it is never reused
};

struct Space {
    CodeArea area{"[uprobes-boosted]", kBuffer};
    std::map<Addr, Slot> slots;     // by the address of the copy
    std::map<Addr, Slot*> of_probe; // by the address of the probe point; without retired ones
};

struct Stepping : Extension {
    Addr copy = 0;
};

class Boosted final : public OutOfLineStep {
  public:
    Boosted(Uprobes& layer, bool as_posted)
        : OutOfLineStep(layer), as_posted_(as_posted),
          rules_(as_posted ? BoostRules::booster_2005 : layer.dialect().boost),
          enabled_(!as_posted || !layer.dialect().preemptible) {}

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Slot* s = find(hit);
        while (s == nullptr) {
            if (Path<bool> swept = sweep(*hit.task.process->mm); swept.valid()) co_await swept;
            Mm& mm = *hit.task.process->mm;
            const Addr at = take(mm, hit.address);
            if (at == 0) co_return false; // no room anywhere: the thread traps again
            co_await k.step(hit.task, Step::slot_taken, at, hit.address);
            s = find(hit); // another thread may have been faster
            if (s != nullptr) {
                spaces_[mm.id()].area.give_back(at);
                break;
            }
            prepare(mm, hit, at);
            co_await k.step(hit.task, Step::slot_written, at, hit.address);
            s = find(hit);
        }
        if (s->state == Slot::State::boosted) {
            enter_relocated(hit, s->at);
            uprobes.under_way(hit.task, *hit.uprobe, s->at);
            co_await k.step(hit.task, Step::jumped_back, s->at, hit.address);
            co_await uprobes.resume(hit, k.get(hit.task, Reg::rip));
            co_return true;
        }
        if (s->state == Slot::State::stepped) ++uprobes.counters.fallbacks;
        uprobes.begin_step(hit);
        stepping(hit.task) = s->at;
        s->relocated ? enter_relocated(hit, s->at) : enter(hit, s->at);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const Addr copy = stepping(hit.task);
        const Addr behind = k.get(hit.task, Reg::rip);
        const Left left = leave(hit, copy);
        co_await k.step(hit.task, Step::stepped, left.next);
        if (measure(hit, copy, behind)) co_await k.step(hit.task, Step::slot_written, copy, hit.address);
        co_await uprobes.resume(hit, left.next);
        co_return !left.users;
    }

    void abort(const Hit& hit) override {
        undo(hit);
        uprobes.end_step(hit.task);
    }

    Path<bool> disarmed(Mm& mm, Uprobe& u, Addr va) override {
        auto sp = spaces_.find(mm.id());
        if (sp == spaces_.end()) return {};
        auto it = sp->second.of_probe.find(va);
        if (it == sp->second.of_probe.end() || it->second->owner != &u) return {};
        return retire(mm.id(), *it->second);
    }

    /// The thread is inside a copy, which its signal frame is going to show.
    void before_signal_frame(Task& t) override {
        Kernel& k = uprobes.kernel();
        Mm& mm = *t.process->mm;
        const Addr rip = k.get(t, Reg::rip);
        Slot* s = slot_at(mm.id(), rip);
        if (s == nullptr) return;
        if (!uprobes.dialect().leaks_step) {
            uprobes.not_under_way(t); // at its start it runs again, handlers and all, as after a fault out of line
            k.set(t, Reg::rip, s->probe + (rip - s->at));
            return;
        }
        if (!s->shown) mm.fetch().watch(s->at);
        s->shown = true;
        if (rip == s->at) uprobes.set_aside(t, s->at);
    }

    /// A copy whose address has been shown is entered: perhaps by the return from a signal handler.
    Path<bool> fetch(Task& t, Addr va) override {
        const Slot* s = slot_at(t.process->mm->id(), va);
        if (s != nullptr && s->at == va && s->shown) uprobes.under_way(t, *s->owner, va);
        return {};
    }

    void duplicated(Mm& parent, Mm& child) override {
        auto from = spaces_.find(parent.id());
        if (from == spaces_.end()) return;
        Space& to = spaces_[child.id()];
        to.area = from->second.area.duplicate(child);
        uprobes.counters.vmas_added += to.area.pages();
        to.slots = from->second.slots;
        for (auto& [at, s] : to.slots) {
            if (!s.retired) to.of_probe[s.probe] = &s;
            if (s.shown) child.fetch().watch(at);
        }
    }

    void forget(Mm& mm) override {
        spaces_.erase(mm.id());
        last_ = nullptr;
    }

  private:
    Addr& stepping(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy == nullptr) u.strategy = std::make_unique<Stepping>();
        return static_cast<Stepping&>(*u.strategy).copy;
    }

    Slot* find(const Hit& hit) {
        const std::uint32_t id = hit.task.process->mm->id();
        if (last_ != nullptr && last_->probe == hit.address && last_mm_ == id && last_->owner == hit.uprobe)
            return last_;
        auto sp = spaces_.find(id);
        if (sp == spaces_.end()) return nullptr;
        auto it = sp->second.of_probe.find(hit.address);
        if (it == sp->second.of_probe.end()) return nullptr;
        if (it->second->owner != hit.uprobe) { // the text has been mapped anew: another instruction
            it->second->retired = true;
            sp->second.of_probe.erase(it);
            last_ = nullptr;
            return nullptr;
        }
        last_mm_ = id;
        return last_ = it->second;
    }

    Slot* slot_at(std::uint32_t mm, Addr inside) {
        auto sp = spaces_.find(mm);
        if (sp == spaces_.end()) return nullptr;
        auto it = sp->second.slots.find(inside & ~(kBuffer - 1));
        return it == sp->second.slots.end() ? nullptr : &it->second;
    }

    Addr take(Mm& mm, Addr text) {
        CodeArea& area = spaces_[mm.id()].area;
        const std::size_t pages = area.pages();
        const Addr at = area.take(mm, text);
        uprobes.counters.vmas_added += area.pages() - pages;
        uprobes.counters.xol_slots_used = std::max<std::uint64_t>(uprobes.counters.xol_slots_used, area.taken());
        return at;
    }

    /// Writes the copy, and the jump back where the kernel knows the length beforehand.
    void prepare(Mm& mm, const Hit& hit, Addr at) {
        Uprobe& u = *hit.uprobe;
        Space& sp = spaces_[mm.id()];
        const Boost boost = boostable(u.bytes, rules_);
        const std::uint64_t length = u.copy.length;
        const auto moved = relocated(u.bytes, hit.address, at);
        const bool possible =
            enabled_ && boost.possible() && moved && reaches(at + length + kJumpBytes, hit.address + length);
        Slot& s = sp.slots[at] = Slot{at, hit.address, &u, Slot::State::stepped, possible, false, false};
        sp.of_probe[hit.address] = &s;
        sp.area.write(mm, at, std::span(possible ? *moved : u.copy.bytes).first(length));
        if (!possible) return;
        if (rules_ == BoostRules::linux_6_12)
            boost_slot(mm, s, length);
        else
            s.state = Slot::State::unknown;
    }

    void boost_slot(Mm& mm, Slot& s, std::uint64_t length) {
        const Addr at = s.at + length;
        spaces_[mm.id()].area.write(mm, at, rel32_branch(kJump, at, s.probe + length));
        s.state = Slot::State::boosted;
    }

    /// The first step has ended at `behind`. True: the jump back has been written.
    bool measure(const Hit& hit, Addr copy, Addr behind) {
        Mm& mm = *hit.task.process->mm;
        Slot* s = slot_at(mm.id(), copy);
        if (s == nullptr || s->owner != hit.uprobe || s->state != Slot::State::unknown) return false;
        s->state = Slot::State::stepped;
        if (rules_ == BoostRules::linux_2_6_32 && hit.uprobe->copy.post == PostFix::absolute) {
            s->state = Slot::State::boosted; // a jump or return that needs no correction: it never comes back here
            return false;
        }
        if (behind <= copy || behind - copy + kJumpBytes >= kBuffer) return false;
        boost_slot(mm, *s, behind - copy);
        return true;
    }

    Path<bool> retire(std::uint32_t mm, Slot& s) {
        Kernel& k = uprobes.kernel();
        const Addr at = s.at, probe = s.probe;
        s.retired = true;
        spaces_[mm].of_probe.erase(probe);
        last_ = nullptr;
        Task& actor = k.actor();
        co_await k.step(actor, Step::slot_retired, at, probe);
        if (as_posted_) {
            co_await k.step(actor, Step::grace_period, at, probe);
        } else {
            count_look(uprobes);
            co_await k.step(actor, Step::threads_checked, at, probe);
        }
        if (!free_slot(mm, at)) co_return false;
        co_await k.step(actor, Step::slot_freed, at, probe);
        co_return true;
    }

    /// Gives retired copies back that no thread is inside any more. An empty path: there is nothing to look for.
    Path<bool> sweep(Mm& mm) {
        auto sp = spaces_.find(mm.id());
        if (sp == spaces_.end()) return {};
        for (const auto& [at, s] : sp->second.slots)
            if (s.retired && !s.shown) return sweep_slots(mm.id());
        return {};
    }

    Path<bool> sweep_slots(std::uint32_t mm) {
        Kernel& k = uprobes.kernel();
        Task& actor = k.actor();
        count_look(uprobes);
        co_await k.step(actor, Step::threads_checked, 0, 0);
        std::vector<Addr> retired;
        for (const auto& [at, s] : spaces_[mm].slots)
            if (s.retired && !s.shown) retired.push_back(at);
        for (Addr at : retired)
            if (free_slot(mm, at)) co_await k.step(actor, Step::slot_freed, at, 0);
        co_return true;
    }

    bool free_slot(std::uint32_t mm, Addr at) {
        auto sp = spaces_.find(mm);
        if (sp == spaces_.end()) return false; // the process has ended
        auto it = sp->second.slots.find(at);
        if (it == sp->second.slots.end() || !it->second.retired) return false;
        if (!as_posted_ && (it->second.shown || anyone_inside(uprobes.kernel(), mm, at, at + kBuffer))) return false;
        sp->second.slots.erase(it);
        sp->second.area.give_back(at);
        last_ = nullptr;
        return true;
    }

    const bool as_posted_;
    const BoostRules rules_;
    const bool enabled_;
    std::map<std::uint32_t, Space> spaces_; // by Mm::id
    Slot* last_ = nullptr;                  // the slot that was asked for last, in the address space last_mm_
    std::uint32_t last_mm_ = 0;
};

} // namespace

std::unique_ptr<Strategy> make_boosted(Uprobes& u) { return std::make_unique<Boosted>(u, false); }
std::unique_ptr<Strategy> make_boosted_as_posted(Uprobes& u) { return std::make_unique<Boosted>(u, true); }

} // namespace trapline
