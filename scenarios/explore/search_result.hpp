// scenarios/explore/search_result.hpp: what a search, or a part of one, has come to.
//
// Runs that ended alike are counted, not kept: of each way to end there is one entry with its simplest witness. Ways to
// end are few (tens) where runs are millions, so a result stays small; results of parts are joined in the parts' order,
// so the sum does not depend on who searched which part, or when. It is what worker processes send, and what is written
// to a file to be resumed. Read next: scenarios/explore/explorer.hpp.
#pragma once

#include "scenarios/explore/machine_space.hpp"
#include "scenarios/explore/search.hpp"
#include "scenarios/verdict.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// The runs that ended alike: the same end, output, truth of the probes and counters.
struct Finding {
    /// The fingerprint of all runs that were given up: their counts say only when that was.
    static constexpr std::uint64_t kGivenUp = 1;
    std::uint64_t fingerprint = 0;
    std::uint64_t runs = 0;
    RunOutcome outcome; ///< with the witness's preemptions
    std::string token;  ///< of the witness: the fewest preemptions, then the fewest switches, then the first
    std::uint64_t switches = 0;

    [[nodiscard]] bool simpler(std::uint64_t preemptions, std::uint64_t its_switches) const {
        return outcome.preemptions != preemptions ? outcome.preemptions < preemptions : switches < its_switches;
    }
};

struct SearchResult {
    SearchCounts counts;
    std::uint64_t longest = 0;        ///< stretches of the longest run
    std::uint64_t tasks = 0;          ///< the most tasks that any run had
    std::uint64_t assumed_length = 0; ///< of pct: its guarantee holds if no run is longer
    /// How often each kind of scheduling point was reached, in all runs.
    std::array<std::uint64_t, MachineSpace::kPoints> points{};
    std::vector<Finding> findings; ///< in the order in which they were first seen

    [[nodiscard]] std::uint64_t runs() const { return counts.complete + counts.blocked + counts.cut; }
    /// nullptr: nothing ended that way.
    [[nodiscard]] Finding* find(std::uint64_t fingerprint);
    /// Joins the result of the part that comes next. `exhausted` is the caller's to say.
    void join(const SearchResult& next);
    /// Takes simpler witnesses from another search of the same thing. The findings that are not known here: the answer.
    [[nodiscard]] std::vector<Finding> take_witnesses(const SearchResult& other);
};

[[nodiscard]] std::string to_json(const SearchResult& result);
/// Nothing when it is not what to_json writes.
[[nodiscard]] std::optional<SearchResult> search_result(std::string_view json);

} // namespace trapline
