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
// inside the copy shows the copy's address (docs/races.md, entry 8), except in the dialect `fixed`, which puts RIP
// right.
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

#include "boost/copies.hpp"
#include "probes/out_of_line.hpp"

namespace trapline {
namespace {

constexpr std::uint64_t kBuffer = 16; // MAX_INSN_SIZE: an instruction and a jump must fit
constexpr std::uint8_t kJump = 0xe9;
constexpr std::uint64_t kJumpBytes = 5;

/// Copy::state. All but the last have a copy that needs no scratch register.
enum State : std::uint8_t {
    kUnknown, ///< to be measured by the first step
    kBoosted,
    kNotBoosted,   ///< measured, and stepped for good
    kNotRelocated, ///< not to be boosted: the copy is stepped as out of line
};

struct Stepping : Extension {
    Addr copy = 0;
};

class Boosted final : public OutOfLineStep {
  public:
    Boosted(Uprobes& layer, bool as_posted)
        : OutOfLineStep(layer), copies_(layer, "[uprobes-boosted]", kBuffer,
                                        as_posted ? Copies::Reuse::after_grace_period : Copies::Reuse::when_empty),
          rules_(as_posted ? BoostRules::booster_2005 : layer.dialect().boost),
          enabled_(!as_posted || !layer.dialect().preemptible) {}

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Copy* c = copies_.of(hit);
        if (c == nullptr)
            c = co_await copies_.obtain(hit, Copies::Where::anywhere, [this](Mm& mm, Copy& n) { return make(mm, n); });
        if (c == nullptr) co_return false; // no room anywhere: the thread traps again
        if (c->state == kBoosted) {
            enter_relocated(hit, c->at);
            uprobes.under_way(hit.task, *hit.uprobe, c->at);
            co_await k.step(hit.task, Step::jumped_back, c->at, hit.address);
            co_await uprobes.resume(hit, k.get(hit.task, Reg::rip));
            co_return true;
        }
        if (c->state != kUnknown) ++uprobes.counters.fallbacks;
        uprobes.begin_step(hit);
        stepping(hit.task) = c->at;
        c->state == kNotRelocated ? enter(hit, c->at) : enter_relocated(hit, c->at);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const Addr copy = stepping(hit.task);
        const Addr behind = k.get(hit.task, Reg::rip);
        const Addr next = leave(hit, copy);
        co_await k.step(hit.task, Step::stepped, next);
        if (measure(hit, copy, behind)) co_await k.step(hit.task, Step::slot_written, copy, hit.address);
        co_await uprobes.resume(hit, next);
        co_return true;
    }

    void abort(const Hit& hit) override {
        undo(hit);
        uprobes.end_step(hit.task);
    }

    Path<bool> disarmed(Mm& mm, Uprobe& u, Addr va) override { return copies_.retire(mm.id(), va, u); }

    void before_fault_signal(Task& t) override {
        if (!uprobes.dialect().leaks_step) leave_copy(t);
    }

    /// The thread is inside a copy, which its signal frame is going to show.
    void before_signal_frame(Task& t) override {
        if (!uprobes.dialect().leaks_step) return leave_copy(t);
        Kernel& k = uprobes.kernel();
        Mm& mm = *t.process->mm;
        const Addr rip = k.get(t, Reg::rip);
        Copy* c = copies_.at(mm.id(), rip);
        if (c == nullptr) return;
        if (!c->shown) copies_.watch(mm, *c, c->at);
        c->shown = true;
        if (rip == c->at) uprobes.set_aside(t, c->at);
    }

    /// A copy whose address has been shown is entered: perhaps by the return from a signal handler.
    Path<bool> fetch(Task& t, Addr va) override {
        const Copy* c = copies_.at(t.process->mm->id(), va);
        if (c != nullptr && c->at == va && c->shown) uprobes.under_way(t, *c->owner, va);
        return {};
    }

    void duplicated(Mm& parent, Mm& child) override { copies_.duplicated(parent, child); }
    void forget(Mm& mm) override { copies_.forget(mm); }

  private:
    /// A thread inside a copy is put to the same place in the text.
    void leave_copy(Task& t) {
        Kernel& k = uprobes.kernel();
        const Addr rip = k.get(t, Reg::rip);
        const Copy* c = copies_.at(t.process->mm->id(), rip);
        if (c == nullptr) return;
        uprobes.not_under_way(t); // at its start it runs again, handlers and all, as after a fault out of line
        k.set(t, Reg::rip, c->probe + (rip - c->at));
    }

    Addr& stepping(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy == nullptr) u.strategy = std::make_unique<Stepping>();
        return static_cast<Stepping&>(*u.strategy).copy;
    }

    /// Writes the copy, and the jump back where the kernel knows the length beforehand.
    bool make(Mm& mm, Copy& c) {
        const Uprobe& u = *c.owner;
        const Boost boost = boostable(u.bytes, rules_);
        const std::uint64_t length = u.copy.length;
        const auto moved = relocated(u.bytes, c.probe, c.at);
        const bool possible =
            enabled_ && boost.possible() && moved && reaches(c.at + length + kJumpBytes, c.probe + length);
        c.state = possible ? kUnknown : kNotRelocated;
        copies_.write(mm, c.at, std::span(possible ? *moved : u.copy.bytes).first(length));
        if (possible && rules_ == BoostRules::linux_6_12) boost_copy(mm, c, length);
        return true;
    }

    void boost_copy(Mm& mm, Copy& c, std::uint64_t length) {
        const Addr at = c.at + length;
        copies_.write(mm, at, rel32_branch(kJump, at, c.probe + length));
        c.state = kBoosted;
    }

    /// The first step has ended at `behind`. True: the jump back has been written.
    bool measure(const Hit& hit, Addr copy, Addr behind) {
        Mm& mm = *hit.task.process->mm;
        Copy* c = copies_.at(mm.id(), copy);
        if (c == nullptr || c->owner != hit.uprobe || c->state != kUnknown) return false;
        c->state = kNotBoosted;
        if (rules_ == BoostRules::linux_2_6_32 && hit.uprobe->copy.post == PostFix::absolute) {
            c->state = kBoosted; // a jump or return that needs no correction: it never comes back here
            return false;
        }
        if (behind <= copy || behind - copy + kJumpBytes >= kBuffer) return false;
        boost_copy(mm, *c, behind - copy);
        return true;
    }

    Copies copies_;
    const BoostRules rules_;
    const bool enabled_;
};

} // namespace

std::unique_ptr<Strategy> make_boosted(Uprobes& u) { return std::make_unique<Boosted>(u, false); }
std::unique_ptr<Strategy> make_boosted_as_posted(Uprobes& u) { return std::make_unique<Boosted>(u, true); }

} // namespace trapline
