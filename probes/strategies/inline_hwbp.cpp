// strategies/inline_hwbp.cpp: single-stepping in place, with debug registers closing the gap.
//
// Peter Zijlstra, January 2010 (quoted in seed 001): "How about using a hw-breakpoint to close the gap for the inline
// single step? You could even re-insert the int3 lazily when you need the hw-breakpoint again. It would consume one
// hw-breakpoint register for each task/cpu that has probes though.." Mel Gorman answered "This feels very racy", and
// nobody is known to have built it. While the int3 is lifted, an execution breakpoint holds its address instead. Debug
// registers belong to a CPU, so each must be programmed, and that takes an interrupt:
//
//   start    hwbp-set          this CPU's register holds the address; the others have been sent an interrupt
//            text-restored     the original byte is visible to everybody
//            hwbp-set          for each other CPU, when it has taken the interrupt. Until then it passes the gap.
//   step     the instruction runs in place; RF keeps the thread from its own breakpoint (Intel SDM, "Instruction-
//            Breakpoint Exception Condition")
//   finish   stepped
//   inline-hwbp:      text-armed, then hwbp-cleared, when the last of those who step here is done; resumed
//   inline-hwbp-lazy: resumed. The register stays, and the int3 is put back (text-armed, hwbp-cleared) only when
//            another probe point needs the register: the one that has not been hit for longest goes.
//
// A thread that comes to a lifted place on a CPU whose register is set gets a #DB before the instruction (hwbp-hit) and
// is served as if it had met the int3. It then steps in place, too; lazily it need not, since nothing has to be put
// back: it goes on with RF, which makes one trap for a hit and no write to text.
//
// The gap is closed only on CPUs that were programmed in time; to wait for their answers before the byte is restored
// closes it everywhere, at the price of a round trip to every CPU per hit: that is what the dialect `fixed` has
// (scenarios/races/13-*.toml are the two orders). There are four registers. When all hold
// places where threads are stepping, a hit is served as `inline` serves it, gap and all (a fallback, counted). Lazily,
// what is put back under a thread that has been served and has not yet run the instruction traps a second time; and a
// forked child inherits text without int3s, and no register speaks for it: its hits are lost for good.
//
// Nothing is asked of the decoder. What the program can observe: its own text changes; a debugger finds fewer debug
// registers. Costs two traps and two text writes, and twice an interrupt to every CPU; lazily one trap.
#include "probes/strategies/inline.hpp"

namespace trapline {
namespace {

class InlineHwBreakpoint final : public InlineStep {
  public:
    InlineHwBreakpoint(Uprobes& layer, bool lazy) : InlineStep(layer), lazy_(lazy) {}

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Task& t = hit.task;
        uprobes.begin_step(hit);
        co_await obtain(t, hit.address);
        Register* const r = stepping(t);
        if (r == nullptr)
            ++uprobes.counters.fallbacks;
        else if (program(*r, t.cpu))
            co_await k.step(t, Step::hwbp_set, hit.address, static_cast<std::uint64_t>(t.cpu));
        const bool waits = uprobes.dialect().registers_first;
        if (r != nullptr && waits) co_await program_all(t, *r, hit.address);
        if (!bare(*t.process->mm, hit.address) && lift(hit)) co_await k.step(t, Step::text_restored, hit.address);
        if (r != nullptr && !waits) co_await program_all(t, *r, hit.address);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Task& t = hit.task;
        Mm& mm = *t.process->mm;
        const Addr next = k.get(t, Reg::rip);
        uprobes.hide_step(hit, next);
        co_await k.step(t, Step::stepped, next);
        const bool users = uprobes.end_step(t);
        Register* const r = leave(t);
        if (to_be_armed(r, mm, hit.address)) {
            if (lower(mm, hit.address)) co_await k.step(t, Step::text_armed, hit.address);
            if (r != nullptr && to_be_armed(r, mm, hit.address) && clear(*r))
                co_await k.step(t, Step::hwbp_cleared, hit.address);
        }
        co_await uprobes.resume(hit, next);
        co_return !users;
    }

