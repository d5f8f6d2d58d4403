#include "probes/out_of_line.hpp"

#include <utility>

namespace trapline {

namespace {
constexpr Addr kShort = 0xffff;
}

Reg scratch_register(Scratch s) { return s == Scratch::rsi ? Reg::rsi : s == Scratch::rdi ? Reg::rdi : Reg::rbx; }

void OutOfLineStep::enter(const Hit& hit, Addr copy) {
    Kernel& k = uprobes.kernel();
    if (const Scratch s = hit.uprobe->copy.scratch; s != Scratch::none) {
        Utask& u = uprobes.utask(hit.task);
        u.scratch = s;
        u.saved_scratch = k.get(hit.task, scratch_register(s));
        k.set(hit.task, scratch_register(s), hit.address + hit.uprobe->copy.length);
    }
    k.set(hit.task, Reg::rip, copy);
}

void OutOfLineStep::enter_relocated(const Hit& hit, Addr copy) { uprobes.kernel().set(hit.task, Reg::rip, copy); }

Addr OutOfLineStep::leave(const Hit& hit, Addr copy) {
    Kernel& k = uprobes.kernel();
    // A rep string instruction traps after each iteration, its RIP still on the copy: it has not completed.
    const bool again = hit.uprobe->rep_string && k.get(hit.task, Reg::rip) == copy;
    restore_scratch(hit);
    const bool fixed = fix_up(hit, copy);
    const Addr next = k.get(hit.task, Reg::rip);
    if (fixed) uprobes.hide_step(hit, next);
    const bool late = k.trap_flag(hit.task) && uprobes.dialect().late_syscall_step && hit.uprobe->flow == Flow::system;
    if (uprobes.end_step(hit.task)) uprobes.signal_own_step(hit.task);
    if (!again && fixed) uprobes.completed(hit.task, *hit.uprobe);
    if (late) { // the instruction behind it has run with it, past an int3 that may stand there
        const Site* passed = uprobes.site(*hit.task.process->mm, hit.address + hit.uprobe->copy.length);
        if (passed != nullptr) uprobes.completed(hit.task, *passed->uprobe);
    }
    return next;
}

void OutOfLineStep::undo(const Hit& hit) {
    restore_scratch(hit);
    uprobes.kernel().set(hit.task, Reg::rip, hit.address);
}

void OutOfLineStep::restore_scratch(const Hit& hit) {
    Utask& u = uprobes.utask(hit.task);
    const Scratch s = std::exchange(u.scratch, Scratch::none);
    if (s != Scratch::none) uprobes.kernel().set(hit.task, scratch_register(s), u.saved_scratch);
}

bool OutOfLineStep::fix_up(const Hit& hit, Addr copy) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *hit.task.process->mm;
    const Addr delta = hit.address - copy;
    const Addr rip = k.get(hit.task, Reg::rip);
    const PostFix post = hit.uprobe->copy.post;
    // A system call that went elsewhere: the return from a signal handler.
    if (hit.uprobe->flow == Flow::system && !uprobes.dialect().late_syscall_step &&
        rip != copy + hit.uprobe->copy.length)
        return true;
    const bool cut = hit.uprobe->copy.pushed == 2; // what pushes two bytes has an ip of two bytes
    switch (post) {
    case PostFix::shift:
    case PostFix::popf:
        k.set(hit.task, Reg::rip, rip + delta);
        return true;
    case PostFix::shift_short: // only a branch that was taken leads there
        k.set(hit.task, Reg::rip, rip <= kShort ? (rip + delta) & kShort : rip + delta);
        return true;
    case PostFix::absolute:
        return true;
    case PostFix::call_relative:
        k.set(hit.task, Reg::rip, cut ? (rip + delta) & kShort : rip + delta);
        break;
    case PostFix::call_indirect:
        break;
    }
    const Addr sp = k.get(hit.task, Reg::rsp), behind = hit.address + hit.uprobe->copy.length;
    if (cut ? mm.put(sp, static_cast<std::uint16_t>(behind)) : mm.put(sp, behind)) return true;
    k.set(hit.task, Reg::rsp, sp + hit.uprobe->copy.pushed);
    k.set(hit.task, Reg::rip, hit.address);
    return false;
}

} // namespace trapline
