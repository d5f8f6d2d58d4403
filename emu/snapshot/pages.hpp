// emu/snapshot/pages.hpp: a region of host memory that is put back at a cost in proportion to the pages changed.
//
// When tracking begins the region is made read-only. The first store to a page, whoever makes it (our code, the
// engine's translated code), raises SIGSEGV; the handler keeps a copy of the page, makes it writable, and the store is
// made again. From then on the page is *hot*: it stays writable, and every `put_back` copies it. A search repeats
// nearly the same run again and again, so after a few of them there are no faults any more and putting back is a
// handful of 4 KiB copies.
//
// A system call that stores into a page that is not hot fails with EFAULT instead; whoever passes such memory to one
// must `touch` it first. Read next: emu/snapshot/snapshot.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trapline {

class TrackedPages {
  public:
    /// Begins to track `region`, which is page-aligned and not empty; at most a few regions at a time.
    explicit TrackedPages(std::span<std::uint8_t> region);
    /// Leaves the region as it is, and writable.
    ~TrackedPages();
    TrackedPages(const TrackedPages&) = delete;
    TrackedPages& operator=(const TrackedPages&) = delete;

    /// Indices of the pages that were changed at some time since tracking began, in the order of their first change.
    [[nodiscard]] std::span<const std::uint32_t> hot() const { return {hot_, hot_count_}; }
    [[nodiscard]] const std::uint8_t* current(std::uint32_t page) const { return region_.data() + page * kBytes; }
    [[nodiscard]] const std::uint8_t* kept(std::uint32_t page) const { return shadow_ + page * kBytes; }
    /// Every page is again what it was when tracking began.
    void put_back();

    static constexpr std::size_t kBytes = 4096;

  private:
    static void on_fault(int, void* info, void* context);
    bool heat(const std::uint8_t* address);

    std::span<std::uint8_t> region_;
    std::uint8_t* shadow_ = nullptr; // as large as the region; there only where a page is hot
    std::uint32_t* hot_ = nullptr;
    std::size_t hot_count_ = 0;
};

} // namespace trapline
