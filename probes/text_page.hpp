// probes/text_page.hpp: the private copy of a text page that breakpoints live in.
//
// The first breakpoint on a page copies it into a frame of this address space; from then on bytes change in the copy
// only, and every other process that maps the file keeps executing the page cache's frame. Other breakpoints on the
// page go into the same copy (Linux: page handling, text-write atomicity).
//
// Strategies that lift a breakpoint show the bare instruction for a moment. On the host that is done without rewriting
// any byte: for each set of lifted probe points there is a variant frame, and lifting is a change of the page-table
// entry, so both stay translated. Variants are an economy of the host: they do not count as copies.
#pragma once

#include "emu/mm/mm.hpp"

#include <map>
#include <span>
#include <vector>

namespace trapline {

inline constexpr std::uint8_t kBreakpoint = 0xcc;

class TextPage {
  public:
    /// Copies the page at `page` (which must be mapped and is faulted in). Check `valid`: RAM may be full.
    TextPage(Mm& mm, Addr page);
    /// For a forked child, which has inherited the parent's frame and shares it until it changes a byte.
    TextPage(Mm& child, const TextPage& parent);
    ~TextPage();
    TextPage(const TextPage&) = delete;
    TextPage& operator=(const TextPage&) = delete;
    [[nodiscard]] bool valid() const { return frame_ != 0; }
    /// What a page does unless it has a defect on purpose (mutations.inc).
    struct Defects {
        bool copies = true; ///< what fork shares, before it is written
    };
    void have(Defects defects) { defects_ = defects; }

    /// Writes int3 at `va`; `original` is what it displaces. Like all writes, it goes to what the program has there
    /// now.
    void arm(Addr va, std::uint8_t original);
    /// Puts the original byte back. False: it is no int3 any more, somebody else wrote there, and it is left alone.
    bool disarm(Addr va);
    /// Writes `bytes` at `va`: what a strategy puts in place of an instruction, or back. They lie in this page. Where a
    /// probe point is armed, its int3 goes and comes with the bytes; the page still knows what it displaced.
    void patch(Addr va, std::span<const std::uint8_t> bytes);
    /// The byte that comes back when the probe point at `va` is disarmed, if it is not the one that was there.
    void displaces(Addr va, std::uint8_t byte) { originals_.at(offset(va)) = byte; }
    /// Are the copy's bytes those of `frame`?
    [[nodiscard]] bool equals(FrameNo frame) const;
    /// Shows the original byte at `va`, or the int3 again, by mapping another frame.
    void lift(Addr va);
    void lower(Addr va);
    [[nodiscard]] bool lifted(Addr va) const { return lifted_.contains(offset(va)); }
    [[nodiscard]] bool empty() const { return originals_.empty(); }
    /// Where bytes are displaced, in order.
    [[nodiscard]] std::vector<Addr> patched() const;
    /// Maps `frame` in place of the copy, taking over a reference: the page is as if it had never been probed.
    void give_up(FrameNo frame);
    /// True while the copy, or a variant, is what is mapped: the program may have replaced it by mmap or by writing.
    [[nodiscard]] bool mapped() const;

  private:
    static std::uint16_t offset(Addr va) { return static_cast<std::uint16_t>(va & kPageMask); }
    void adopt();
    void make_exclusive();
    void poke(std::uint16_t at, std::span<const std::uint8_t> bytes);
    void show();
    void drop_variants();

    Mm& mm_;
    const Addr page_;
    FrameNo frame_ = 0;                               // the copy with every int3 in it; we hold a reference
    std::map<std::uint16_t, std::uint8_t> originals_; // displaced bytes by offset
    std::map<std::uint16_t, std::uint8_t> lifted_;    // the subset that is lifted now
    std::map<std::vector<std::uint16_t>, FrameNo> variants_;
    Defects defects_;
};

} // namespace trapline
