// boost/kernel_exec.hpp: the three strategies of kernel_exec.cpp, for the catalogue.
#pragma once

#include "probes/strategy.hpp"

namespace trapline {

std::unique_ptr<Strategy> make_kernel_exec(Uprobes& u);
std::unique_ptr<Strategy> make_kernel_exec_unchecked(Uprobes& u);
std::unique_ptr<Strategy> make_kernel_exec_cpl2(Uprobes& u);

} // namespace trapline
