// Putting int3 into address spaces and taking it out again, and what mmap, fork, exec and exit do to that.
#include "probes/uprobes.hpp"

#include <algorithm>
#include <cerrno>

namespace trapline {

Path<bool> Uprobes::arm(Mm& mm, Uprobe& u, Addr va, int* error) {
    *error = u.error = analyse(u);
    if (*error != 0) co_return false;
    const std::uint32_t id = mm.id();
    Site& s = make_space(mm).sites[va];
    if (s.armed) co_return true;
    s.uprobe = &u;
    s.address = va;

    if (Path<bool> first = strategy_->arming(mm, u, va); first.valid()) {
        co_await first;
        if (space(id) == nullptr) co_return true; // the process has ended meanwhile
    }
    Task& actor = kernel_.actor();
    // Between the copy and the int3 others may come and go: somebody else arms the place, the process ends, or the last
    // other probe of the page is unregistered and takes the copy along.
    Site* still = site(mm, va);
    while (still != nullptr && !still->armed && space(id)->pages[page_floor(va)] == nullptr) {
        auto page = std::make_unique<TextPage>(mm, page_floor(va));
        page->have(page_defects());
        if (!page->valid()) {
            Space& sp = *space(id);
            sp.pages.erase(page_floor(va));
            sp.sites.erase(va);
            sp.last = nullptr;
            *error = -ENOMEM;
            co_return false;
        }
        space(id)->pages[page_floor(va)] = std::move(page);
        ++counters.pages_copied;
        co_await kernel_.step(actor, Step::page_copied, page_floor(va), 0, {}, id);
        still = space(id) != nullptr ? site(mm, va) : nullptr;
    }
    if (still == nullptr || still->armed) co_return true;
    TextPage* now = space(id)->pages[page_floor(va)].get();
    now->arm(va, u.bytes[0]);
    still->armed = true;
    if (u.first_address == 0) u.first_address = va;
    count_reference(mm, u, 1);
    count_text_write();
    if (mutated(Mutation::site_entered_late)) {
        const Site late = *still;
        space(id)->sites.erase(va);
        space(id)->last = nullptr;
        co_await kernel_.step(actor, Step::text_armed, va, u.number, {}, id);
        if (space(id) != nullptr) space(id)->sites.emplace(va, late);
        co_return true;
    }
    co_await kernel_.step(actor, Step::text_armed, va, u.number, {}, id);
    if (space(id) == nullptr) co_return true;
    if (still = site(mm, va); still == nullptr || !still->armed) co_return true;
    if (Path<bool> more = strategy_->armed(mm, *still); more.valid()) co_await more;
    co_return true;
}

Path<bool> Uprobes::disarm(Mm& mm, Addr va) {
    Space* sp = space(mm);
    Site* s = site(mm, va);
    if (sp == nullptr || s == nullptr) co_return false;
    const std::uint32_t id = mm.id();
    if (Path<bool> first = strategy_->disarming(mm, *s); first.valid()) {
        co_await first;
        sp = space(id); // others may have run, and the process may be gone
        s = sp != nullptr ? site(mm, va) : nullptr;
        if (s == nullptr) co_return false;
    }
    Uprobe& uprobe = *s->uprobe;
    watch(mm, *s, false);
    const bool armed = s->armed;
    sp->sites.erase(va);
    sp->last = nullptr;
    auto it = sp->pages.find(page_floor(va));
    if (!armed || it == sp->pages.end()) co_return false;
    TextPage& page = *it->second;
    const bool restored = !mutated(Mutation::restore_forgotten) && page.disarm(va);
    if (page.empty()) {
        // Nothing differs from the file any more: today's kernels map its page again, the 2010 one kept the copy.
        const Vma* v = mm.find(va);
        if (dialect_.drops_copies && restored && page.mapped() && v != nullptr && v->inode) {
            const FrameNo cached = v->inode->page(v->file_offset(page_floor(va)) / kPageSize);
            if (cached != 0 && page.equals(cached)) { // a strategy may have left something else behind
                kernel_.frames().get(cached);
                if (mutated(Mutation::frame_leaked)) kernel_.frames().get(cached);
                page.give_up(cached);
            }
        }
        sp->pages.erase(it);
    }
    if (restored) {
        count_reference(mm, uprobe, -1);
        count_text_write();
        Task& actor = kernel_.actor();
        co_await kernel_.step(actor, Step::text_restored, va, 0, {}, id);
        if (space(id) == nullptr) co_return true;
    }
    if (Path<bool> last = strategy_->disarmed(mm, uprobe, va); last.valid()) co_await last;
    co_return restored;
}

/// The program, or a debugger, has written an int3 where its file has a probe that was never put there: in a writable
/// mapping, perhaps. Linux looks up the place in the file and takes the int3 for its own (measured on Linux 6.18.44);
/// unregistering will write the file's byte. What it has not analysed yet it leaves as it is. nullptr: no probe there,
/// or none is armed in the whole address space, so that Linux does not look (MMF_HAS_UPROBES).
Uprobe* Uprobes::adopt(Mm& mm, Addr va) {
    const Vma* v = mm.find(va);
    if (v == nullptr || !v->inode || v->shared) return nullptr;
    Space& space = make_space(mm);
    const auto armed = [](const auto& site) { return site.second.armed; };
    if (std::none_of(space.sites.begin(), space.sites.end(), armed)) return nullptr;
    Uprobe* u = find(v->inode->number, v->file_offset(va));
    if (u == nullptr || !u->analysed) return u;
    auto& page = space.pages[page_floor(va)];
    if (!page) page = std::make_unique<TextPage>(mm, page_floor(va));
    if (!page->valid()) {
        space.pages.erase(page_floor(va));
        return nullptr;
    }
    page->arm(va, u->bytes[0]);
    Site& s = space.sites[va];
    s.uprobe = u;
    s.address = va;
    s.armed = true;
    watch(mm, s, false);
    space.last = nullptr;
    return u;
}

void Uprobes::mapped(Mm& mm, const Vma& vma) {
    make_space(mm);
    count_waiting(mm, vma);
    const Process* p = owner(mm);
    // Linux's uprobe_mmap: breakpoints go in inside mmap, and all errors are ignored.
    const auto first = tree_.lower_bound({vma.inode->number, vma.offset});
    const auto last = tree_.lower_bound({vma.inode->number, vma.offset + (vma.end - vma.start)});
    const std::vector<std::pair<std::pair<std::uint64_t, std::uint64_t>, Uprobe*>> here(first, last);
    for (const auto& [key, u] : here) {
        if (!u->wants(mm, p)) continue;
        const Addr va = vma.start + (u->offset - vma.offset);
        if (!probeable(vma, dialect_)) {
            if ((vma.prot & prot::exec) == 0) continue;
            // Mapped in a way that is not probed: what runs there is missed, and the truth shall say so.
            Site& s = make_space(mm).sites[va];
            s.uprobe = u;
            s.address = va;
            watch(mm, s, true);
            continue;
        }
        int error = 0;
        kernel_.run_atomically(arm(mm, *u, va, &error));
    }
}

void Uprobes::unmapping(Mm& mm, const Vma&, Addr from, Addr to) {
    Space* sp = space(mm);
    if (sp == nullptr) return;
    sp->last = nullptr;
    for (auto it = sp->sites.begin(); it != sp->sites.end();) {
        if (it->first >= from && it->first < to) {
            watch(mm, it->second, false);
            it = sp->sites.erase(it);
        } else {
            ++it;
        }
    }
    sp->pages.erase(sp->pages.lower_bound(page_floor(from)), sp->pages.lower_bound(to));
}

void Uprobes::duplicated(Mm& parent, Mm& child) {
    Space* from = space(parent);
    if (from == nullptr) return;
    Space& to = make_space(child);
    from = space(parent); // make_space may have moved it
    for (const auto& [page, text] : from->pages) {
        to.pages[page] = std::make_unique<TextPage>(child, *text);
        to.pages[page]->have(page_defects());
    }
    if (mutated(Mutation::fork_forgets)) return;
    for (const auto& [va, s] : from->sites) {
        Site copy = s;
        TextPage* page = from->pages.contains(page_floor(va)) ? from->pages[page_floor(va)].get() : nullptr;
        copy.armed = s.armed && page != nullptr && !page->lifted(va);
        copy.watched = false;
        to.sites.emplace(va, copy);
        if (s.watched) watch(child, to.sites[va], true);
    }
    to.pending = from->pending;
    from->calls.copy_to(to.calls, child);
    strategy_->duplicated(parent, child);
    if (!dialect_.per_process) return;
    // "Uprobes removes all probepoints in the newly created child process" (seed 004, section 5).
    std::vector<Addr> places;
    for (const auto& [va, s] : to.sites) places.push_back(va);
    std::sort(places.begin(), places.end());
    for (Addr va : places) kernel_.run_atomically(disarm(child, va));
}

void Uprobes::destroyed(Mm& mm) {
    strategy_->forget(mm);
    if (mm.id() < spaces_.size()) spaces_[mm.id()] = nullptr;
}

void Uprobes::task_created(Task& parent, Task& child) {
    returns_.inherit(parent, child);
    if (!dialect_.leaks_step && parent.probe != nullptr) {
        // Made by the system call that is being stepped: it begins behind it. Otherwise it has TF, and stands in a
        // slot.
        const Utask& u = utask(parent);
        if (u.active != nullptr) {
            if (!u.user_trap_flag) kernel_.set_trap_flag(child, false);
            kernel_.set(child, Reg::rip, u.address + u.active->copy.length);
            hide_step(Hit{child, u.active, u.address}, u.address + u.active->copy.length);
        }
    }
    strategy_->task_created(parent, child);
}

void Uprobes::executed(Task& t) {
    if (!dialect_.per_process) return;
    // The 2010 interface unregisters everything of a process that execs; later calls to unregister do nothing.
    for (const auto& u : all_)
        for (Consumer* c : std::vector<Consumer*>(u->consumers))
            if (c->pid == t.process->pid) kernel_.run_atomically(remove(*c));
}

} // namespace trapline
