// tools/compare_row.hpp: what `compare` says about one strategy.
#pragma once

#include "emu/types.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace trapline {

struct CompareRow {
    std::string strategy;
    std::uint64_t executions = 0, hits = 0, missed = 0, repeated = 0; ///< over all probes
    std::string verdict;                                              ///< a word or two: "no miss", "missed 3"
    std::uint64_t traps = 0;                                          ///< breakpoint and step traps of the run
    Cycles cycles = 0; ///< virtual, between trap and resumption, over all hits
    std::uint64_t pages_copied = 0, vmas_added = 0;
    std::vector<std::string> notes; ///< one line each
    std::string token;              ///< replays this run

    /// Rounded to the nearest whole number; 0 when there were no hits.
    [[nodiscard]] std::uint64_t traps_per_hit() const { return per_hit(traps); }
    [[nodiscard]] std::uint64_t cycles_per_hit() const { return per_hit(cycles); }

  private:
    [[nodiscard]] std::uint64_t per_hit(std::uint64_t sum) const { return hits == 0 ? 0 : (sum + hits / 2) / hits; }
};

} // namespace trapline
