#include "probes/out_of_line.hpp"

namespace trapline {
namespace {
Reg scratch_register(Scratch s) { return s == Scratch::rsi ? Reg::rsi : s == Scratch::rdi ? Reg::rdi : Reg::rbx; }
} // namespace

void OutOfLineStep::enter(const Hit& hit, Addr copy) {
    Kernel& k = uprobes.kernel();
    if (const Scratch s = hit.uprobe->copy.scratch; s != Scratch::none) {
        uprobes.utask(hit.task).saved_scratch = k.get(hit.task, scratch_register(s));
        k.set(hit.task, scratch_register(s), hit.address + hit.uprobe->copy.length);
    }
    k.set(hit.task, Reg::rip, copy);
}

bool OutOfLineStep::leave(const Hit& hit, Addr copy) {
    restore_scratch(hit);
    return fix_up(hit, copy);
}

void OutOfLineStep::undo(const Hit& hit) {
    restore_scratch(hit);
    uprobes.kernel().set(hit.task, Reg::rip, hit.address);
}

void OutOfLineStep::restore_scratch(const Hit& hit) {
    Kernel& k = uprobes.kernel();
    const Scratch s = hit.uprobe->copy.scratch;
    // Not if it was not written yet: RIP leaves the probe point together with it.
    if (s != Scratch::none && k.get(hit.task, Reg::rip) != hit.address)
        k.set(hit.task, scratch_register(s), uprobes.utask(hit.task).saved_scratch);
}

bool OutOfLineStep::fix_up(const Hit& hit, Addr copy) {
    Kernel& k = uprobes.kernel();
    Mm& mm = *hit.task.process->mm;
    const Addr delta = hit.address - copy;
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

} // namespace trapline
