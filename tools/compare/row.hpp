// tools/compare/row.hpp: what `compare` says about one strategy.
//
// A row sums up one run or several (--repeat, or a scenario that samples schedules). Every number keeps its sum and its
// extremes, so that what differs from run to run shows as a spread. Read next: columns.hpp.
#pragma once

#include "scenarios/run.hpp"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace trapline {

/// One number over several runs.
struct Spread {
    double sum = 0, least = 0, most = 0;
    std::uint64_t runs = 0; ///< that had this number

    void add(double value);
    [[nodiscard]] bool varies() const { return runs > 1 && least != most; }
    [[nodiscard]] double mean() const { return runs == 0 ? 0 : sum / static_cast<double>(runs); }
};

/// What is counted in every run.
enum class Count : std::uint8_t {
    executions,
    hits,
    missed,
    repeated,
    traps,
    cycles,
    text_writes,
    pages,
    vmas,
    slots,
    ipis,
    restarts,
    fallbacks,
    instructions,
    total_cycles,
    count_,
};

struct CompareRow {
    std::string strategy, verdict; ///< the verdict is a word or two: "no miss", "missed 3"
    std::uint64_t runs = 0, runs_with_miss = 0, runs_with_repeat = 0;
    std::array<Spread, static_cast<std::size_t>(Count::count_)> counts{};
    Spread traps_per_hit, cycles_per_hit;              ///< of the runs that had hits
    std::map<std::string, Spread> nanoseconds_per_hit; ///< by cost profile
    std::optional<double> probeable;                   ///< share of the program's instructions, 0 to 1
    bool comparable = true;                            ///< all runs came to their ends, with every probe
    std::string noticed;            ///< what the program shows that it does not show without probes; empty: nothing
    std::vector<std::string> notes; ///< one line each
    std::string token;              ///< replays the first run, or the first with a miss

    [[nodiscard]] const Spread& operator[](Count c) const { return counts[static_cast<std::size_t>(c)]; }
    /// Sum over all runs.
    [[nodiscard]] std::uint64_t total(Count c) const { return static_cast<std::uint64_t>((*this)[c].sum); }
    /// Sums of all runs, rounded to the nearest whole number; 0 when there were no hits.
    [[nodiscard]] std::uint64_t per_hit(Count c) const;

    /// One more run.
    void add(const RunReport& report);
    /// The same under another cost profile: only what a hit costs counts.
    void add_cost(const std::string& profile, std::uint64_t hz, const RunReport& report);
    void add_note(std::string note);
    /// All runs are in: makes the verdict.
    void settle(bool diverged, bool limited, bool endless, bool refused);
};

} // namespace trapline
