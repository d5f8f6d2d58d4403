// boost/jump.cpp: a jump to a detour replaces the probed instruction and its neighbours.
//
// Masami Hiramatsu's djprobe (Ottawa Linux Symposium 2007) and jump-optimised kprobes (2010), for user space as binary
// rewriters have it. `jmp rel32` needs five bytes, so whole instructions up to there move into a detour near the text:
//
//        text                     detour, 128 bytes, within reach of a rel32
//   hot: jmp detour   ------->    lea -0x80(%rsp), %rsp      the red zone
//        (rest of the region)     pushf; push rax .. r15
//                                 nop                        here the handlers run: no trap
//                                 pop r15 .. rax; popf
//                                 lea 0x80(%rsp), %rsp
//                                 the instructions of the region, RIP-relative operands encoded anew
//   +n:  NEXT         <-------    jmp rel32 to +n
//
//   start (int3)   slot-taken, slot-written                  the detour, on the first hit
//                  threads-checked                           is anybody in the region, or on the way back into it?
//                  cores-synced, text-tail, cores-synced, text-head, cores-synced       no: int3 becomes the jump
//                  jumped-back, resumed                      this hit goes through the detour's copy already
//   detour         detour-entered, handler, resumed
//   unregister     text-armed (int3), cores-synced, text-tail, cores-synced; the first byte is the layer's to restore;
//                  slot-retired, threads-checked, slot-freed
//
// Nobody may ever arrive in the middle of the region. So the whole function must be known and show no jump there
// (decoder/region.hpp), no other probe may stand on the displaced instructions (one that comes later puts the int3 back
// for good), no thread may be between them at the moment of the change, or be on its way back there from a slot or a
// detour; otherwise the probe stays an int3 until a later hit, and its hits go through the copy. Where it cannot be
// done at all (no function, a call in the region, two pages, no page within reach, text that is not the file's) the
// hits are stepped out of line and counted as fallbacks.
//
// What others observe: the jump in the text, the mapping, 128 bytes below the red zone; a signal or a fault shows the
// detour's address. A handler cannot choose where the thread goes on (kprobes; not so in the dialect `fixed`). What the
// function does not show breaks: a jump from another function into the region, and a signal handler that was entered
// before the probe came and returns into it.
//
// `jump-as-posted` looks for no threads but waits until every CPU has been through the scheduler, as for code that
// cannot be preempted. Facts 1c entry 9 is what happens then.
//
// Costs a detour: no trap, no system call. Asks the decoder for the whole function.
#include "boost/jump.hpp"

#include "boost/copies.hpp"
#include "boost/inside.hpp"
#include "boost/jump_plan.hpp"
#include "boost/text_patch.hpp"
#include "probes/with_fallback.hpp"

#include <algorithm>
#include <set>

namespace trapline {
namespace {

constexpr std::uint8_t kJump = 0xe9;
constexpr std::uint64_t kDetour = 128; // bytes of a piece
constexpr std::uint8_t kBefore[] = {
    0x48, 0x8d, 0x64, 0x24, 0x80,                                                                   // lea -0x80(%rsp)
    0x9c, 0x50, 0x51, 0x52, 0x53, 0x55, 0x56, 0x57,                                                 // pushf; rax .. rdi
    0x41, 0x50, 0x41, 0x51, 0x41, 0x52, 0x41, 0x53, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, // r8 .. r15
};
constexpr std::uint8_t kNop = 0x90;
constexpr std::uint8_t kAfter[] = {
    0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x41, 0x5b, 0x41, 0x5a, 0x41, 0x59, 0x41, 0x58, // r15 .. r8
    0x5f, 0x5e, 0x5d, 0x5b, 0x5a, 0x59, 0x58, 0x9d,                                                 // rdi .. rax; popf
    0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00,                                                 // lea 0x80(%rsp)
};
constexpr std::uint64_t kGate = sizeof kBefore;             // of the nop in a detour
constexpr std::uint64_t kMoved = kGate + 1 + sizeof kAfter; // of the displaced instructions
constexpr std::uint64_t kLongestRegion = 19;                // four bytes and the longest instruction
static_assert(kMoved + kLongestRegion + jump_size <= kDetour);

/// What the detour has pushed, from the top of the stack.
constexpr std::array kPushed = {Reg::r15, Reg::r14, Reg::r13, Reg::r12, Reg::r11, Reg::r10, Reg::r9,  Reg::r8,
                                Reg::rdi, Reg::rsi, Reg::rbp, Reg::rbx, Reg::rdx, Reg::rcx, Reg::rax, Reg::eflags};
constexpr std::uint64_t kBelow = 0x80 + kPushed.size() * 8; // bytes from there to the program's top of stack

class Jump final : public WithFallback {
  public:
    Jump(Uprobes& layer, bool as_posted)
        : WithFallback(layer, make_xol(layer)), as_posted_(as_posted), plans_(layer.kernel().frames()),
          detours_(layer, "[uprobes-detours]", kDetour,
                   as_posted ? Copies::Reuse::after_grace_period : Copies::Reuse::when_empty) {}

