// boost/jump.hpp: the two strategies of jump.cpp, for the catalogue.
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_jump(Uprobes& u);
std::unique_ptr<Strategy> make_jump_as_posted(Uprobes& u);

} // namespace trapline
