// scenarios/explore/explain.hpp: why a schedule ends as it does.
//
// A finding is a token; people want to know which two steps matter. The run is made again with footprints, its races
// are found (pairs of stretches that conflict, with nothing between that orders them), and each is turned round in a
// run of its own. A race decides if the run then no longer ends in the way that is to be explained. The missed probe,
// for example, has two: `t1 text-restored` comes before `t2 executes :hot`, and that before `t1 text-armed`.
//
// The same run as a schedule script is for scenario files: it names events and not positions, so it lives longer.
// Read next: scenarios/explore/machine_space.hpp.
#pragma once

#include "scenarios/explore/machine_space.hpp"

#include <functional>
#include <string>
#include <vector>

namespace trapline {

/// `earlier` came before `later`, and had it been the other way round, the run had not ended like this.
struct Decisive {
    std::string earlier, later; ///< "t1 text-restored", "t2 executes :hot"
};

struct Explanation {
    std::vector<Decisive> decisive; ///< in the order of the run
    std::string script;             ///< a schedule script with the same order
};

/// Explains the run of `token` with `request` in the space of `section`. `like_this`: whether a run ends in the way
/// that is to be explained; it must hold for the token's own. An Error when the token does not fit the space.
Result<Explanation> explain(const RunRequest& request, const ExploreSection& section, const Token& token,
                            const std::function<bool(const RunReport&)>& like_this);

} // namespace trapline
