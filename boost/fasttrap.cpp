// boost/fasttrap.cpp: DTrace's way: emulate the common few, run the rest in scratch space of the thread's own.
//
// Adam Leventhal's fasttrap provider of Solaris 10 (2005), later in FreeBSD and Mac OS. It is a booster that was never
// called so: one trap a hit, and a copy that ends in a jump back. What is different is whose the copy is. Here it is
// the thread's: written anew at each hit into 64 bytes that no other thread uses, so that a probe can go at any time
// and nobody has to wait until the copy is empty.
//
//   scratch + 0    INSTRUCTION; mov REGISTER, ITS VALUE (after a RIP-relative one); jmp *[rip]; ADDRESS BEHIND
//   scratch + 40   INSTRUCTION; int3
//
//   start    emulated        jmp, jcc, loop, jcxz, call, ret, nop, push rbp: three out of four probes of a function's
//                            entry and return
//   or       slot-taken      the thread's first hit that needs scratch space
//            slot-written    both copies stand in it
//            jumped-back     the thread is on its way through the first one, without TF
//            resumed
//
// The second copy is for signals, whose frame must not show the scratch space. A signal that comes before the first
// copy has run moves the thread to the same place of the second one and waits; one that comes behind it does the rest
// of the way at once. So the thread is back in the kernel after one instruction:
//            diverted        a signal is waiting: the thread is in the copy that ends in a trap
//            copy-trapped    it has run: the thread is behind the probe point, and the signal is delivered
//
// Where there is no scratch space to be had, the original instruction is written back (text-restored) and the probe is
// gone for good, silently, for every thread of the process. Solaris had the space in each thread's own structure of
// libc, FreeBSD maps a page for 64 threads, as is done here.
//
// What the program can observe: a mapping, and the bytes in it. System calls are stepped out of line here, because on
// Linux clone and fork return twice, and the second time another thread would come back into this one's scratch space;
// so are far transfers (fallbacks, counted). Costs one trap and a write. Asks the decoder for the length, the flow of
// control and the scratch register of RIP-relative operands; refuses two segment prefixes, as DTrace does.
#include "boost/fasttrap.hpp"

#include "boost/branch.hpp"
#include "boost/code_area.hpp"
#include "decoder/strategies.hpp"
#include "probes/out_of_line.hpp"
#include "probes/with_fallback.hpp"

#include <algorithm>
#include <cstring>

namespace trapline {
namespace {

constexpr std::uint64_t kScratchBytes = 64;
constexpr std::uint64_t kTrapping = 40; // where the copy that ends in a trap begins

using Areas = std::map<std::uint32_t, CodeArea>; // by Mm::id

/// A thread's scratch space, and the hit that stands in it.
struct ScratchSpace : Extension {
    explicit ScratchSpace(std::shared_ptr<Areas> all) : areas(std::move(all)) {}
    ~ScratchSpace() override { give_back(); }
    ScratchSpace(const ScratchSpace&) = delete;
    ScratchSpace& operator=(const ScratchSpace&) = delete;
    void give_back() {
        auto it = areas->find(mm);
        if (at != 0 && it != areas->end()) it->second.give_back(at);
        at = 0;
    }

    std::shared_ptr<Areas> areas;
    std::uint32_t mm = 0; ///< Mm::id
    Addr at = 0;          ///< 0: it has none yet
    Uprobe* probe = nullptr;
    Addr address = 0; ///< of the probe point
    std::uint64_t saved = 0;

    [[nodiscard]] std::uint64_t length() const { return probe->copy.length; }
    [[nodiscard]] bool holds(Addr rip) const { return at != 0 && probe != nullptr && rip - at < kScratchBytes; }
    /// The instruction has not run yet.
    [[nodiscard]] bool before(Addr rip) const { return rip == at || rip == at + kTrapping; }
};

class Fasttrap final : public WithFallback {
  public:
    explicit Fasttrap(Uprobes& layer) : WithFallback(layer, make_xol(layer)) {}

    int accepts(const Uprobe& u) override {
        const Facts facts = facts_of(KernelCopy(u.bytes), 0);
        return facts.fasttrap == Why::none ? WithFallback::accepts(u) : enotsupp;
    }

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const auto insn = outline(hit.uprobe->bytes);
        if (insn && !k.trap_flag(hit.task)) {
            if (const auto next = branch(k, hit.task, *insn, hit.uprobe->bytes, hit.address))
                return emulated(hit, *next);
            if (hit.uprobe->flow == Flow::sequential) return in_scratch(hit);
        }
        return WithFallback::start(hit);
    }

    Path<bool> breakpoint(Task& t, Addr va) override {
        const ScratchSpace* s = scratch_of(t);
        if (s == nullptr || !s->holds(va) || va != s->at + kTrapping + s->length())
            return WithFallback::breakpoint(t, va);
        return trapped(t);
    }

    bool holds_signals(Task& t) override {
        const ScratchSpace* s = scratch_of(t);
        Kernel& k = uprobes.kernel();
        const Addr rip = k.get(t, Reg::rip);
        if (s == nullptr || !s->holds(rip)) return WithFallback::holds_signals(t);
        if (rip == s->at) { // not yet run, or a repeated one that has not come to its end
            k.set(t, Reg::rip, s->at + kTrapping);
            uprobes.under_way(t, *s->probe, s->at + kTrapping);
            k.note(t, Step::diverted, s->at + kTrapping, s->address);
        } else if (rip < s->at + kTrapping) {
            leave(t, *s);
        }
        return s->holds(k.get(t, Reg::rip));
    }

