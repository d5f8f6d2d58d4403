// boost/fasttrap.hpp: the strategy of fasttrap.cpp, for the catalogue.
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_fasttrap(Uprobes& u);

} // namespace trapline
