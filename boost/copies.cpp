#include "boost/copies.hpp"

#include "boost/inside.hpp"

#include <algorithm>

namespace trapline {

Copy* Copies::of(const Hit& hit) { return of(hit.task.process->mm->id(), hit.address, hit.uprobe); }

Copy* Copies::of(std::uint32_t mm, Addr probe, const Uprobe* owner) {
    if (last_ != nullptr && last_->probe == probe && last_mm_ == mm && last_->owner == owner) return last_;
    auto sp = spaces_.find(mm);
    if (sp == spaces_.end()) return nullptr;
    auto it = sp->second.of_probe.find(probe);
    if (it == sp->second.of_probe.end()) return nullptr;
    if (it->second->owner != owner) {
        // Either the text has been mapped anew, and this is another instruction's; or it is the asker whose probe has
        // gone.
        if (armed(mm, *it->second)) return nullptr;
        it->second->retired = true;
        sp->second.of_probe.erase(it);
        last_ = nullptr;
        return nullptr;
    }
    last_mm_ = mm;
    return last_ = it->second;
}

/// Is the piece's probe in its place?
bool Copies::armed(std::uint32_t mm, const Copy& c) {
    trapline::Space* space = uprobes_.space(mm);
    const Site* s = space != nullptr ? uprobes_.site(*space->mm, c.probe) : nullptr;
    return s != nullptr && s->armed && s->uprobe == c.owner;
}

Copy* Copies::at(std::uint32_t mm, Addr inside) {
    auto sp = spaces_.find(mm);
    if (sp == spaces_.end()) return nullptr;
    auto it = sp->second.copies.find(inside - inside % bytes_);
    return it == sp->second.copies.end() ? nullptr : &it->second;
}

Addr Copies::take(Mm& mm, Addr text, Where where) {
    CodeArea& area = spaces_[mm.id()].area;
    const std::size_t pages = area.pages();
    const Addr at = where == Where::near ? area.take_near(mm, text) : area.take(mm, text);
    uprobes_.counters.vmas_added += area.pages() - pages;
    uprobes_.counters.xol_slots_used = std::max<std::uint64_t>(uprobes_.counters.xol_slots_used, area.taken());
    return at;
}

Path<Copy*> Copies::obtain(Hit hit, Where where, Prepare prepare) {
    Kernel& k = uprobes_.kernel();
    Mm& mm = *hit.task.process->mm;
    const std::uint32_t id = mm.id();
    if (Path<bool> swept = sweep(id); swept.valid()) co_await swept;
    const Addr at = take(mm, hit.address, where);
    if (at == 0) co_return nullptr;
    co_await k.step(hit.task, Step::slot_taken, at, hit.address);
    Space& sp = spaces_[id];
    if (Copy* faster = of(hit); faster != nullptr) { // another thread
        sp.area.give_back(at);
        co_return faster;
    }
    Copy& fresh = sp.copies[at];
    fresh.at = at;
    fresh.probe = hit.address;
    fresh.owner = hit.uprobe;
    if (!prepare(mm, fresh)) {
        sp.copies.erase(at);
        sp.area.give_back(at);
        co_return nullptr;
    }
    // If another probe has come to the place meanwhile, this piece is for this hit alone.
    fresh.retired = !sp.of_probe.try_emplace(hit.address, &fresh).second;
    {
        const Visit visit(*this, id, at);
        co_await k.step(hit.task, Step::slot_written, at, hit.address);
    }
    co_return this->at(id, at);
}

void Copies::watch(Mm& mm, Copy& c, Addr va) {
    mm.fetch().watch(va);
    c.watched.push_back(va);
}

Path<bool> Copies::retire(std::uint32_t mm, Addr probe, const Uprobe& owner) {
    auto sp = spaces_.find(mm);
    if (sp == spaces_.end()) return {};
    auto it = sp->second.of_probe.find(probe);
    if (it == sp->second.of_probe.end() || it->second->owner != &owner) return {};
    const Addr at = it->second->at;
    it->second->retired = true;
    sp->second.of_probe.erase(it);
    last_ = nullptr;
    return retire_now(mm, at);
}

Path<bool> Copies::retire_now(std::uint32_t mm, Addr at) {
    Kernel& k = uprobes_.kernel();
    const Addr probe = spaces_[mm].copies.at(at).probe;
    Task& actor = k.actor();
    co_await k.step(actor, Step::slot_retired, at, probe);
    if (reuse_ == Reuse::after_grace_period) {
        co_await k.step(actor, Step::grace_period, at, probe);
    } else {
        count_look(uprobes_);
        co_await k.step(actor, Step::threads_checked, at, probe);
    }
    if (!free(mm, at)) co_return false;
    co_await k.step(actor, Step::slot_freed, at, probe);
    co_return true;
}

/// Gives retired pieces back that no thread is inside any more. An empty path: there is nothing to look for.
Path<bool> Copies::sweep(std::uint32_t mm) {
    auto sp = spaces_.find(mm);
    if (sp == spaces_.end()) return {};
    for (const auto& [at, c] : sp->second.copies)
        if (c.retired && !c.shown) return sweep_all(mm);
    return {};
}

Path<bool> Copies::sweep_all(std::uint32_t mm) {
    Kernel& k = uprobes_.kernel();
    Task& actor = k.actor();
    count_look(uprobes_);
    co_await k.step(actor, Step::threads_checked, 0, 0);
    std::vector<Addr> retired;
    for (const auto& [at, c] : spaces_[mm].copies)
        if (c.retired && !c.shown) retired.push_back(at);
    for (Addr at : retired)
        if (free(mm, at)) co_await k.step(actor, Step::slot_freed, at, 0);
    co_return true;
}

bool Copies::in_use(std::uint32_t mm, const Copy& c) {
    return c.users > 0 || anyone_inside(uprobes_.kernel(), mm, c.at, c.at + bytes_);
}

bool Copies::free(std::uint32_t mm, Addr at) {
    auto sp = spaces_.find(mm);
    if (sp == spaces_.end()) return false; // the process has ended
    auto it = sp->second.copies.find(at);
    if (it == sp->second.copies.end() || !it->second.retired) return false;
    if (reuse_ == Reuse::when_empty && (it->second.shown || in_use(mm, it->second))) return false;
    if (trapline::Space* space = uprobes_.space(mm); space != nullptr)
        for (Addr va : it->second.watched) space->mm->fetch().unwatch(va);
    sp->second.copies.erase(it);
    sp->second.area.give_back(at);
    last_ = nullptr;
    return true;
}

void Copies::duplicated(Mm& parent, Mm& child) {
    auto from = spaces_.find(parent.id());
    if (from == spaces_.end()) return;
    Space& to = spaces_[child.id()];
    to.area = from->second.area.duplicate(child);
    uprobes_.counters.vmas_added += to.area.pages();
    to.copies = from->second.copies;
    for (auto& [at, c] : to.copies) {
        c.users = 0; // those are the parent's threads
        if (!c.retired) to.of_probe[c.probe] = &c;
        for (Addr va : c.watched) child.fetch().watch(va);
    }
}

void Copies::forget(Mm& mm) {
    spaces_.erase(mm.id());
    last_ = nullptr;
}

} // namespace trapline
