// emu/kernel/cost_file.hpp: a cost profile as a file, for machines that are not built in.
//
// A line for each thing, in a form that is TOML, too:
//
//   name   = "my machine"        # up to the end of the line is a comment
//   source = "measured by hand"
//   hz     = 2400000000          # cycles a second
//   base   = "bare-metal"        # optional: where prices that are not given come from, in nanoseconds
//   breakpoint-trap = 253.5      # nanoseconds; the names are in prices.inc
//
// `--cost FILE` reads one, `trapline calibrate` writes one. Without `base` every price must be there.
#pragma once

#include "emu/kernel/cost.hpp"
#include "emu/result.hpp"

namespace trapline {

/// The profile in a text; `file` is its name in errors.
Result<CostProfile> parse_cost(std::string_view text, const std::string& file);

/// A built-in profile by its name, or the file: a name with a `/` or `.` in it is a file's.
Result<CostProfile> find_cost(const std::string& name_or_file);

/// The profile as a file's text, with all prices and what they are for.
std::string cost_text(const CostProfile& profile);

} // namespace trapline
