// tools/json_out.hpp: results as JSON documents, with the keys of INTERFACES.
//
// Numbers are exact integers, strings are UTF-8 (what is not, is replaced), keys stand in the order of the interface,
// and every document ends with a newline. `replay`'s document is written by scenarios/results.hpp.
#pragma once

#include "scenarios/run.hpp"
#include "tools/compare/row.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// `schedule` as it was given: "rr", "random:7", a script, a token.
[[nodiscard]] std::string run_json(const RunRequest& request, const std::string& schedule, const RunReport& report);
[[nodiscard]] std::string compare_json(const std::vector<CompareRow>& rows);

/// A JSON string, with its quotes.
[[nodiscard]] std::string json_string(std::string_view text);

/// "armed", "refused" or "pending".
[[nodiscard]] std::string_view to_string(ProbeReport::State state);

} // namespace trapline
