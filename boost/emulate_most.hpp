// boost/emulate_most.hpp: `emulate-most` (emulate_most.cpp says what it does).
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_emulate_most(Uprobes& u);

} // namespace trapline
