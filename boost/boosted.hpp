// boost/boosted.hpp: the two strategies of boosted.cpp, for the catalogue.
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_boosted(Uprobes& u);
std::unique_ptr<Strategy> make_boosted_as_posted(Uprobes& u);

} // namespace trapline
