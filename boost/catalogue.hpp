// boost/catalogue.hpp: every strategy there is, in one table.
//
// The strategies themselves live in two rooms: probes/strategies/ has those that the trap path alone can carry, boost/
// those that add code of their own to the program. This table is above both, and it is what command lines, scenario
// files and reports choose from. A new strategy is a file and a line here. Read next: probes/strategy.hpp.
#pragma once

#include "probes/strategy.hpp"

#include <span>

namespace trapline {

/// In the order of DESIGN.md's table.
std::span<const StrategyInfo> strategies();
/// nullptr when there is none of that name.
const StrategyInfo* strategy_info(std::string_view name);

} // namespace trapline