    void abort(const Hit& hit) override {
        Kernel& k = uprobes.kernel();
        Mm& mm = *hit.task.process->mm;
        uprobes.end_step(hit.task);
        Register* const r = leave(hit.task);
        if (!to_be_armed(r, mm, hit.address)) return;
        if (lower(mm, hit.address)) k.note(hit.task, Step::text_armed, hit.address);
        if (r != nullptr && clear(*r)) k.note(hit.task, Step::hwbp_cleared, hit.address);
    }

    bool watches(Mm& mm, Addr va) override { return find(mm, va) != nullptr; }

    /// The probe has gone, and with it what the register was for.
    Path<bool> disarmed(Mm& mm, Uprobe&, Addr va) override {
        Register* const r = find(mm, va);
        return r != nullptr && r->steppers == 0 && clear(*r) ? cleared(mm, va) : Path<bool>();
    }

    /// A bare instruction is about to be executed: does a register of this CPU hold it?
    Path<bool> fetch(Task& t, Addr va) override {
        const Utask& u = uprobes.utask(t);
        if (u.active != nullptr && u.address == va) return {}; // RF
        Mm& mm = *t.process->mm;
        Register* const r = find(mm, va);
        return r != nullptr && r->set(t.cpu) && bare(mm, va) ? caught(t, *r) : Path<bool>();
    }

    void forget(Mm& mm) override {
        for (Register& r : registers_)
            if (r.mm == &mm) r = {};
    }

  private:
    /// The same register of every CPU. It is kept while somebody steps at its place, and lazily for longer.
    struct Register {
        Mm* mm = nullptr; ///< nullptr: free
        Addr address = 0;
        unsigned steppers = 0;
        std::uint64_t cpus = 0; ///< where it has been programmed
        std::uint64_t used = 0; ///< when it was hit last, in hits

        [[nodiscard]] bool set(int cpu) const { return (cpus >> cpu & 1) != 0; }
    };
    struct Stepping : Extension {
        Register* at = nullptr; ///< nullptr: none was left
    };

    Register*& stepping(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy == nullptr) u.strategy = std::make_unique<Stepping>();
        return static_cast<Stepping&>(*u.strategy).at;
    }

    Register* find(const Mm& mm, Addr va) {
        for (Register& r : registers_)
            if (r.mm == &mm && r.address == va) return &r;
        return nullptr;
    }

    /// The thread steps with a register for this place: the one that it has, or a free one, or lazily another place's.
    /// False: with none.
    Path<bool> obtain(Task& t, Addr va) {
        Kernel& k = uprobes.kernel();
        Mm& mm = *t.process->mm;
        for (;;) {
            Register* r = find(mm, va);
            const bool found = r != nullptr;
            for (Register& other : registers_)
                if (r == nullptr && free(other)) r = &other;
            if (r == nullptr && lazy_) r = least_recently_used();
            if (r == nullptr) co_return false;
            const Addr before = r->address;
            if (found || free(*r)) {
                const bool was_set = !found && clear(*r);
                r->mm = &mm;
                r->address = va;
                r->used = ++hits_;
                ++r->steppers;
                stepping(t) = r;
                if (was_set) co_await k.step(t, Step::hwbp_cleared, before);
                co_return true;
            }
            // First the int3, or there is a gap once more.
            const std::uint32_t space = r->mm->id();
            if (lower(*r->mm, before)) co_await k.step(t, Step::text_armed, before, 0, {}, space);
        }
    }

    /// Nobody steps there, and nothing is bare there.
    bool free(const Register& r) { return r.mm == nullptr || (r.steppers == 0 && !bare(*r.mm, r.address)); }

    Register* least_recently_used() {
        Register* oldest = nullptr;
        for (Register& r : registers_)
            if (r.steppers == 0 && (oldest == nullptr || r.used < oldest->used)) oldest = &r;
        return oldest;
    }

