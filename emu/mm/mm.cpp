#include "emu/mm/mm.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace trapline {

Mm::Mm(Frames& frames, Cpu& cpu, std::uint32_t id, Layout layout, MmObserver* const& observer)
    : frames_(frames), cpu_(cpu), id_(id), layout_(layout), observer_(observer), table_(frames, cpu.kernel_pdpt()) {}

Mm::~Mm() {
    if (observer_ != nullptr) observer_->destroyed(*this);
    cpu_.leave(table_.root());
    drop_pages(0, kReservedPage + kPageSize);
}

void Mm::invalidate() {
    fetch_.flush();
    cpu_.flush_tlb_of(table_.root());
}

const Vma* Mm::find(Addr a) const {
    auto it = vmas_.upper_bound(a);
    if (it == vmas_.begin()) return nullptr;
    --it;
    return it->second.contains(a) ? &it->second : nullptr;
}

Vma* Mm::find_vma(Addr a) { return const_cast<Vma*>(std::as_const(*this).find(a)); }

bool Mm::range_free(Addr start, std::uint64_t bytes) const {
    auto it = vmas_.upper_bound(start);
    if (it != vmas_.begin() && std::prev(it)->second.end > start) return false;
    return it == vmas_.end() || it->first >= start + bytes;
}

Addr Mm::find_free(std::uint64_t bytes, Addr hint) {
    bytes = page_ceil(bytes);
    if (bytes == 0 || bytes > kTaskSize) return 0;
    hint = page_floor(hint);
    if (hint != 0 && hint + bytes <= kTaskSize && range_free(hint, bytes)) return hint;
    // Ten thousand stacks, one below the other: each search goes on where the last one ended.
    Addr top = full_above_ != 0 && bytes >= full_bytes_ ? full_above_ : layout_.mmap_top;
    auto it = vmas_.lower_bound(top);
    if (it != vmas_.begin() && std::prev(it)->second.end > top) top = std::prev(it)->first;
    while (it != vmas_.begin()) {
        --it;
        if (top >= it->second.end && top - it->second.end >= bytes) break;
        top = std::min(top, it->first);
    }
    full_above_ = top;
    full_bytes_ = bytes;
    constexpr Addr kLowest = 0x10000; // vm.mmap_min_addr
    return top >= kLowest + bytes ? top - bytes : 0;
}

/// Cuts the VMA at `it` in two at `at`, which lies inside it; returns the upper part.
Mm::Vmas::iterator Mm::split(Vmas::iterator it, Addr at) {
    Vma upper = it->second;
    upper.offset += at - upper.start;
    upper.start = at;
    it->second.end = at;
    return vmas_.emplace(at, std::move(upper)).first;
}

void Mm::split_at(Addr a) {
    auto it = vmas_.upper_bound(a);
    if (it == vmas_.begin()) return;
    --it;
    if (it->first < a && a < it->second.end) split(it, a);
}

long Mm::map(Vma vma) {
    const Addr start = vma.start;
    const long result = insert(std::move(vma));
    if (result == 0) announce(start);
    return result;
}

long Mm::insert(Vma vma) {
    const std::uint64_t bytes = vma.end - vma.start;
    TL_CHECK(bytes > 0 && (vma.start & kPageMask) == 0 && (vma.end & kPageMask) == 0, "mapping is not page-aligned");
    if (vma.end > kTaskSize || vma.end < vma.start) return -ENOMEM;
    if (!range_free(vma.start, bytes)) unmap(vma.start, bytes);
    if (mapped_bytes_ + bytes > limit_bytes) return -ENOMEM;
    mapped_bytes_ += bytes;
    const Addr start = vma.start;
    // Anonymous neighbours that are alike become one area, as Linux merges them: a heap of a million small mmaps stays
    // small.
    auto next = vmas_.upper_bound(start);
    if (next != vmas_.begin() && !vma.inode) {
        Vma& before = std::prev(next)->second;
        if (before.end == start && !before.inode && before.prot == vma.prot && before.name == vma.name &&
            before.grows_down == vma.grows_down && !before.sealed && !vma.sealed && !vma.shared && !before.dont_copy) {
            before.end = vma.end;
            return 0;
        }
    }
    vmas_.emplace(start, std::move(vma));
    return 0;
}

