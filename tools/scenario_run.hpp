// tools/scenario_run.hpp: the runs that one scenario asks for.
//
// `replay` and `compare` share this: a scenario file becomes run requests, and a report becomes what the verdict is
// given (scenarios/verdict.hpp). Runs of scenarios know nothing of where they are started: the program's path is
// absolute, the working directory is /, the input is the scenario's, and what the guest prints is kept.
#pragma once

#include "scenarios/outcome.hpp"
#include "scenarios/run.hpp"
#include "scenarios/verdict.hpp"
#include "tools/guest_input.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// Instructions after which a scenario's run ends when it names no limit: a broken guest must not hang CI.
inline constexpr std::uint64_t kScenarioLimit = 10'000'000'000;

/// A scenario with its program found.
struct ReadyScenario {
    Scenario scenario;
    std::string program; ///< absolute host path
    GuestInput input;

    /// The scenario's strategies, "all" written out.
    [[nodiscard]] std::vector<std::string> strategies() const;
    /// The one run that follows the scenario's schedule. The request refers to `input`.
    [[nodiscard]] RunRequest request(std::string_view strategy) const;
    /// All runs: that one, or one for each seed where the scenario samples schedules; empty when only a search can
    /// answer it.
    [[nodiscard]] std::vector<RunRequest> requests(std::string_view strategy) const;
};

/// Reads the file and finds its program.
[[nodiscard]] Result<ReadyScenario> ready_scenario(const std::string& file, const std::string& guests);

/// The runs of one scenario with one strategy, and what they come to.
class Trial {
  public:
    Trial(const Scenario& scenario, std::string strategy) : scenario_(scenario), strategy_(std::move(strategy)) {}
    void add(const RunRequest& request, const RunReport& report);
    [[nodiscard]] ResultRow row() const;

  private:
    const Scenario& scenario_;
    std::string strategy_;
    Observed observed_;
};

} // namespace trapline
