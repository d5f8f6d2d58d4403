// What is always so between two steps, whatever was interleaved. A search asks after every step; a rule that is broken
// is a finding even where no probe was missed and the program has not noticed yet.
//
//   wanted  a probe that is registered, and at which nobody works, is armed in every address space that maps it and
//   whose
//           process its consumers want, unless one of its threads is in the kernel (mmap and fork arm as they go)
//   text    an armed probe point does not show the original byte in any address space that maps it, unless a thread is
//           stepping there or a debug register watches it; and where no probe is, nothing is patched
//   TF      a thread has the TF that a step gave it only while it steps
//   slots   the strategy's: who has one, has it alone (Strategy::broken)
//   lives   nobody is in the handler of a consumer that is gone
#include "probes/uprobes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

/// The least of what was said, so that the order of a hash table does not show.
void least(std::string& into, std::string text) {
    if (into.empty() || text < into) into = std::move(text);
}

} // namespace

/// A place where a probe should be and is not; nothing when there is none.
std::optional<Addr> Uprobes::not_armed(Space& space) const {
    Mm& mm = *space.mm;
    const Process* p = owner(mm);
    const auto in_kernel = [](const Task* t) { return t->path.valid(); };
    if (p == nullptr || p->zombie || std::any_of(p->tasks.begin(), p->tasks.end(), in_kernel)) return std::nullopt;
    for (const auto& [key, u] : tree_) {
        if (u->locked || u->error != 0 || !u->analysed || !u->wants(mm, p)) continue;
        for (const auto& [start, v] : mm.vmas()) {
            if (!v.inode || v.inode->number != key.first || !probeable(v, dialect_) || u->offset < v.offset ||
                u->offset >= v.offset + (v.end - v.start))
                continue;
            const Addr va = start + (u->offset - v.offset);
            if (const auto found = space.sites.find(va); found == space.sites.end() || !found->second.armed) return va;
        }
    }
    return std::nullopt;
}

std::string Uprobes::broken() {
    if (!broken_.empty()) return broken_;
    std::string found;
    // A thread that is between the two ends of a step there, or of its path behind it.
    const auto steps_at = [&](const Mm& mm, Addr va) {
        return std::any_of(kernel_.tasks().begin(), kernel_.tasks().end(), [&](const auto& t) {
            if (t->process == nullptr || t->process->mm.get() != &mm || t->probe == nullptr) return false;
            const auto& u = static_cast<const Utask&>(*t->probe);
            return u.address == va && (u.active != nullptr || t->path.valid());
        });
    };
    for (const auto& space : spaces_) {
        if (!space) continue;
        Mm& mm = *space->mm;
        if (const Process* p = owner(mm); p != nullptr && p->group_exit) continue; // its threads go one by one
        if (const std::optional<Addr> va = not_armed(*space); va)
            least(found, fmt::format("the probe at {:#x} is registered, and it is not there", *va));
        for (const auto& [va, s] : space->sites) {
            if (!s.armed) continue;
            const auto& consumers = s.uprobe->consumers;
            if (!s.uprobe->locked && s.uprobe->running == 0 &&
                std::all_of(consumers.begin(), consumers.end(), [](const Consumer* c) { return c == nullptr; }))
                least(found, fmt::format("the probe at {:#x} is armed, and nobody wants it", va));
            const auto page = space->pages.find(page_floor(va));
            if (page == space->pages.end() || !page->second || !page->second->mapped())
                continue; // the program has replaced it
            if (page->second->lifted(va)) {
                if (!steps_at(mm, va) && !strategy_->watches(mm, va))
                    least(found, fmt::format("nobody steps at {:#x}, and the original byte stands there", va));
                continue;
            }
            const std::uint8_t byte = kernel_.frames().data(mm.frame_at(va))[va & kPageMask];
            if (byte == s.uprobe->bytes[0] && byte != kBreakpoint)
                least(found, fmt::format("the probe at {:#x} is armed, and the original byte stands there", va));
        }
        for (const auto& [at, page] : space->pages) {
            if (!page) continue; // about to be copied
            for (const Addr va : page->patched())
                if (!space->sites.contains(va))
                    least(found, fmt::format("there is no probe at {:#x} any more, and its int3 is still there", va));
        }
        if (std::string slots = strategy_->broken(mm); !slots.empty()) least(found, std::move(slots));
    }
    for (const auto& t : kernel_.tasks()) {
        if (t->process == nullptr || t->probe == nullptr || t->path.valid() || !t->alive()) continue;
        const auto& u = static_cast<const Utask&>(*t->probe);
        if (!u.our_trap_flag) continue;
        if (u.active == nullptr && kernel_.trap_flag(*t))
            least(found, fmt::format("{} goes on with the TF of a step that is over", t->name));
        else if (u.active != nullptr && !kernel_.trap_flag(*t))
            least(found, fmt::format("{} runs a copy without the TF that would end it", t->name));
    }
    return found;
}

} // namespace trapline
