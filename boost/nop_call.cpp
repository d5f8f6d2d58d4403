#include "boost/nop_call.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr std::string_view kName = "[uprobes-trampoline]";
constexpr std::uint64_t kNumber = 336; // of the system call `uprobe`
constexpr std::uint8_t kCall = 0xe8;
constexpr std::uint8_t kTrampolineStart[] = {0x51, 0x41, 0x53, 0x50,             // push rcx; push r11; push rax
                                             0x48, 0xc7, 0xc0, 0x50, 0x01, 0, 0, // mov rax, 336
                                             0x0f, 0x05,                         // syscall
                                             0x58, 0x41, 0x5b, 0x59};            // pop rax; pop r11; pop rcx

/// What the call and the pushes of the trampoline have put on the stack, from its top.
struct Pushed {
    std::uint64_t rax, r11, rcx, return_address;
};

} // namespace

NopCall::Space& NopCall::space(Mm& mm) {
    return spaces_.try_emplace(mm.id(), uprobes.kernel(), CodeArea(std::string(kName), kPageSize)).first->second;
}

bool NopCall::may_become_call(const Uprobe& u, Addr va) const {
    // "We can't do cross page atomic writes yet" is Linux's reason for the page.
    return form_.is_nop(u) && (va & kPageMask) + form_.size <= kPageSize;
}

std::vector<std::uint8_t> NopCall::call_bytes(Addr va, Addr trampoline) const {
    std::vector<std::uint8_t> bytes = form_.before_call;
    const auto call = rel32_branch(kCall, va + bytes.size(), trampoline);
    bytes.insert(bytes.end(), call.begin(), call.end());
    return bytes;
}

/// A mapping that the kernel made for this purpose, in whatever address space it asks about.
bool NopCall::in_trampoline(const Mm& mm, Addr va) {
    const Vma* v = mm.find(va);
    return v != nullptr && v->sealed && v->name == kName;
}

bool NopCall::is_call(Mm& mm, Addr va) {
    std::vector<std::uint8_t> text(form_.size);
    if (!mm.force_read(va, text.data(), text.size())) return false;
    const std::size_t at = form_.before_call.size();
    if (!std::equal(form_.before_call.begin(), form_.before_call.end(), text.begin()) || text[at] != kCall)
        return false;
    std::int32_t displacement = 0;
    std::memcpy(&displacement, &text[at + 1], sizeof displacement);
    return in_trampoline(mm, va + form_.size + static_cast<Addr>(static_cast<std::int64_t>(displacement)));
}

/// The site, if it still is this probe's and the lock has not been broken meanwhile.
Site* NopCall::ours(std::uint32_t id, const Uprobe& u, Addr va, const TextLock::Turn& turn) {
    return turn.held() ? armed_site(uprobes, id, va, u) : nullptr;
}

Addr NopCall::reachable_trampoline(Mm& mm, Addr va) {
    for (Addr t : space(mm).trampolines)
        if (reaches(va + form_.size, t)) return t;
    return 0;
}

Addr NopCall::new_trampoline(Mm& mm, Addr va) {
    Space& sp = space(mm);
    const Addr at = sp.area.take_near(mm, va + form_.size);
    if (at == 0) return 0;
    std::vector<std::uint8_t> code(std::begin(kTrampolineStart), std::end(kTrampolineStart));
    code.insert(code.end(), form_.trampoline_end.begin(), form_.trampoline_end.end());
    code.push_back(kBreakpoint);
    sp.area.write(mm, at, code);
    sp.trampolines.insert(sp.trampolines.begin(), at);
    ++uprobes.counters.vmas_added;
    return at;
}

Path<bool> NopCall::start(Hit hit) {
    return may_become_call(*hit.uprobe, hit.address) ? first_hit(hit) : WithFallback::start(hit);
}

/// A hit through the int3: the nop is replaced, if nobody has done it yet, and then emulated.
Path<bool> NopCall::first_hit(Hit hit) {
    Kernel& k = uprobes.kernel();
    if (!failed_.contains(hit.uprobe)) co_await optimise(hit);
    const Addr next = hit.address + form_.size;
    k.set(hit.task, Reg::rip, next);
    uprobes.completed(hit.task, *hit.uprobe);
    if (k.trap_flag(hit.task)) uprobes.signal_own_step(hit.task);
    co_await k.step(hit.task, Step::emulated, hit.address, next);
    co_await uprobes.resume(hit, next);
    co_return true;
}

Path<bool> NopCall::optimise(Hit hit) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *hit.task.process->mm;
    const std::uint32_t id = mm.id();
    Uprobe& u = *hit.uprobe;
    const Addr va = hit.address;
    const TextLock::Turn turn = co_await space(mm).lock.take();
    const StillOurs still = [this, id, &mm, &u, va, &turn] {
        std::uint8_t byte = 0;
        return ours(id, u, va, turn) != nullptr && mm.force_read(va, &byte, 1) && byte == kBreakpoint;
    };
    bool done = false;
    if (still()) { // otherwise another thread has done it, or the probe has gone
        space(mm).calls.insert(va);
        Addr trampoline = reachable_trampoline(mm, va);
        if (trampoline == 0) {
            trampoline = new_trampoline(mm, va);
            if (trampoline != 0) co_await k.step(hit.task, Step::trampoline_mapped, trampoline, va);
        }
        if (trampoline != 0)
            done = co_await write_over_breakpoint(uprobes, mm, va, call_bytes(va, trampoline), still);
        else
            failed_.insert(&u);
    }
    co_return done;
}

Path<bool> NopCall::disarming(Mm& mm, Site& s) {
    if (!may_become_call(*s.uprobe, s.address)) return WithFallback::disarming(mm, s);
    return take_back(mm, *s.uprobe, s.address);
}