    /// False: this CPU has it already.
    static bool program(Register& r, int cpu) {
        if (r.set(cpu)) return false;
        r.cpus |= 1ull << cpu;
        return true;
    }

    /// An interrupt for each other CPU that does not have it.
    Path<bool> program_all(Task& t, Register& r, Addr va) {
        Kernel& k = uprobes.kernel();
        for (unsigned cpu = 0; cpu < k.config().cpus; ++cpu) {
            if (!program(r, static_cast<int>(cpu))) continue;
            ++uprobes.counters.ipis;
            k.charge(t, Price::ipi);
            co_await k.step(t, Step::hwbp_set, va, cpu);
        }
        co_return true;
    }

    /// No CPU has it any more; false: none had.
    bool clear(Register& r) {
        const bool was_set = r.cpus != 0;
        if (was_set) uprobes.counters.ipis += uprobes.kernel().config().cpus - 1;
        r = {};
        return was_set;
    }

    Path<bool> cleared(Mm& mm, Addr va) {
        Kernel& k = uprobes.kernel();
        co_await k.step(k.actor(), Step::hwbp_cleared, va, 0, {}, mm.id());
        co_return true;
    }

    Register* leave(Task& t) {
        Register* const r = std::exchange(stepping(t), nullptr);
        if (r != nullptr && r->mm == t.process->mm.get()) --r->steppers; // unless it has left that program by exec
        return r;
    }

    /// Shall the int3 be put back, now that a thread has left? Without a register it must be; with one, when nobody
    /// else steps there, and the place is not to stay bare.
    bool to_be_armed(const Register* r, const Mm& mm, Addr va) {
        if (r == nullptr) return find(mm, va) == nullptr;
        return r->mm == &mm && r->address == va && r->steppers == 0 && !lazy_;
    }

    bool bare(Mm& mm, Addr va) {
        const TextPage* page = uprobes.text_page(mm, va);
        return uprobes.site(mm, va) != nullptr && page != nullptr && page->lifted(va);
    }

    /// The register's #DB has come before the instruction.
    Path<bool> caught(Task& t, Register& r) {
        Kernel& k = uprobes.kernel();
        Mm& mm = *t.process->mm;
        const Addr va = r.address;
        r.used = ++hits_;
        uprobes.utask(t).trapped_at = k.now(t);
        ++uprobes.counters.breakpoint_traps;
        co_await k.step(t, Step::hwbp_hit, va, static_cast<std::uint64_t>(t.cpu));
        const Site* s = uprobes.site(mm, va);
        Uprobe* const u = s != nullptr ? s->uprobe : nullptr;
        co_await k.step(t, Step::lookup, va, u != nullptr ? u->number : 0);
        if (u == nullptr) co_return true; // unregistered meanwhile: it is an instruction like any other
        if (Path<bool> more = uprobes.run_handlers(t, *u, va); more.valid()) co_await more;
        co_await uprobes.handled(t, Step::handler, va, u->truth.hits);
        const Hit hit{t, u, va};
        if (const Addr next = k.get(t, Reg::rip); next != va) { // a handler chose another place to go on
            co_await uprobes.resume(hit, next);
            co_return true;
        }
        if (lazy_ && bare(mm, va))
            co_await uprobes.resume(hit, va);
        else
            co_await start(hit);
        uprobes.about_to_run(t, *u, va);
        co_return true;
    }

    const bool lazy_;
    std::array<Register, 4> registers_{};
    std::uint64_t hits_ = 0;
};

} // namespace

std::unique_ptr<Strategy> make_inline_hwbp(Uprobes& u) { return std::make_unique<InlineHwBreakpoint>(u, false); }
std::unique_ptr<Strategy> make_inline_hwbp_lazy(Uprobes& u) { return std::make_unique<InlineHwBreakpoint>(u, true); }

} // namespace trapline
