// The page fault, and the kernel's access to user memory, which takes the same road.
#include "emu/check.hpp"
#include "emu/cpu/access_sink.hpp"
#include "emu/mm/mm.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace trapline {

Pte Mm::bits(const Vma& v, bool writable) const {
    Pte b = pte::present | pte::user;
    if (writable && (v.prot & prot::write) != 0) b |= pte::writable;
    if ((v.prot & prot::exec) == 0)
        b |= pte::no_execute;
    else if (v.shared || (v.prot & prot::write) != 0)
        b |= pte::volatile_text;
    return b;
}

/// A stack grows to hold `a` when its limit allows it and one mebibyte to the next area stays free (stack_guard_gap).
bool Mm::grow_stack(Addr a) {
    constexpr std::uint64_t kGuardGap = 256 * kPageSize;
    auto above = vmas_.upper_bound(a);
    if (above == vmas_.end() || !above->second.grows_down) return false;
    const Addr start = page_floor(a);
    if (above->second.end - start > limit_stack) return false;
    if (above != vmas_.begin() && std::prev(above)->second.end + kGuardGap > start) return false;
    Vma v = above->second;
    mapped_bytes_ += v.start - start;
    v.start = start;
    vmas_.erase(above);
    vmas_.emplace(start, std::move(v));
    return true;
}

Mm::Fault Mm::fault(Addr a, std::uint32_t error_code) {
    if (a >= kTaskSize) return Fault::maperr;
    Vma* v = find_vma(a);
    if (v == nullptr) {
        if (!grow_stack(a)) return Fault::maperr;
        v = find_vma(a);
    }
    const bool write = (error_code & pf::write) != 0;
    const bool allowed = (error_code & pf::fetch) != 0 ? (v->prot & prot::exec) != 0
                         : write                       ? (v->prot & prot::write) != 0
                                                       : v->prot != prot::none;
    if (!allowed) return Fault::accerr;
    return fault_in(*v, page_floor(a), write);
}

Mm::Fault Mm::fault_in(Vma& v, Addr a, bool write) {
    AccessSink* sink = cpu_.access_sink();
    if (sink == nullptr) return map_page(v, a, write);
    const FrameNo before = frame_at(a);
    const Fault result = map_page(v, a, write);
    const FrameNo after = frame_at(a);
    const FrameNo cached = v.inode ? v.inode->cached(v.file_offset(a) / kPageSize) : 0;
    sink->mapping(id_, a, std::array{before, after, cached});
    return result;
}

Mm::Fault Mm::map_page(Vma& v, Addr a, bool write) {
    Pte* slot = table_.slot(a);
    if (slot == nullptr) return Fault::out_of_memory;
    const FrameNo old = pte::frame(*slot);
    const bool exec = (v.prot & prot::exec) != 0;

    if (old != 0 && (!write || v.shared || frames_.references(old) == 1)) {
        // The frame is ours alone, or shared on purpose: only the rights change.
        if (write && v.shared && v.inode) v.inode->mark_dirty(v.file_offset(a) / kPageSize);
        *slot = pte::make(old, bits(v, write));
        if (exec) frames_.mark_code(old);
        return Fault::handled;
    }
    if (old != 0) { // copy on write
        const FrameNo copy = frames_.allocate_copy(old);
        if (copy == 0) return Fault::out_of_memory;
        if (exec) frames_.mark_code(copy);
        *slot = pte::make(copy, bits(v, true));
        frames_.put(old);
        ++copies;
        invalidate(); // the old translation may still serve reads
        return Fault::handled;
    }
    FrameNo f = 0;
    bool writable = true;
    if (v.inode) {
        const std::uint64_t offset = v.file_offset(a);
        if (offset >= page_ceil(v.inode->size())) return Fault::bus;
        const FrameNo cached = v.inode->page(offset / kPageSize);
        if (cached == 0) return Fault::out_of_memory;
        if (write && !v.shared) {
            f = frames_.allocate_copy(cached);
            ++copies;
        } else {
            f = cached;
            frames_.get(cached);
            writable = write;
            if (write) v.inode->mark_dirty(offset / kPageSize);
        }
    } else {
        f = frames_.allocate();
    }
    if (f == 0) return Fault::out_of_memory;
    if (exec) frames_.mark_code(f);
    *slot = pte::make(f, bits(v, writable));
    ++resident_;
    return Fault::handled;
}