    /// The copy has faulted: it is as if the thread were at the probe point.
    void before_fault_signal(Task& t) override {
        const ScratchSpace* s = scratch_of(t);
        Kernel& k = uprobes.kernel();
        const Addr rip = k.get(t, Reg::rip);
        if (s == nullptr || !s->holds(rip)) return WithFallback::before_fault_signal(t);
        const bool has_run = !s->before(rip);
        leave(t, *s);
        if (!has_run) k.set(t, Reg::rip, s->address);
        k.note(t, Step::aborted, s->address);
    }

    void forget(Mm& mm) override {
        WithFallback::forget(mm);
        areas_->erase(mm.id());
    }

  private:
    Path<bool> in_scratch(Hit hit) {
        Kernel& k = uprobes.kernel();
        Mm& mm = *hit.task.process->mm;
        ScratchSpace& s = make_scratch(hit.task);
        if (s.at == 0) {
            if (!take(s, mm, hit.address)) co_return co_await lose(hit);
            co_await k.step(hit.task, Step::slot_taken, s.at, hit.address);
        }
        s.probe = hit.uprobe;
        s.address = hit.address;
        write(hit, s);
        co_await k.step(hit.task, Step::slot_written, s.at, hit.address);
        if (const Scratch r = hit.uprobe->copy.scratch; r != Scratch::none)
            k.set(hit.task, scratch_register(r), hit.address + s.length());
        k.set(hit.task, Reg::rip, s.at);
        uprobes.under_way(hit.task, *hit.uprobe, s.at);
        co_await k.step(hit.task, Step::jumped_back, s.at, hit.address);
        co_await uprobes.resume(hit, k.get(hit.task, Reg::rip));
        co_return true;
    }

    /// No scratch space: "try to write the original instruction back out", and be silent.
    Path<bool> lose(Hit hit) {
        Mm& mm = *hit.task.process->mm;
        Site* site = uprobes.site(mm, hit.address);
        TextPage* page = uprobes.text_page(mm, hit.address);
        if (site != nullptr && site->armed && page != nullptr && !page->lifted(hit.address)) {
            page->lift(hit.address);
            uprobes.watch(mm, *site, true);
            uprobes.count_text_write();
            co_await uprobes.kernel().step(hit.task, Step::text_restored, hit.address);
        }
        co_await uprobes.resume(hit, hit.address);
        co_return true;
    }

    Path<bool> trapped(Task& t) {
        Kernel& k = uprobes.kernel();
        ++uprobes.counters.breakpoint_traps;
        leave(t, *scratch_of(t));
        co_await k.step(t, Step::copy_trapped, k.get(t, Reg::rip));
        co_return true;
    }

    /// What is left of the way through the scratch space: the register's own value, and RIP.
    void leave(Task& t, const ScratchSpace& s) {
        Kernel& k = uprobes.kernel();
        if (const Scratch r = s.probe->copy.scratch; r != Scratch::none) k.set(t, scratch_register(r), s.saved);
        k.set(t, Reg::rip, s.address + s.length());
    }

    void write(const Hit& hit, ScratchSpace& s) {
        Kernel& k = uprobes.kernel();
        const OutOfLine& copy = hit.uprobe->copy;
        std::vector<std::uint8_t> code(kScratchBytes, 0);
        auto out = std::copy_n(copy.bytes.begin(), copy.length, code.begin());
        const auto word = [&out](std::uint64_t v) {
            for (unsigned i = 0; i < sizeof v; ++i) *out++ = static_cast<std::uint8_t>(v >> (8 * i));
        };
        if (copy.scratch != Scratch::none) { // mov REGISTER, imm64
            const Reg r = scratch_register(copy.scratch);
            s.saved = k.get(hit.task, r);
            *out++ = 0x48;
            *out++ = static_cast<std::uint8_t>(0xb8 + static_cast<unsigned>(r));
            word(s.saved);
        }
        for (const std::uint8_t b : {0xff, 0x25, 0, 0, 0, 0}) *out++ = b; // jmp *[rip]
        word(hit.address + copy.length);
        out = std::copy_n(copy.bytes.begin(), copy.length, code.begin() + kTrapping);
        *out = kBreakpoint;
        areas_->at(s.mm).write(*hit.task.process->mm, s.at, code);
    }

    bool take(ScratchSpace& s, Mm& mm, Addr text) {
        CodeArea& area = areas_->try_emplace(mm.id(), "[fasttrap]", kScratchBytes).first->second;
        const std::size_t pages = area.pages();
        s.mm = mm.id();
        s.at = area.take(mm, text);
        uprobes.counters.vmas_added += area.pages() - pages;
        uprobes.counters.xol_slots_used = std::max<std::uint64_t>(uprobes.counters.xol_slots_used, area.taken());
        return s.at != 0;
    }

    /// The thread's scratch space, if it has any in the address space that it is in.
    ScratchSpace* scratch_of(const Task& t) {
        if (t.probe == nullptr) return nullptr;
        auto* s = static_cast<ScratchSpace*>(static_cast<const Utask&>(*t.probe).strategy.get());
        return s != nullptr && s->at != 0 && s->mm == t.process->mm->id() ? s : nullptr;
    }

    ScratchSpace& make_scratch(Task& t) {
        Utask& u = uprobes.utask(t);
        if (u.strategy != nullptr && scratch_of(t) == nullptr) u.strategy.reset(); // of the program before exec
        if (u.strategy == nullptr) u.strategy = std::make_unique<ScratchSpace>(areas_);
        return static_cast<ScratchSpace&>(*u.strategy);
    }

    const std::shared_ptr<Areas> areas_ = std::make_shared<Areas>();
};

} // namespace

std::unique_ptr<Strategy> make_fasttrap(Uprobes& u) { return std::make_unique<Fasttrap>(u); }

} // namespace trapline
