// emu/cpu/fetch_map.hpp: one address space as the CPU's front end sees it.
//
// The CPU calls back at the start of every translated block. To count its instructions exactly it must know which
// physical bytes the block came from, so each address space keeps a small direct-mapped table from virtual page to what
// is known of the physical page's blocks (blocks.hpp): a model of the instruction TLB. A page that holds a *watched*
// address is never entered, so blocks near a watch take the slow path, which looks exactly, and all others pay one
// comparison. Read next: emu/cpu/cpu.hpp.
#pragma once

#include "emu/types.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace trapline {

class FetchMap {
  public:
    static constexpr std::size_t kEntries = 512;
    struct Entry {
        Addr page = 1;                         // no page has this address
        const std::uint32_t* blocks = nullptr; ///< Blocks::page of the frame
    };

    [[nodiscard]] Entry& entry(Addr va) { return entries_[(va / kPageSize) % kEntries]; }

    /// To be called whenever a present translation is taken away or replaced.
    void flush() { entries_.fill(Entry{}); }
    void flush_page(Addr va) {
        entry(va) = Entry{};
        entry(va - kPageSize) = Entry{}; // a block of the page before may run into this one
    }

    /// Watches `va`: the CPU reports before it executes the instruction there. Counted, so watches nest.
    void watch(Addr va) {
        watches_.insert(std::upper_bound(watches_.begin(), watches_.end(), va), va);
        flush_page(va);
    }
    void unwatch(Addr va) {
        auto it = std::lower_bound(watches_.begin(), watches_.end(), va);
        if (it != watches_.end() && *it == va) watches_.erase(it);
    }
    /// True when an address in [from, to) is watched.
    [[nodiscard]] bool watched(Addr from, Addr to) const {
        auto it = std::lower_bound(watches_.begin(), watches_.end(), from);
        return it != watches_.end() && *it < to;
    }
    /// How many watch it.
    [[nodiscard]] std::size_t watchers(Addr va) const {
        const auto [from, to] = std::equal_range(watches_.begin(), watches_.end(), va);
        return static_cast<std::size_t>(to - from);
    }
    [[nodiscard]] bool any_watch() const { return !watches_.empty(); }

  private:
    std::array<Entry, kEntries> entries_;
    std::vector<Addr> watches_; // sorted, an address appears once per watch
};

} // namespace trapline
