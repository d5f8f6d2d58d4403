// probes/xol_area.hpp: the XOL area: one page of slots in the probed program's address space.
//
// 32 slots of 128 bytes; slot 0 is reserved for the return trampoline, as in Linux (facts M4). The kernel writes slots
// through its own view of the page, so they work as text even after the program has unmapped the area; then the copy
// faults (measured on Linux 6.18.44). Where the page lies is what seed 001 argues about:
//
//   vma            execute-only, `[uprobes]`, as high as possible: visible in /proc/PID/maps, and munmap removes it
//   hidden_vma     the same, left out of /proc/PID/maps
//   reserved_page  the page above the last user address, in no VMA: nothing that the program can name
#pragma once

#include "emu/kernel/wait.hpp"
#include "emu/mm/mm.hpp"

#include <bit>
#include <memory>
#include <span>

namespace trapline {

class XolArea {
  public:
    static constexpr int kSlots = 32;
    static constexpr std::uint64_t kSlotBytes = 128;
    enum class Place : std::uint8_t { vma, hidden_vma, reserved_page };

    /// Maps the area; check `address`: 0 when there is no room for it.
    XolArea(Mm& mm, Place place);
    /// Only so many slots from now on, the reserved one included.
    void limit(int slots) { slots_ = slots; }
    /// The lowest free slot, or -1 when all are taken.
    int take();
    void free(int slot);
    [[nodiscard]] bool full() const { return std::countr_one(taken_) >= slots_; }
    /// Marks a slot as taken, whoever has it.
    void claim(int slot);
    /// Puts `bytes` into a slot that is taken. Without `flush` the CPU may go on executing what it had fetched; with
    /// `keep` a slot that was written before is left as it is. Both are defects (mutations.inc).
    void write(int slot, std::span<const std::uint8_t> bytes, bool flush = true, bool keep = false);
    [[nodiscard]] Addr slot_address(int slot) const { return address + static_cast<Addr>(slot) * kSlotBytes; }
    [[nodiscard]] bool taken(int slot) const { return (taken_ >> slot & 1) != 0; }
    [[nodiscard]] unsigned used() const { return used_; } ///< the most slots ever taken at once

    Addr address = 0;
    WaitQueue waiters;

  private:
    Mm& mm_;
    std::shared_ptr<MemoryInode> file_; // of a VMA: keeps the page when the program unmaps it
    FrameNo frame_ = 0;
    int slots_ = kSlots;
    std::uint32_t taken_ = 1; // a bit a slot
    unsigned in_use_ = 0, used_ = 0;
};

} // namespace trapline
