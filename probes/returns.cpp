// Entering a function with return handlers, and coming back through the trampoline.
#include "probes/returns.hpp"

#include "probes/uprobes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace trapline {
namespace {

constexpr std::uint64_t kUretprobe = 335; // the system call's number (Linux 6.11)

/// push rax, rcx, r11; the call; pop r11, rcx; ret, which takes RAX's word: the kernel has put the target there.
/// Bytes as the live kernel has them (measured on Linux 6.18.44).
constexpr std::array<std::uint8_t, 18> kCallTrampoline = {0x50, 0x51, 0x41, 0x53, 0x48, 0xc7, 0xc0, 0x4f, 0x01,
                                                          0x00, 0x00, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc};
constexpr Addr kBehindCall = 13; // offset of what follows the syscall instruction
constexpr std::array<std::uint8_t, 1> kTrapTrampoline = {kBreakpoint};

} // namespace

void Returns::force(Task& t, int signo) {
    SigInfo info;
    info.signo = signo;
    info.code = sig::kernel;
    uprobes_.kernel().force(t, info);
}

std::vector<PendingReturn>& Returns::list(Task& t) {
    return uprobes_.dialect().returns_by_place ? uprobes_.make_space(*t.process->mm).pending
                                               : uprobes_.utask(t).pending;
}

/// The trampoline is in slot 0 of the area that the strategy has, or of one for this purpose only.
bool Returns::set_up(Mm& mm, Space& space) {
    if (space.trampoline != 0) return true;
    XolArea* area = uprobes_.area(mm);
    if (area == nullptr) return false;
    space.trampoline = area->address;
    return true;
}

void Returns::fill_slot_0(XolArea& area) const {
    if (uprobes_.dialect().return_trap == ReturnTrap::system_call)
        area.write(0, kCallTrampoline);
    else
        area.write(0, kTrapTrampoline);
}

bool Returns::hijack(Task& t, Uprobe& u, Addr function, std::vector<std::uint64_t> ignoring) {
    Mm& mm = *t.process->mm;
    Space& space = uprobes_.make_space(mm);
    const Addr place = uprobes_.kernel().get(t, Reg::rsp);
    Addr target = 0;
    if (!mm.get(place, target)) return false; // there is nothing to return to
    const bool ready = set_up(mm, space);
    const bool chained = ready && target == space.trampoline;
    std::vector<PendingReturn>& pending = list(t);
    const std::size_t most = uprobes_.dialect().most_returns;
    PendingReturn r{&u, function, place, target, chained, uprobes_.registrations(), std::move(ignoring)};
    bool done = ready && (most == 0 || pending.size() < most) && (chained || mm.put(place, space.trampoline));
    if (done) drop_obsolete(pending, place, chained);
    if (done && chained) {
        const auto same = [&](const PendingReturn& p) {
            return !uprobes_.dialect().returns_by_place || p.place == place;
        };
        const auto caller = std::find_if(pending.rbegin(), pending.rend(), same);
        done = caller != pending.rend();
        if (done) r.original = caller->original;
    }
    const OpenCalls::Word word = chained ? OpenCalls::Word::replaced_before
                                 : done  ? OpenCalls::Word::replaced
                                         : OpenCalls::Word::untouched;
    space.calls.open(mm, place, {&u, function, done ? space.trampoline : target}, word);
    if (done) pending.push_back(std::move(r));
    return done;
}

void Returns::entered_unseen(Task& t, Uprobe& u, Addr function) {
    Mm& mm = *t.process->mm;
    Space& space = uprobes_.make_space(mm);
    const Addr place = uprobes_.kernel().get(t, Reg::rsp);
    Addr target = 0;
    if (!mm.get(place, target)) return;
    const bool chained = space.trampoline != 0 && target == space.trampoline;
    space.calls.open(mm, place, {&u, function, target},
                     chained ? OpenCalls::Word::replaced_before : OpenCalls::Word::untouched);
}

/// A call at `sp` tells which entries a longjmp has left behind.
void Returns::drop_obsolete(std::vector<PendingReturn>& pending, Addr sp, bool chained) {
    if (uprobes_.dialect().returns_by_place) {
        if (!chained) std::erase_if(pending, [&](const PendingReturn& p) { return p.place == sp; });
        return;
    }
    // Linux: entries that are not above the new call on the stack.
    while (!pending.empty() && (chained ? pending.back().place < sp : pending.back().place <= sp)) pending.pop_back();
}

/// The entries that a return to `sp` ends, newest first. `valid`: it was they that returned, and not an older call.
std::vector<PendingReturn> Returns::take(Task& t, Addr sp, bool& valid) {
    std::vector<PendingReturn>& pending = list(t);
    std::vector<PendingReturn> chain;
    valid = true;
    if (uprobes_.dialect().returns_by_place) {
        constexpr Addr kMostPopped = 0xffff; // `ret n`: the call's place is that much further down
        Addr place = 0;
        for (const PendingReturn& p : pending)
            if (p.place < sp && sp - 8 - p.place <= kMostPopped) place = std::max(place, p.place);
        for (std::size_t i = pending.size(); i-- > 0;)
            if (pending[i].place == place) {
                chain.push_back(std::move(pending[i]));
                pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
            }
        return chain;
    }
    while (!pending.empty()) {
        const auto which = uprobes_.mutated(Mutation::return_oldest) ? pending.begin() : pending.end() - 1;
        chain.push_back(std::move(*which));
        pending.erase(which);
        if (!chain.back().chained) break;
    }
    valid = pending.empty() || sp <= pending.back().place; // otherwise the older call is the one that returned
    return chain;
}

