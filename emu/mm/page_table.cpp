#include "emu/mm/page_table.hpp"

#include "emu/check.hpp"

#include <algorithm>

namespace trapline {
namespace {
constexpr Pte kTableBits = pte::present | pte::writable | pte::user;
constexpr unsigned kKernelIndex = 256; // PML4 entry of the first upper-half address
constexpr unsigned index_at(Addr va, int level) { return static_cast<unsigned>(va >> (12 + 9 * level)) & 511; }
} // namespace

PageTable::PageTable(Frames& frames, FrameNo kernel_pdpt) : frames_(frames), root_(frames.allocate()) {
    TL_CHECK(root_ != 0, "no frame for a page table root");
    if (kernel_pdpt != 0) *entry(root_, kKernelIndex) = pte::make(kernel_pdpt, kTableBits);
}

PageTable::~PageTable() {
    *entry(root_, kKernelIndex) = 0; // the kernel's window belongs to the machine
    release(root_, 3);
}

void PageTable::release(FrameNo table, int level) {
    if (level > 0)
        for (unsigned i = 0; i < 512; ++i)
            if (Pte e = *entry(table, i); (e & pte::present) != 0) release(pte::frame(e), level - 1);
    frames_.put(table);
}

Pte PageTable::get(Addr va) const {
    FrameNo table = root_;
    for (int level = 3; level > 0; --level) {
        Pte e = *entry(table, index_at(va, level));
        if ((e & pte::present) == 0) return 0;
        table = pte::frame(e);
    }
    return *entry(table, index_at(va, 0));
}

Pte* PageTable::slot(Addr va) {
    FrameNo table = root_;
    for (int level = 3; level > 0; --level) {
        Pte* e = entry(table, index_at(va, level));
        if ((*e & pte::present) == 0) {
            FrameNo next = frames_.allocate();
            if (next == 0) return nullptr;
            ++table_frames_;
            *e = pte::make(next, kTableBits);
        }
        table = pte::frame(*e);
    }
    return entry(table, index_at(va, 0));
}

void PageTable::walk(FrameNo table, int level, Addr base, Addr from, Addr to,
                     const std::function<void(Addr, Pte&)>& f) {
    const Addr span = Addr{1} << (12 + 9 * level);
    unsigned first = from > base ? static_cast<unsigned>((from - base) / span) : 0;
    for (unsigned i = first; i < 512 && base + i * span < to; ++i) {
        Pte* e = entry(table, i);
        if (*e == 0) continue;
        if (level == 0)
            f(base + i * span, *e);
        else
            walk(pte::frame(*e), level - 1, base + i * span, from, to, f);
    }
}

void PageTable::each(Addr from, Addr to, const std::function<void(Addr, Pte&)>& f) {
    walk(root_, 3, 0, page_floor(from), std::min(to, kReservedPage + kPageSize), f);
}

} // namespace trapline
