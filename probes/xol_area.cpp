#include "probes/xol_area.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace trapline {

XolArea::XolArea(Mm& mm, Place place) : mm_(mm) {
    if (place == Place::reserved_page) {
        frame_ = mm.frames().allocate();
        if (frame_ == 0) return;
        if (mm.map_reserved(frame_))
            address = kReservedPage;
        else
            mm.frames().put(frame_);
        return;
    }
    file_ = std::make_shared<MemoryInode>(mm.frames(), ~0ull, "[uprobes]", kPageSize);
    frame_ = file_->page(0);
    // "Try to map as high as possible, this is only a hint" (Linux: xol_add_vma, by behaviour): 0x7fffffffe000.
    Vma v;
    v.start = mm.find_free(kPageSize, kTaskSize - kPageSize);
    if (frame_ == 0 || v.start == 0) return;
    v.end = v.start + kPageSize;
    v.prot = prot::exec;
    v.dont_copy = true;
    v.sealed = true;
    v.hidden = place == Place::hidden_vma;
    v.inode = file_;
    v.name = "[uprobes]";
    const Addr at = v.start;
    if (mm.map(std::move(v)) == 0) address = at;
}

int XolArea::take() {
    const int slot = std::countr_one(taken_);
    if (slot >= slots_) return -1;
    taken_ |= 1u << slot;
    used_ = std::max(used_, ++in_use_);
    return slot;
}

void XolArea::free(int slot) {
    TL_CHECK(slot > 0 && (taken_ >> slot & 1) != 0, "XOL slot {} freed twice", slot);
    taken_ &= ~(1u << slot);
    --in_use_;
}

void XolArea::claim(int slot) {
    if (taken(slot)) return;
    taken_ |= 1u << slot;
    used_ = std::max(used_, ++in_use_);
}

void XolArea::write(int slot, std::span<const std::uint8_t> bytes, bool flush, bool keep) {
    const std::uint64_t at = static_cast<std::uint64_t>(slot) * kSlotBytes;
    std::uint8_t* p = mm_.frames().data(frame_) + at;
    // The slot often holds this very copy from the hit before: then its translation is still good.
    if (std::equal(bytes.begin(), bytes.end(), p)) return;
    if (keep && p[0] != 0) return;
    std::memcpy(p, bytes.data(), bytes.size());
    if (flush && mm_.frames().holds_code(frame_)) mm_.cpu().drop_code(frame_base(frame_) + at, kSlotBytes);
}

} // namespace trapline
