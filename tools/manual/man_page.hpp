// manual/man_page.hpp: descriptions as pages of the manual, section 1.
//
// The macros are those of man(7), which groff and mandoc both read. Help texts are set as they are, without filling:
// they were laid out by hand for a terminal. Pages have no date: the same version prints the same bytes.
#pragma once

#include "tools/command.hpp"

#include <span>
#include <string>

namespace trapline {

/// trapline(1): the overview.
[[nodiscard]] std::string overview_page(std::span<const Subcommand> commands);
/// trapline-NAME(1).
[[nodiscard]] std::string command_page(const CommandDescription& command);

} // namespace trapline