    Path<bool> start(Hit hit) override {
        const Mm& mm = *hit.task.process->mm;
        const bool possible = plans_.of(*hit.uprobe).possible() && !refused(mm, hit.address) &&
                              armed_site(uprobes, mm.id(), hit.address, *hit.uprobe) != nullptr;
        return possible ? through_breakpoint(hit) : otherwise(hit);
    }
    Path<bool> arming(Mm& mm, Uprobe& u, Addr va) override;
    Path<bool> disarming(Mm& mm, Site& s) override {
        if (detours_.of(mm.id(), s.address, s.uprobe) == nullptr) return WithFallback::disarming(mm, s);
        return take_back(mm, *s.uprobe, s.address);
    }
    Path<bool> disarmed(Mm& mm, Uprobe& u, Addr va) override {
        Path<bool> retired = detours_.retire(mm.id(), va, u);
        return retired.valid() ? std::move(retired) : WithFallback::disarmed(mm, u, va);
    }
    Path<bool> fetch(Task& t, Addr va) override;
    void before_signal_frame(Task& t) override;
    void duplicated(Mm& parent, Mm& child) override {
        WithFallback::duplicated(parent, child);
        detours_.duplicated(parent, child);
        if (auto from = places_.find(parent.id()); from != places_.end()) places(child.id()).never = from->second.never;
    }
    void forget(Mm& mm) override {
        WithFallback::forget(mm);
        detours_.forget(mm);
        places_.erase(mm.id());
    }

  private:
    struct Places {
        explicit Places(Kernel& kernel) : lock(kernel) {}
        TextLock lock;
        std::set<Addr> never; // probe points that stay an int3 for good: hits there have been stepped out of line
    };

    Places& places(std::uint32_t mm) { return places_.try_emplace(mm, uprobes.kernel()).first->second; }
    bool refused(const Mm& mm, Addr va) const {
        auto it = places_.find(mm.id());
        return it != places_.end() && it->second.never.contains(va);
    }
    bool still_there(std::uint32_t mm, const Uprobe& u, Addr va, const TextLock::Turn& turn) {
        return turn.held() && armed_site(uprobes, mm, va, u) != nullptr;
    }
    Path<bool> through_breakpoint(Hit hit);
    Path<bool> otherwise(Hit hit);
    Path<bool> enter(Hit hit, Addr at);
    bool make(Mm& mm, Copy& c);
    bool alone(Mm& mm, Addr va, const JumpPlan& plan);
    bool empty(std::uint32_t mm, Addr va, const JumpPlan& plan);
    Path<bool> optimise(Hit hit);
    Path<bool> take_back(Mm& mm, Uprobe& u, Addr va);
    Path<bool> make_room(std::uint32_t mm, Addr va, std::vector<std::pair<Addr, Uprobe*>> probes);
    Path<bool> handlers(Task& t, Addr gate);