/// The call goes, and an int3 stands in the first byte again, which whoever unregisters replaces.
Path<bool> NopCall::take_back(Mm& mm, Uprobe& u, Addr va) {
    Kernel& k = uprobes.kernel();
    const std::uint32_t id = mm.id();
    const bool interrupts = space(mm).lock.busy() && k.atomic();
    const TextLock::Turn turn = co_await space(mm).lock.take();
    const StillOurs still = [this, id, &u, va, &turn] { return ours(id, u, va, turn) != nullptr; };
    const bool whole = uprobes.mutated(Mutation::nop_put_back);
    const std::vector<std::uint8_t> tail =
        whole ? std::vector<std::uint8_t>(u.bytes.begin() + 1, u.bytes.begin() + form_.size) : form_.left_tail(u);
    if (still()) {
        std::vector<std::uint8_t> text(form_.size);
        mm.force_read(va, text.data(), text.size());
        bool left = text[0] == kBreakpoint && std::equal(tail.begin(), tail.end(), text.begin() + 1);
        const Process* who = k.actor().process;
        const bool elsewhere =
            uprobes.mutated(Mutation::call_sought_elsewhere) && (who == nullptr || who->mm.get() != &mm);
        if (!elsewhere && is_call(mm, va)) {
            left = co_await write_back_tail(uprobes, mm, va, tail, still);
        } else if (text[0] == kBreakpoint && interrupts) { // whoever replaces it is stopped between two writes
            if (TextPage* page = uprobes.text_page(mm, va); page != nullptr) page->patch(va + 1, tail);
            left = true;
        }
        TextPage* page = left && still() ? uprobes.text_page(mm, va) : nullptr;
        if (page != nullptr) page->displaces(va, whole ? u.bytes[0] : form_.left_head(u));
    }
    co_return true;
}

Path<bool> NopCall::syscall(Task& t) {
    return uprobes.kernel().get(t, Reg::rax) == kNumber ? called(t) : WithFallback::syscall(t);
}

/// The system call of a trampoline: handlers see the thread as if it stood at the probe point.
Path<bool> NopCall::called(Task& t) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *t.process->mm;
    const Addr rip = k.get(t, Reg::rip);
    Utask& utask = uprobes.utask(t);
    utask.trapped_at = k.now(t);
    co_await k.step(t, Step::trampoline_entered, rip, kNumber);
    if (!in_trampoline(mm, rip)) {
        k.set(t, Reg::rax, static_cast<std::uint64_t>(-ENXIO));
        co_return true;
    }
    k.charge(t, Price::trampoline);
    const Addr sp = k.get(t, Reg::rsp);
    Pushed pushed{};
    bool sane = mm.get(sp, pushed);
    if (sane) {
        const Addr va = pushed.return_address - form_.size;
        const Addr probe_sp = sp + sizeof pushed + form_.skipped;
        k.set(t, Reg::rax, pushed.rax);
        k.set(t, Reg::r11, pushed.r11);
        k.set(t, Reg::rcx, pushed.rcx);
        k.set(t, Reg::rsp, probe_sp);
        k.set(t, Reg::rip, va);

        Site* s = uprobes.site(mm, va);
        Uprobe* u = s != nullptr ? s->uprobe : nullptr;
        co_await k.step(t, Step::lookup, va, u != nullptr ? u->number : 0);
        if (u != nullptr) {
            if (Path<bool> more = uprobes.run_handlers(t, *u, va); more.valid()) co_await more;
            co_await uprobes.handled(t, Step::handler, va, u->truth.hits);
        }
        const Addr chosen = k.get(t, Reg::rip);
        if (u != nullptr && chosen == va && u->wants(mm, t.process)) uprobes.completed(t, *u);
        const Addr next = chosen == va ? pushed.return_address : chosen;
        if (k.get(t, Reg::rsp) != probe_sp) {
            // A handler moved the stack: the trampoline's frame is not there, and the kernel goes on by itself.
            k.set(t, Reg::rip, next);
        } else {
            pushed = {k.get(t, Reg::rax), k.get(t, Reg::r11), k.get(t, Reg::rcx), next};
            sane = mm.put(sp, pushed);
            k.set(t, Reg::rsp, sp);
            k.set(t, Reg::rip, rip);
            k.set(t, Reg::rax, 0);
            k.set(t, Reg::rcx, rip);
            k.set(t, Reg::r11, k.get(t, Reg::eflags));
        }
        if (u != nullptr) {
            const Hit hit{t, u, va};
            co_await uprobes.resume(hit, next);
        }
    }
    if (!sane) {
        SigInfo ill;
        ill.signo = sig::ill;
        ill.code = sig::kernel;
        k.force(t, ill);
    }
    co_return true;
}

void NopCall::duplicated(Mm& parent, Mm& child) {
    WithFallback::duplicated(parent, child);
    auto from = spaces_.find(parent.id());
    if (from == spaces_.end() || !form_.child_has_trampoline) return;
    CodeArea area = from->second.area.duplicate(child);
    uprobes.counters.vmas_added += area.pages();
    spaces_.try_emplace(child.id(), uprobes.kernel(), std::move(area)).first->second.trampolines =
        from->second.trampolines;
}

std::string NopCall::broken(Mm& mm) {
    if (const auto found = spaces_.find(mm.id()); found != spaces_.end())
        for (Addr va : found->second.calls)
            if (uprobes.site(mm, va) == nullptr && is_call(mm, va))
                return fmt::format("there is no probe at {:#x} any more, and its call is still there", va);
    return WithFallback::broken(mm);
}

void NopCall::forget(Mm& mm) {
    WithFallback::forget(mm);
    spaces_.erase(mm.id());
}

} // namespace trapline
