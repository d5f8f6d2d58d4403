// scenarios/explore/footprint.hpp: what one stretch of a run touched, and whether two stretches can change places.
//
// A stretch is what a task does between two scheduling points. Two stretches of different tasks commute unless one
// writes what the other reads or writes; a search then needs only one of their two orders
// (scenarios/explore/search.hpp). A footprint that leaves something out makes a search blind, one that says too much
// only makes it slow. So: what is not known in detail is `everything`, and conflicts with all.
//
//   kinds      objects of the kernel by kind (emu/kernel/step.hpp), not told apart further
//   memory     user memory in granules of eight bytes, by physical address: sharing needs no care
//   mapping    pages whose mapping changed, each as an address and as the frames that were and are there: conflicts
//   with
//              every access to the frames, and with another change there (a frame that is allocated has another number
//              in another order, so the address counts too)
//   code       instructions that were executed, and bytes that the kernel looked at
//   text       bytes of text that were written: conflicts with code there, and with other text of the page, unless both
//              were written in place (a copy in a slot: the page stays where it is)
#pragma once

#include "emu/types.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace trapline {

class Footprint {
  public:
    void clear();
    void everything();
    void kinds(std::uint32_t reads, std::uint32_t writes) {
        kinds_read_ |= reads;
        kinds_written_ |= writes;
    }
    void memory(PhysAddr at, std::uint64_t bytes, bool write);
    void mapping(std::uint32_t space, Addr page, std::span<const FrameNo> frames);
    /// Bytes that the kernel wrote through a mapping of its own: conflicts with accesses to them.
    void poke(PhysAddr at, std::uint64_t bytes);
    void code(std::uint32_t space, Addr from, std::uint64_t bytes);
    /// `space` 0: in every address space. `in_place`: no other frame is mapped for it.
    void text(std::uint32_t space, Addr from, std::uint64_t bytes, bool in_place = false);
    /// To be called when all has been said, before `conflicts`.
    void seal();

    [[nodiscard]] bool conflicts(const Footprint& other) const;

  private:
    using Keys = std::vector<std::uint64_t>; // sorted once sealed
    struct Range {
        std::uint32_t space;
        Addr from, to;
        bool in_place = false; // of text
        bool operator==(const Range&) const = default;
    };
    using Ranges = std::vector<Range>;
    static constexpr std::size_t kMost = 256; // of anything; more than that is everything

    [[nodiscard]] bool memory_conflicts(const Footprint& other) const;
    [[nodiscard]] bool text_conflicts(const Footprint& other) const;
    static void add(Keys& keys, std::uint64_t key);
    static std::uint64_t filter(const Keys& keys, unsigned shift);

    bool everything_ = false;
    std::uint32_t kinds_read_ = 0, kinds_written_ = 0;
    Keys read_, written_; // granules
    Keys poked_;          // granules
    Keys mapped_;         // frames, and pages by address
    Ranges code_, text_;
    // One bit for each of 64 classes of keys: most pairs have none in common.
    std::uint64_t read_filter_ = 0, written_filter_ = 0, poked_filter_ = 0, page_filter_ = 0, mapped_filter_ = 0;
};

} // namespace trapline
