// emu/mm/frames.hpp: physical memory: frames with numbers and reference counts.
//
// All of guest RAM is one sparse memfd that the CPU engine sees as one region. A frame is 4 KiB of it. Every holder (a
// page table entry, the page cache, a page-table page's owner) has one reference; at zero the frame returns to a free
// list. Frames that are in use are counted, so that a leak is a number that a test can read. Read next:
// emu/mm/page_table.hpp.
#pragma once

#include "emu/types.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace trapline {

class Frames {
  public:
    /// Reserves `bytes` of guest RAM; host memory is used only for what is touched.
    explicit Frames(std::uint64_t bytes);
    ~Frames();
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    /// A zeroed frame with one reference, or 0 (never a valid frame) when RAM is full.
    [[nodiscard]] FrameNo allocate();
    /// A frame with one reference and the contents of `from`, or 0 when RAM is full.
    [[nodiscard]] FrameNo allocate_copy(FrameNo from);
    void get(FrameNo f);
    void put(FrameNo f);
    [[nodiscard]] std::uint32_t references(FrameNo f) const { return info_[f].references; }

    /// Host view of a frame's 4,096 bytes.
    [[nodiscard]] std::uint8_t* data(FrameNo f) const { return ram_ + frame_base(f); }
    [[nodiscard]] std::uint8_t* ram() const { return ram_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

    /// Frames from here on have never been used.
    [[nodiscard]] FrameNo fresh() const { return fresh_; }
    /// Frames in use now, page tables included.
    [[nodiscard]] std::uint32_t in_use() const { return in_use_; }
    /// Frames that may be handed out before allocate() refuses: the guest's memory limit.
    void set_limit(std::uint32_t frames) { limit_ = frames; }

    /// What is known of the code in a frame that some page table maps, or once mapped, executable. Whoever changes its
    /// bytes from the host must say so (Cpu::drop_code).
    void mark_code(FrameNo f) { info_[f].code = true; }
    [[nodiscard]] bool holds_code(FrameNo f) const { return info_[f].code; }
    /// Called with a frame that held code before it is used for something else.
    void on_code_freed(std::function<void(FrameNo)> f) { code_freed_ = std::move(f); }

  private:
    struct Info {
        std::uint32_t references = 0;
        bool code = false;
    };
    std::uint8_t* ram_ = nullptr;
    std::uint64_t bytes_;
    int fd_ = -1;
    std::vector<Info> info_;
    std::vector<FrameNo> free_; // last in, first out: the order is part of the machine's determinism
    FrameNo fresh_ = 1;         // frames from here on have never been used and read as zero
    std::uint32_t in_use_ = 0;
    std::uint32_t limit_;
    std::function<void(FrameNo)> code_freed_;
};

} // namespace trapline
