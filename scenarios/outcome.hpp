// scenarios/outcome.hpp: a run's report as verdicts know it.
#pragma once

#include "scenarios/run.hpp"
#include "scenarios/verdict.hpp"

namespace trapline {

[[nodiscard]] RunOutcome outcome_of(const RunRequest& request, const RunReport& report);

} // namespace trapline
