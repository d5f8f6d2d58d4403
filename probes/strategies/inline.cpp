// strategies/inline.cpp: single-stepping in place.
//
// The breakpoint is lifted (the original byte becomes visible), the thread steps over the instruction where it stands,
// and the breakpoint is put back. Prasanna Panchamukhi's first patches of 2005 did it (seed 003), every ptrace debugger
// does without displaced stepping, and seed 000 calls it the easiest: one need know nothing of the instruction set.
//
//   start    text-restored     from here on every other CPU executes the bare instruction: the window is open
//   step     the instruction runs in place; it may fault, sleep and be preempted with the window open
//   finish   stepped           the thread is behind the instruction
//            text-armed        the window is closed
//            resumed
//
// What others can observe: they sail past the probe point (seed 004 section 1.1: "it would open a time window"). Two
// threads that step at once disturb each other: the one that is done puts the int3 back under the other, which traps
// again. A thread forked while the window is open inherits it. Costs two traps and two text writes, with a TLB flush on
// every CPU.
#include "probes/strategies/inline.hpp"

namespace trapline {

Path<bool> InlineStep::start(Hit hit) {
    uprobes.begin_step(hit);
    if (lift(hit)) co_await uprobes.kernel().step(hit.task, Step::text_restored, hit.address);
    co_return true;
}

Path<bool> InlineStep::finish(Hit hit) {
    Kernel& k = uprobes.kernel();
    const Addr next = k.get(hit.task, Reg::rip);
    uprobes.hide_step(hit, next);
    const bool users = uprobes.end_step(hit.task);
    co_await k.step(hit.task, Step::stepped, next);
    if (!uprobes.mutated(Mutation::rearm_forgotten) && lower(*hit.task.process->mm, hit.address))
        co_await k.step(hit.task, Step::text_armed, hit.address);
    co_await uprobes.resume(hit, next);
    co_return !users;
}

void InlineStep::abort(const Hit& hit) {
    uprobes.end_step(hit.task);
    if (uprobes.mutated(Mutation::rearm_forgotten_on_fault)) return;
    if (lower(*hit.task.process->mm, hit.address)) uprobes.kernel().note(hit.task, Step::text_armed, hit.address);
}

namespace {

/// Also where the program has written to the page since: bytes are changed in what it has there now.
TextPage* page_of(Uprobes& uprobes, Mm& mm, Addr va) {
    Space* space = uprobes.space(mm);
    if (space == nullptr) return nullptr;
    const auto page = space->pages.find(page_floor(va));
    return page != space->pages.end() ? page->second.get() : nullptr;
}

} // namespace

bool InlineStep::lift(const Hit& hit) {
    Mm& mm = *hit.task.process->mm;
    Site* s = uprobes.site(mm, hit.address);
    TextPage* page = page_of(uprobes, mm, hit.address);
    if (s == nullptr || !s->armed || page == nullptr) return false;
    page->lift(hit.address);
    uprobes.watch(mm, *s, true);
    uprobes.count_text_write();
    return true;
}

bool InlineStep::lower(Mm& mm, Addr address) {
    Site* s = uprobes.site(mm, address);
    TextPage* page = page_of(uprobes, mm, address);
    // Unregistered in the meantime, or another thread has put it back already.
    if (s == nullptr || !s->armed || page == nullptr || !page->lifted(address)) return false;
    page->lower(address);
    uprobes.watch(mm, *s, false);
    uprobes.count_text_write();
    return true;
}

std::unique_ptr<Strategy> make_inline(Uprobes& u) { return std::make_unique<InlineStep>(u); }

} // namespace trapline