/// The thread has returned into the trampoline; RSP is behind the return address.
Path<bool> Returns::come_back(Task& t) {
    Kernel& k = uprobes_.kernel();
    Mm& mm = *t.process->mm;
    Space& space = uprobes_.make_space(mm);
    const Addr sp = k.get(t, Reg::rsp);
    std::vector<OpenCalls::Call> ended = space.calls.close(mm, sp - 8, space.trampoline);
    std::erase_if(ended, [&](const auto& c) { return !c.uprobe->returns || !c.uprobe->wants(mm, t.process); });
    for (const OpenCalls::Call& c : ended) {
        ++c.uprobe->returned.executions;
        ++c.uprobe->returned.missed; // until a handler has run
    }
    const Cycles began = uprobes_.utask(t).trapped_at;
    co_await k.step(t, Step::returned, sp - 8);
    for (bool valid = false; !valid;) {
        const std::vector<PendingReturn> chain = take(t, sp, valid);
        if (chain.empty()) {
            force(t, sig::ill);
            co_return false;
        }
        k.set(t, Reg::rip, chain.front().original);
        for (const PendingReturn& r : chain) {
            if (!valid) continue;
            const bool told = co_await uprobes_.run_return_handlers(t, r);
            if (!told) continue;
            Truth& truth = r.uprobe->returned;
            ++truth.hits;
            auto call = std::find_if(ended.begin(), ended.end(), [&](const auto& c) { return c.uprobe == r.uprobe; });
            if (call != ended.end()) {
                --truth.missed;
                ended.erase(call);
            } else {
                ++truth.repeated; // told of a return that did not happen
            }
            co_await uprobes_.handled(t, Step::return_handler, r.function, truth.hits);
            truth.cycles += k.now(t) - began;
        }
    }
    for (const OpenCalls::Call& c : ended) uprobes_.log_miss(t, c.function);
    co_return true;
}

Path<bool> Returns::trapped(Task& t) {
    Kernel& k = uprobes_.kernel();
    uprobes_.utask(t).trapped_at = k.now(t);
    ++uprobes_.counters.breakpoint_traps;
    k.charge(t, Price::task_work);
    co_await k.step(t, Step::trap, k.get(t, Reg::rip) - 1);
    const bool back = co_await come_back(t);
    if (back) co_await k.step(t, Step::resumed, k.get(t, Reg::rip));
    co_return true;
}

Path<bool> Returns::called(Task& t) {
    const bool ours =
        uprobes_.dialect().return_trap == ReturnTrap::system_call && uprobes_.kernel().get(t, Reg::rax) == kUretprobe;
    return ours ? call_trampoline(t) : Path<bool>();
}

Path<bool> Returns::call_trampoline(Task& t) {
    Kernel& k = uprobes_.kernel();
    Mm& mm = *t.process->mm;
    const Addr ip = k.get(t, Reg::rip), flags = k.get(t, Reg::eflags), pushed = k.get(t, Reg::rsp);
    const Addr trampoline = uprobes_.make_space(mm).trampoline;
    std::array<std::uint64_t, 3> saved{}; // r11, rcx, rax
    bool back = trampoline != 0 && ip == trampoline + kBehindCall && mm.get(pushed, saved);
    if (!back) {
        force(t, sig::ill);
        co_return true;
    }
    uprobes_.utask(t).trapped_at = k.now(t);
    k.charge(t, Price::syscall);
    // Handlers see the registers as the function left them.
    k.set(t, Reg::r11, saved[0]);
    k.set(t, Reg::rcx, saved[1]);
    k.set(t, Reg::rax, saved[2]);
    const Addr sp = pushed + sizeof saved;
    k.set(t, Reg::rsp, sp);
    back = co_await come_back(t);
    const Addr next = k.get(t, Reg::rip);
    if (k.get(t, Reg::rsp) != sp) { // a handler chose another stack: straight there
        co_await k.step(t, Step::resumed, next);
        co_return true;
    }
    saved = {k.get(t, Reg::r11), k.get(t, Reg::rcx), next};
    k.set(t, Reg::rsp, pushed);
    k.set(t, Reg::rip, ip);
    k.set(t, Reg::rcx, ip);
    k.set(t, Reg::r11, flags);
    if (!mm.put(pushed, saved)) {
        force(t, sig::segv);
    }
    if (back) co_await k.step(t, Step::resumed, next);
    co_return true;
}

void Returns::returned_unseen(Task& t, Addr va) {
    Mm& mm = *t.process->mm;
    Space* space = uprobes_.space(mm);
    if (space == nullptr || space->calls.empty()) return;
    for (const OpenCalls::Call& c : space->calls.close(mm, uprobes_.kernel().get(t, Reg::rsp) - 8, va)) {
        if (!c.uprobe->returns || !c.uprobe->wants(mm, t.process)) continue;
        ++c.uprobe->returned.executions;
        ++c.uprobe->returned.missed;
        uprobes_.log_miss(t, c.function);
    }
}

void Returns::inherit(Task& parent, Task& child) {
    if (parent.probe == nullptr || child.process == parent.process) return; // threads begin with an empty list
    Mm& mm = *child.process->mm;
    const bool forked = &mm != parent.process->mm.get();
    if (!uprobes_.dialect().returns_by_place && !uprobes_.mutated(Mutation::return_not_inherited) &&
        (forked || child.process->vfork_waiter == &parent))
        uprobes_.utask(child).pending = uprobes_.utask(parent).pending;
    // The area is not inherited: the child gets one of its own at the same place, before it runs.
    if (forked && !list(child).empty()) set_up(mm, uprobes_.make_space(mm));
}

} // namespace trapline
