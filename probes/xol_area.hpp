// probes/xol_area.hpp: the XOL area: one page of slots in the probed program's address space.
//
// 32 slots of 128 bytes; slot 0 is reserved for the return trampoline, as in Linux (facts M4). The page is mapped
// execute-only as `[uprobes]`, as high as possible, on the first hit that needs it. The kernel writes slots through its
// own view of the page, so they work as text even after the program has unmapped the area; then the copy faults
// (facts 7.4).
#pragma once

#include "emu/kernel/wait.hpp"
#include "emu/mm/mm.hpp"

#include <memory>
#include <span>

namespace trapline {

class XolArea {
  public:
    static constexpr int kSlots = 32;
    static constexpr std::uint64_t kSlotBytes = 128;

    /// Maps the area; check `address`: 0 when there is no room for it.
    explicit XolArea(Mm& mm);
    /// The lowest free slot, or -1 when all are taken.
    int take();
    void free(int slot);
    /// Puts `bytes` into a slot that is taken.
    void write(int slot, std::span<const std::uint8_t> bytes);
    [[nodiscard]] Addr slot_address(int slot) const { return address + static_cast<Addr>(slot) * kSlotBytes; }
    [[nodiscard]] unsigned used() const { return used_; } ///< the most slots ever taken at once

    Addr address = 0;
    WaitQueue waiters;

  private:
    Mm& mm_;
    std::shared_ptr<MemoryInode> page_;
    std::uint32_t taken_ = 1; // a bit a slot
    unsigned in_use_ = 0, used_ = 0;
};

} // namespace trapline
