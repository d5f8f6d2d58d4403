// emu/mm/page_table.hpp: 4-level page tables that live in guest RAM and that the CPU walks itself.
//
// Intel SDM volume 3, "4-Level Paging". The upper half has one entry, shared by all address spaces: the kernel's window
// with the descriptor table and a scratch page. Read next: emu/mm/mm.hpp, who decides what is mapped.
#pragma once

#include "emu/mm/frames.hpp"

#include <functional>

namespace trapline {

using Pte = std::uint64_t;
namespace pte {
inline constexpr Pte present = 1, writable = 2, user = 4, accessed = 0x20, dirty = 0x40, no_execute = 1ull << 63;
/// Software bit: the text may change by stores that the machine does not see (a writable alias), so it is decoded each
/// time.
inline constexpr Pte volatile_text = 1u << 9;
inline constexpr Pte address = 0x000ffffffffff000ull;
constexpr FrameNo frame(Pte e) { return static_cast<FrameNo>((e & address) / kPageSize); }
constexpr Pte make(FrameNo f, Pte bits) { return frame_base(f) | bits; }
} // namespace pte

class PageTable {
  public:
    /// `kernel_pdpt` is the frame that PML4 entry 256 points to, 0 for none.
    PageTable(Frames& frames, FrameNo kernel_pdpt);
    ~PageTable();
    PageTable(const PageTable&) = delete;
    PageTable& operator=(const PageTable&) = delete;

    [[nodiscard]] PhysAddr root() const { return frame_base(root_); }
    /// The entry for `va`, 0 when there is none.
    [[nodiscard]] Pte get(Addr va) const;
    /// Where the entry for `va` is stored, making the tables on the way; nullptr when RAM is full.
    [[nodiscard]] Pte* slot(Addr va);
    /// Calls `f(va, entry)` for every non-zero entry in [from, to), in address order.
    void each(Addr from, Addr to, const std::function<void(Addr, Pte&)>& f);
    /// Frames that the tables themselves occupy.
    [[nodiscard]] std::uint32_t table_frames() const { return table_frames_; }

  private:
    Pte* entry(FrameNo table, unsigned index) const { return reinterpret_cast<Pte*>(frames_.data(table)) + index; }
    void walk(FrameNo table, int level, Addr base, Addr from, Addr to, const std::function<void(Addr, Pte&)>& f);
    void release(FrameNo table, int level);

    Frames& frames_;
    FrameNo root_;
    std::uint32_t table_frames_ = 1;
};

} // namespace trapline
