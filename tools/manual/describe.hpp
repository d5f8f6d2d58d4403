// manual/describe.hpp: what every subcommand says of itself, gathered.
//
// A subcommand's options are described once, where it declares them to its CommandLine. Asked for a description it runs
// up to that line and no further. man_page.hpp and completion.hpp turn descriptions into what `trapline manual` and
// `trapline completion` print, so that neither can name an option that is not there. Read next: man_page.hpp.
#pragma once

#include "tools/command.hpp"

#include <vector>

namespace trapline {

/// In the order of the overview.
[[nodiscard]] std::vector<CommandDescription> describe_subcommands();

} // namespace trapline
