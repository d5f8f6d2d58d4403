// scenarios/explore/explorer.hpp: the whole search of one scenario with one strategy.
//
// An exhaustive search makes these sweeps:
//
//   1  every order without, then with at most one preemption: cheap, and where nearly all findings are
//   2  one order of each class (search.hpp): the proof, or the whole list of ways to end
//   3  every order with at most 2, 3 ... preemptions, while a finding might have a simpler witness than it has
//
// With a bound on preemptions the last of the sweeps 0, 1 ... bound is the search. Sampling is one sweep of single
// runs.
//
// A sweep is cut into parts (part.hpp) in a way that depends on nothing but the scenario: it begins as one part; a part
// that is not done after a number of runs is cut into many. So the result is the same whoever did the parts: this
// process, several, or those of other machines whose results were written to files. Read next: sweep.hpp.
#pragma once

#include "scenarios/explore/sweep.hpp"

namespace trapline {

struct Explored {
    SearchResult result;                ///< of the search itself; witnesses and findings also of the other sweeps
    std::optional<std::uint32_t> bound; ///< on preemptions, of the space
    bool complete = false;              ///< everything in the space was run
    bool budget_ran_out = false, interrupted = false;
    bool not_mine = false;         ///< parts of other shards were left out
    std::uint32_t covered = 0;     ///< every order with fewer preemptions than this was run
    std::uint64_t simplifying = 0; ///< runs of the other sweeps
    /// A run whose end the reduced search should have seen and did not: a defect of trapline. Empty when all is well.
    std::string lost;
};

/// Searches. The references must stay for the call.
Result<Explored> explore(const RunRequest& request, const ExploreSection& section, const SweepOptions& options);

} // namespace trapline
