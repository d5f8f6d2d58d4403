// tools/explore_report.hpp: what a search found, for people and for programs.
//
// Two questions are answered and kept apart: is an execution of a probed instruction ever missed (the word of the
// interface: never, sometimes, always, not-seen), and does what the scenario expects hold (the row, as of `replay`).
// `never` and `always` are only said of a space that was searched completely, and the text says which space that is.
#pragma once

#include "scenarios/explore/explain.hpp"
#include "scenarios/explore/explorer.hpp"
#include "scenarios/verdict.hpp"

#include <string>
#include <vector>

namespace trapline {

struct ExploreRow {
    ResultRow row;
    ExploreSection section;
    Explored explored;
    double seconds = 0;      ///< of this call
    Explanation explanation; ///< of the witness, if there is one
};

/// The schedule that shows what was found: the one that violates what is expected, else the simplest that misses, else
/// one of those that were expected. Empty: there is nothing to show.
[[nodiscard]] std::string witness(const ExploreRow& row);

/// How often probed executions are missed.
struct MissVerdict {
    std::string_view word; ///< never, sometimes, always, not-seen
    std::uint64_t schedules = 0, with_miss = 0;
    const Finding* simplest = nullptr; ///< that misses, or nullptr
    bool fewest = false;               ///< nothing with fewer preemptions misses
    bool executed = false;             ///< a probed instruction was executed in some run; else `never` says nothing
};
[[nodiscard]] MissVerdict miss_verdict(const ExploreRow& row);

/// Holds what was found against what the scenario expects. Exact numbers that stand beside a fixed schedule are about
/// that schedule, and not looked at.
[[nodiscard]] ResultRow judge(const Scenario& scenario, const std::string& strategy, const Explored& explored);

/// A scenario file that follows the witness's schedule and expects what the scenario expects of its strategy.
[[nodiscard]] std::string saved_scenario(const Scenario& scenario, const ExploreRow& row);

[[nodiscard]] std::string explore_text(const ExploreRow& row);
/// `explore --json` (INTERFACES), ended by a newline.
[[nodiscard]] std::string explore_json(const std::vector<ExploreRow>& rows);

} // namespace trapline
