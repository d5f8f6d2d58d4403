// tools/run_table.hpp: what a run showed, as text for people.
#pragma once

#include "scenarios/run.hpp"

#include <string>

namespace trapline {

/// A row for each probe, then the counters, the cost, and what repeats the run. Only the token's line may be wider than
/// 100 columns, because it is there to be copied.
[[nodiscard]] std::string run_table(const RunRequest& request, const RunReport& report);

/// One hit as the kernel's tracer shows it: `ls-1000 [000] 0.000123: getenv: (0x7ffff7c21990) name="LANG"`, the values
/// in printable ASCII. Times are virtual.
[[nodiscard]] std::string hit_line(const RunRequest& request, const Fetched& hit);

} // namespace trapline
