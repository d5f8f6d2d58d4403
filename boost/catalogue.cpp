#include "boost/catalogue.hpp"

#include <array>

namespace trapline {
namespace {
constexpr std::array kStrategies = {
    StrategyInfo{"inline", "lift the int3, single-step in place, put it back", "seeds 003 and 004", make_inline},
    StrategyInfo{"xol", "single-step a copy in a slot of the XOL area, a slot per hit", "seed 004; Linux since 3.5",
                 make_xol},
};
} // namespace

std::span<const StrategyInfo> strategies() { return kStrategies; }

const StrategyInfo* strategy_info(std::string_view name) {
    for (const StrategyInfo& s : kStrategies)
        if (s.name == name) return &s;
    return nullptr;
}

} // namespace trapline