std::uint8_t* Mm::page(Addr a, std::uint32_t error_code, std::uint64_t bytes) {
    const Pte need = pte::present | pte::user | ((error_code & pf::write) != 0 ? pte::writable : 0);
    Pte e = a < kTaskSize ? table_.get(a) : 0;
    if ((e & need) != need) {
        if (fault(a, error_code | pf::user) != Fault::handled) return nullptr;
        e = table_.get(a);
    }
    const FrameNo f = pte::frame(e);
    if (AccessSink* sink = cpu_.access_sink(); sink != nullptr)
        sink->memory(frame_base(f) + (a & kPageMask), bytes, (error_code & pf::write) != 0);
    // The kernel is about to write where code may have been translated: forget it, the next fetch will look again.
    if ((error_code & pf::write) != 0 && frames_.holds_code(f)) cpu_.drop_code(f);
    return frames_.data(f);
}

bool Mm::access(Addr a, std::size_t n, std::uint32_t error_code, bool force,
                const std::function<void(std::uint8_t*, std::size_t, std::size_t)>& f) {
    std::size_t done = 0;
    while (done < n) {
        const Addr at = a + done;
        if (at < a) return false;
        std::uint8_t* p = nullptr;
        const std::size_t part = std::min<std::size_t>(n - done, kPageSize - (at & kPageMask));
        if (force) {
            Vma* v = find_vma(at);
            if (v == nullptr) return false;
            if (frame_at(at) == 0) {
                if (fault_in(*v, page_floor(at), false) != Fault::handled) return false;
                if (v->prot == prot::none) *table_.slot(at) &= ~pte::present;
            }
            p = frames_.data(frame_at(at));
            if (AccessSink* sink = cpu_.access_sink(); sink != nullptr)
                sink->memory(frame_base(frame_at(at)) + (at & kPageMask), part, false);
        } else {
            p = page(at, error_code, part);
        }
        if (p == nullptr) return false;
        f(p + (at & kPageMask), done, part);
        done += part;
    }
    return true;
}

bool Mm::read(Addr a, void* out, std::size_t n) {
    return access(a, n, 0, false, [&](const std::uint8_t* p, std::size_t done, std::size_t part) {
        std::memcpy(static_cast<std::uint8_t*>(out) + done, p, part);
    });
}

bool Mm::write(Addr a, const void* in, std::size_t n) {
    return access(a, n, pf::write, false, [&](std::uint8_t* p, std::size_t done, std::size_t part) {
        std::memcpy(p, static_cast<const std::uint8_t*>(in) + done, part);
    });
}

bool Mm::force_read(Addr a, void* out, std::size_t n) {
    return access(a, n, 0, true, [&](const std::uint8_t* p, std::size_t done, std::size_t part) {
        std::memcpy(static_cast<std::uint8_t*>(out) + done, p, part);
    });
}

bool Mm::read_string(Addr a, std::string& out, std::size_t limit) {
    out.clear();
    while (out.size() < limit) {
        const Addr at = a + out.size();
        const std::size_t part = std::min<std::size_t>(limit - out.size(), kPageSize - (at & kPageMask));
        const std::uint8_t* p = page(at, 0, part);
        if (p == nullptr) return false;
        const char* text = reinterpret_cast<const char*>(p + (at & kPageMask));
        const std::size_t len = ::strnlen(text, part);
        out.append(text, len);
        if (len < part) return true;
    }
    return false;
}

} // namespace trapline
