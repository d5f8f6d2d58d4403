// boost/nops.hpp: the strategies of nop5.cpp and nop10.cpp, for the catalogue.
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_nop5(Uprobes& u);
std::unique_ptr<Strategy> make_nop10(Uprobes& u);

} // namespace trapline