    const bool as_posted_;
    JumpPlans plans_;
    Copies detours_;
    std::map<std::uint32_t, Places> places_; // by Mm::id
};

/// A hit through the int3: it becomes the jump if it can, and the thread goes through the moved instructions.
Path<bool> Jump::through_breakpoint(Hit hit) {
    Mm& mm = *hit.task.process->mm;
    Copy* c = detours_.of(hit);
    if (c == nullptr) {
        c = co_await detours_.obtain(hit, Copies::Where::near, [this](Mm& m, Copy& n) { return make(m, n); });
        if (c == nullptr && armed_site(uprobes, mm.id(), hit.address, *hit.uprobe) != nullptr)
            places(mm.id()).never.insert(hit.address);
    }
    if (c != nullptr) {
        co_await optimise(hit);
        c = detours_.of(hit); // others may have run
    }
    Path<bool> rest = c != nullptr ? enter(hit, c->at + kMoved) : otherwise(hit);
    co_return co_await rest;
}

/// A probe that cannot be replaced, or that has gone since its int3 was met. In the latter case others may have jumps
/// over the place by now: a thread that was stepped here would come back into the middle of one.
Path<bool> Jump::otherwise(Hit hit) {
    for (const auto& [at, c] : detours_.all(hit.task.process->mm->id())) {
        const auto& starts = plans_.of(*c.owner).starts;
        const auto offset = static_cast<std::uint8_t>(hit.address - c.probe);
        if (!c.retired && hit.address - c.probe < kLongestRegion &&
            std::find(starts.begin(), starts.end(), offset) != starts.end())
            return enter(hit, at + kMoved + offset);
    }
    return WithFallback::start(hit);
}

/// The thread goes on among the instructions that have moved.
Path<bool> Jump::enter(Hit hit, Addr at) {
    Kernel& k = uprobes.kernel();
    k.set(hit.task, Reg::rip, at);
    uprobes.under_way(hit.task, *hit.uprobe, at);
    co_await k.step(hit.task, Step::jumped_back, at, hit.address);
    co_await uprobes.resume(hit, at);
    co_return true;
}

/// No other probe in the region, which lies in one page and is what the file says.
bool Jump::alone(Mm& mm, Addr va, const JumpPlan& plan) {
    if (page_floor(va) != page_floor(va + plan.length() - 1)) return false;
    std::vector<std::uint8_t> text(plan.length());
    if (!mm.force_read(va, text.data(), text.size())) return false;
    for (std::uint64_t i = 1; i < plan.length(); ++i)
        if (uprobes.site(mm, va + i) != nullptr) return false;
    return std::equal(plan.bytes.begin() + 1, plan.bytes.end(), text.begin() + 1);
}

bool Jump::make(Mm& mm, Copy& c) {
    const JumpPlan& plan = plans_.of(*c.owner);
    const bool probed = armed_site(uprobes, mm.id(), c.probe, *c.owner) != nullptr;
    const Addr moved = c.at + kMoved, end = moved + plan.length();
    if (!probed || refused(mm, c.probe) || !alone(mm, c.probe, plan)) return false;
    if (!reaches(c.probe + jump_size, c.at) || !reaches(end + jump_size, c.probe + plan.length())) return false;
    std::vector<std::uint8_t> code(std::begin(kBefore), std::end(kBefore));
    code.push_back(kNop);
    code.insert(code.end(), std::begin(kAfter), std::end(kAfter));
    for (std::size_t i = 0; i < plan.starts.size(); ++i) {
        const auto insn = plan.instruction(i);
        const auto anew = relocated(insn, c.probe + plan.starts[i], moved + plan.starts[i]);
        if (!anew) return false;
        code.insert(code.end(), anew->begin(), anew->begin() + static_cast<std::ptrdiff_t>(insn.size()));
    }
    const auto back = rel32_branch(kJump, end, c.probe + plan.length());
    code.insert(code.end(), back.begin(), back.end());
    detours_.write(mm, c.at, code);
    detours_.watch(mm, c, c.at + kGate);
    detours_.watch(mm, c, moved);
    return true;
}

/// Is no thread between the region's instructions, and none about to come back there?
bool Jump::empty(std::uint32_t mm, Addr va, const JumpPlan& plan) {
    auto between = [&](Addr a) { return a > va && a < va + plan.length(); };
    Kernel& k = uprobes.kernel();
    if (anyone_inside(k, mm, va + 1, va + plan.length())) return false;
    for (const auto& t : k.tasks()) {
        if (!t->alive() || t->process == nullptr || !t->process->mm || t->process->mm->id() != mm) continue;
        if (t->probe == nullptr) continue;
        const auto& u = static_cast<const Utask&>(*t->probe);
        if (u.active != nullptr && between(u.address + u.active->copy.length)) return false; // it is stepping
    }
    const auto& detours = detours_.all(mm);
    return std::none_of(detours.begin(), detours.end(), [&](const auto& d) {
        const Copy& c = d.second;
        return between(c.probe + plans_.of(*c.owner).length()) && (c.shown || detours_.in_use(mm, c));
    });
}

Path<bool> Jump::optimise(Hit hit) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *hit.task.process->mm;
    const std::uint32_t id = mm.id();
    Uprobe& u = *hit.uprobe;
    const Addr va = hit.address;
    const JumpPlan& plan = plans_.of(u);
    if (places(id).lock.busy()) co_return false; // somebody else is at it
    const TextLock::Turn turn = co_await places(id).lock.take();
    const StillOurs still = [this, id, &mm, &u, va, &turn] {
        std::uint8_t byte = 0;
        return still_there(id, u, va, turn) && detours_.of(id, va, &u) != nullptr && mm.force_read(va, &byte, 1) &&
               byte == kBreakpoint;
    };
    bool done = false;
    if (still() && alone(mm, va, plan)) {
        const bool quiet = as_posted_ || empty(id, va, plan);
        if (!as_posted_) count_look(uprobes);
        co_await k.step(hit.task, as_posted_ ? Step::grace_period : Step::threads_checked, va, plan.length());
        if (quiet && still()) {
            const auto jump = rel32_branch(kJump, va, detours_.of(hit)->at);
            std::vector<std::uint8_t> bytes(jump.begin(), jump.end());
            done = co_await write_over_breakpoint(uprobes, mm, va, std::move(bytes), still);
        }
    }
    co_return done;
}

/// The jump goes, and an int3 stands in the first byte again.
Path<bool> Jump::take_back(Mm& mm, Uprobe& u, Addr va) {
    const std::uint32_t id = mm.id();
    const TextLock::Turn turn = co_await places(id).lock.take();
    const StillOurs still = [this, id, &u, va, &turn] { return still_there(id, u, va, turn); };
    if (still()) {
        const JumpPlan& plan = plans_.of(u);
        const std::vector<std::uint8_t> tail(plan.bytes.begin() + 1, plan.bytes.begin() + jump_size);
        std::array<std::uint8_t, jump_size> text{};
        mm.force_read(va, text.data(), text.size());
        if (text[0] == kJump) {
            co_await write_back_tail(uprobes, mm, va, tail, still);
        } else if (text[0] == kBreakpoint && !std::equal(tail.begin(), tail.end(), text.begin() + 1)) {
            // Whoever replaces it is stopped between two writes, or was when this address space was forked.
            if (TextPage* page = uprobes.text_page(mm, va); page != nullptr) page->patch(va + 1, tail);
        }
    }
    co_return true;
}

/// A probe on an instruction that has moved: the jump must go first, for good.
Path<bool> Jump::arming(Mm& mm, Uprobe& u, Addr va) {
    std::vector<std::pair<Addr, Uprobe*>> over;
    for (const auto& [at, c] : detours_.all(mm.id()))
        if (!c.retired && va > c.probe && va < c.probe + plans_.of(*c.owner).length())
            over.emplace_back(c.probe, c.owner);
    return over.empty() ? WithFallback::arming(mm, u, va) : make_room(mm.id(), va, std::move(over));
}

Path<bool> Jump::make_room(std::uint32_t id, Addr va, std::vector<std::pair<Addr, Uprobe*>> probes) {
    for (const auto& [probe, owner] : probes) {
        if (uprobes.space(id) == nullptr) co_return false; // the process has ended
        Mm& mm = *uprobes.space(id)->mm;
        places(id).never.insert(probe);
        co_await take_back(mm, *owner, probe);
        Copy* c = uprobes.space(id) != nullptr ? detours_.of(id, probe, owner) : nullptr;
        if (c == nullptr) continue;
        detours_.watch(mm, *c, c->at + kMoved + (va - probe)); // threads inside will pass the new probe unseen
        if (Path<bool> retired = detours_.retire(id, probe, *owner); retired.valid()) co_await retired;
    }
    co_return true;
}

Path<bool> Jump::fetch(Task& t, Addr va) {
    Mm& mm = *t.process->mm;
    const Copy* c = detours_.at(mm.id(), va);
    if (c == nullptr) return WithFallback::fetch(t, va);
    const std::uint64_t at = va - c->at;
    if (at == kGate) return handlers(t, va);
    const Utask& u = uprobes.utask(t);
    if (u.bare_copy && u.bare_address == va) return {}; // sent here by an int3
    if (at == kMoved) {
        uprobes.under_way(t, *c->owner, va);
    } else if (at > kMoved) {
        const Addr probe = c->probe + (at - kMoved);
        const Site* s = uprobes.site(mm, probe);
        if (s != nullptr && s->armed) uprobes.under_way(t, *s->uprobe, va);
    }
    return {};
}

/// The registers are saved; handlers see the thread as if it stood at the probe point.
Path<bool> Jump::handlers(Task& t, Addr gate) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *t.process->mm;
    const Copy& c = *detours_.at(mm.id(), gate);
    Uprobe& u = *c.owner;
    const Addr va = c.probe;
    const Copies::Visit visit(detours_, mm.id(), c.at);
    const Addr saved = k.get(t, Reg::rsp), sp = saved + kBelow;
    uprobes.utask(t).trapped_at = k.now(t);
    k.set(t, Reg::rsp, sp);
    k.set(t, Reg::rip, va);
    co_await k.step(t, Step::detour_entered, gate, va);
    if (armed_site(uprobes, mm.id(), va, u) != nullptr) {
        if (Path<bool> more = uprobes.run_handlers(t, u, va); more.valid()) co_await more;
        co_await k.step(t, Step::handler, va, u.truth.hits);
    }
    Addr next = k.get(t, Reg::rip);
    if (next != va && !uprobes.dialect().detour_keeps_rip) {
        if (next > va && next < va + plans_.of(u).length()) k.set(t, Reg::rip, next = c.at + kMoved + (next - va));
    } else {
        std::array<std::uint64_t, kPushed.size()> registers{};
        for (std::size_t i = 0; i < kPushed.size(); ++i) registers[i] = k.get(t, kPushed[i]);
        (void)mm.put(saved, registers); // where the stack has gone, the pops will fault
        k.set(t, Reg::rsp, saved);
        k.set(t, Reg::rip, next = gate + 1);
    }
    const Hit hit{t, &u, va};
    co_await uprobes.resume(hit, next);
    co_return true;
}

void Jump::before_signal_frame(Task& t) {
    WithFallback::before_signal_frame(t);
    Mm& mm = *t.process->mm;
    const Addr rip = uprobes.kernel().get(t, Reg::rip);
    if (Copy* c = detours_.at(mm.id(), rip); c != nullptr) {
        c->shown = true;
        if (rip - c->at > kGate && rip - c->at <= kMoved) uprobes.set_aside(t, c->at + kMoved);
        return;
    }
    // It will come back between the instructions of a region.
    for (std::uint64_t i = 1; i < kLongestRegion; ++i)
        if (const Site* s = uprobes.site(mm, rip - i); s != nullptr && plans_.of(*s->uprobe).length() > i)
            places(mm.id()).never.insert(s->address);
}

} // namespace

std::unique_ptr<Strategy> make_jump(Uprobes& u) { return std::make_unique<Jump>(u, false); }
std::unique_ptr<Strategy> make_jump_as_posted(Uprobes& u) { return std::make_unique<Jump>(u, true); }

} // namespace trapline