void Mm::announce(Addr start) {
    const auto it = vmas_.find(start);
    if (observer_ != nullptr && it != vmas_.end() && it->second.inode) observer_->mapped(*this, it->second);
}

void Mm::drop_pages(Addr from, Addr to) {
    bool any = false;
    table_.each(from, to, [&](Addr, Pte& e) {
        frames_.put(pte::frame(e));
        e = 0;
        --resident_;
        any = true;
    });
    if (any) invalidate();
}

long Mm::unmap(Addr start, std::uint64_t bytes) {
    bytes = page_ceil(bytes);
    if ((start & kPageMask) != 0 || bytes == 0 || start >= kTaskSize || bytes > kTaskSize - start) return -EINVAL;
    const Addr end = start + bytes;
    if (range_free(start, bytes)) return 0;
    split_at(start);
    split_at(end);
    auto first = vmas_.lower_bound(start);
    auto last = vmas_.lower_bound(end);
    for (auto it = first; it != last; ++it) {
        if (observer_ != nullptr) observer_->unmapping(*this, it->second, it->first, it->second.end);
        if (it->second.shared && it->second.inode) it->second.inode->flush();
        mapped_bytes_ -= it->second.end - it->first;
    }
    drop_pages(start, end);
    vmas_.erase(first, last);
    if (end > full_above_) full_above_ = 0;
    return 0;
}

long Mm::protect(Addr start, std::uint64_t bytes, std::uint8_t new_prot) {
    bytes = page_ceil(bytes);
    if ((start & kPageMask) != 0) return -EINVAL;
    if (bytes == 0) return 0;
    if (start >= kTaskSize || bytes > kTaskSize - start) return -ENOMEM;
    const Addr end = start + bytes;
    for (Addr a = start; a < end;) { // every page must be mapped
        const Vma* v = find(a);
        if (v == nullptr) return -ENOMEM;
        if (v->sealed) return -EACCES;
        a = v->end;
    }
    split_at(start);
    split_at(end);
    for (auto it = vmas_.lower_bound(start); it != vmas_.end() && it->first < end; ++it) {
        Vma& v = it->second;
        if (v.prot == new_prot) continue;
        v.prot = new_prot;
        table_.each(v.start, v.end, [&](Addr, Pte& e) {
            const FrameNo f = pte::frame(e);
            if ((new_prot & prot::exec) != 0) {
                // The bytes may have been written while the page was not executable: what is known of them is stale.
                if (frames_.holds_code(f)) cpu_.drop_code(f);
                frames_.mark_code(f);
            }
            e = pte::make(f, bits(v, v.shared) | (e & pte::dirty));
            if (new_prot == prot::none) e &= ~pte::present;
        });
    }
    invalidate();
    return 0;
}

long Mm::discard(Addr start, std::uint64_t bytes) {
    bytes = page_ceil(bytes);
    if ((start & kPageMask) != 0 || bytes > kTaskSize || start > kTaskSize - bytes) return -EINVAL;
    if (bytes == 0) return 0;
    drop_pages(start, start + bytes);
    return 0;
}

Addr Mm::set_break(Addr wanted) {
    if (wanted < break_start_ || wanted > kTaskSize) return break_;
    const Addr old_end = page_ceil(break_), new_end = page_ceil(wanted);
    if (new_end > old_end) {
        Vma v;
        v.start = old_end;
        v.end = new_end;
        v.prot = prot::read | prot::write;
        v.name = "[heap]";
        if (!range_free(old_end, new_end - old_end) || map(std::move(v)) != 0) return break_;
    } else if (new_end < old_end) {
        unmap(new_end, old_end - new_end);
    }
    return break_ = wanted;
}

long Mm::remap(Addr old, std::uint64_t old_bytes, std::uint64_t new_bytes, bool may_move, Addr fixed) {
    old_bytes = page_ceil(old_bytes);
    new_bytes = page_ceil(new_bytes);
    if ((old & kPageMask) != 0 || new_bytes == 0 || new_bytes > kTaskSize) return -EINVAL;
    const Vma* v = find(old);
    if (v == nullptr || (old_bytes > 0 && old + old_bytes > v->end)) return -EFAULT;
    if (v->sealed) return new_bytes > old_bytes ? -EFAULT : -EPERM; // Linux: VM_DONTEXPAND; the mapping's own refusal
    if (fixed == 0 && new_bytes <= old_bytes) {
        if (new_bytes < old_bytes) unmap(old + new_bytes, old_bytes - new_bytes);
        return static_cast<long>(old);
    }
    if (fixed == 0 && old + old_bytes == v->end && range_free(v->end, new_bytes - old_bytes) &&
        old + new_bytes <= kTaskSize) {
        if (mapped_bytes_ + (new_bytes - old_bytes) > limit_bytes) return -ENOMEM;
        mapped_bytes_ += new_bytes - old_bytes;
        find_vma(old)->end = old + new_bytes;
        return static_cast<long>(old);
    }
    if (!may_move) return -ENOMEM;
    const Addr to = fixed != 0 ? fixed : find_free(new_bytes);
    if (to == 0) return -ENOMEM;
    if (fixed != 0) unmap(to, new_bytes);
    // The tables are made first: when RAM is too short for them, nothing has moved yet.
    bool room = true;
    table_.each(old, old + std::min(old_bytes, new_bytes),
                [&](Addr a, Pte&) { room = room && table_.slot(to + (a - old)) != nullptr; });
    if (!room) return -ENOMEM;
    Vma moved = *find(old);
    moved.offset = moved.file_offset(old);
    moved.start = to;
    moved.end = to + new_bytes;
    if (long r = insert(std::move(moved)); r != 0) return r;
    // The pages move with what is in them, an int3 included (Linux: mprotect, mremap).
    table_.each(old, old + std::min(old_bytes, new_bytes), [&](Addr a, Pte& e) {
        Pte* slot = table_.slot(to + (a - old));
        TL_CHECK(slot != nullptr, "out of RAM for page tables in mremap");
        *slot = e;
        e = 0;
    });
    invalidate();
    unmap(old, old_bytes);
    announce(to); // who puts breakpoints there finds the pages that have moved
    return static_cast<long>(to);
}

FrameNo Mm::frame_at(Addr a) const { return pte::frame(table_.get(a)); }

void Mm::replace_frame(Addr a, FrameNo frame) {
    const Vma* v = find(a);
    TL_CHECK(v != nullptr, "no mapping at {:#x} to put a frame into", a);
    Pte* slot = table_.slot(a);
    TL_CHECK(slot != nullptr, "out of RAM for page tables");
    if (*slot != 0)
        frames_.put(pte::frame(*slot));
    else
        ++resident_;
    if ((v->prot & prot::exec) != 0) frames_.mark_code(frame);
    *slot = pte::make(frame, bits(*v, false));
    if (v->prot == prot::none) *slot &= ~pte::present;
    fetch_.flush_page(a);
    cpu_.flush_tlb_of(table_.root());
}

bool Mm::lift_no_execute(Addr a) {
    if ((table_.get(a) & (pte::present | pte::no_execute)) != (pte::present | pte::no_execute)) return false;
    Pte* slot = table_.slot(a);
    *slot = (*slot & ~pte::no_execute) | pte::volatile_text;
    frames_.mark_code(pte::frame(*slot));
    fetch_.flush_page(a);
    cpu_.flush_tlb_of(table_.root());
    return true;
}

bool Mm::map_reserved(FrameNo frame) {
    Pte* slot = table_.slot(kReservedPage);
    if (slot == nullptr) return false;
    TL_CHECK(*slot == 0, "the reserved page is taken");
    frames_.mark_code(frame);
    *slot = pte::make(frame, pte::present | pte::user);
    ++resident_;
    return true;
}

bool Mm::duplicate_into(Mm& child) {
    child.break_start_ = break_start_;
    child.break_ = break_;
    child.limit_bytes = limit_bytes;
    child.limit_stack = limit_stack;
    bool ok = true;
    for (auto& [start, v] : vmas_) {
        if (v.dont_copy) continue;
        child.vmas_.emplace(start, v);
        child.mapped_bytes_ += v.end - v.start;
        table_.each(v.start, v.end, [&](Addr a, Pte& e) {
            if (!v.shared) e &= ~pte::writable;
            Pte* slot = ok ? child.table_.slot(a) : nullptr;
            if (slot == nullptr) {
                ok = false;
                return;
            }
            frames_.get(pte::frame(e));
            *slot = e;
            ++child.resident_;
        });
    }
    invalidate();
    if (ok && observer_ != nullptr) observer_->duplicated(*this, child);
    return ok;
}

} // namespace trapline
