// scenarios/verdict.hpp: what runs showed, held against what a scenario expects.
//
// Two things are kept apart that many tools confuse: "searched everything and found nothing" and "the budget ran out".
// The runner turns every run into a RunOutcome and adds it to an Observed, which keeps the extremes and one witness of
// each, not the runs; so a search of ten million schedules costs no memory. `evaluate` then gives one row for a
// scenario and a strategy:
//
//     never      zero in every run that was made      violated by one run; inconclusive when the budget ran out first
//     sometimes  more than zero in at least one       violated when no run shows it; guards against an empty pass
//     always     more than zero in every run
//     a number   exactly that in every run
//
// With a fixed schedule there is one run. Read next: scenarios/results.hpp, which prints the rows.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "scenarios/scenario.hpp"

namespace trapline {

enum class Status { holds, violated, inconclusive, diverged, skipped, error };

/// "holds", "violated", ...: the words of the JSON interface.
[[nodiscard]] std::string_view to_string(Status status);

/// The verdict on one scenario with one strategy.
struct ResultRow {
    std::string scenario;
    std::string strategy;
    Status status = Status::holds;
    std::string detail; ///< one line of printable text
    std::string token;  ///< replays the run that decided, empty when there is none
    std::string file;   ///< the scenario file
    int line = 0;       ///< of the [[expect]] that decided, or of what was refused; 0: the whole file
};

/// The exit code of `replay` (INTERFACES). What makes the other rows doubtful comes first: 3 when a row diverged, 2
/// when one could not be run, 1 violated, 4 inconclusive, 77 when all were skipped, else 0.
[[nodiscard]] int exit_code(const std::vector<ResultRow>& rows);

/// One run of a scenario, as the machine reports it.
struct RunOutcome {
    struct Probe {
        std::array<std::uint64_t, kProbeMetrics> counts{}; ///< by Metric
        int error_number = 0;                              ///< positive errno when the probe was refused, 0 otherwise
    };
    RunStatus status = RunStatus::completed;
    std::string status_detail; ///< for diverged: diverged_text; for limit: which one; for deadlock: who waits
    std::string broken;        ///< the rule of the virtual kernel that was broken, or empty
    int exit_code = 0;         ///< of the first process, when no signal killed it
    int signal = 0;            ///< that killed the first process, 0: none
    std::string standard_output;
    std::vector<Probe> probes;                                                 ///< in the order of Scenario::probes
    std::array<std::uint64_t, kMetricNames.size() - kProbeMetrics> counters{}; ///< by Metric, after the probes' four
    std::uint64_t preemptions = 0;                                             ///< a simpler witness has fewer
};

/// The extremes of one number over many runs, with a replayable witness of each.
struct Tally {
    struct Witness {
        std::uint64_t value = 0;
        std::uint64_t preemptions = 0;
        std::string token;
    };
    std::uint64_t runs = 0;
    std::uint64_t nonzero = 0;
    Witness least, most; ///< of equal values the one with the fewest preemptions, then the first
    Witness simplest;    ///< the nonzero run with the fewest preemptions; only when nonzero > 0

    void add(std::uint64_t value, std::uint64_t preemptions, const std::function<std::string()>& token,
             std::uint64_t times = 1);
};

/// All runs of one scenario with one strategy.
class Observed {
  public:
    /// `token` is only called when the run is a new witness of something. `times`: so many runs ended like this one.
    void add(const RunOutcome& run, const std::function<std::string()>& token, std::uint64_t times = 1);

    /// The number for one probe, or (nothing) the sum over all probes or the machine's counter.
    [[nodiscard]] const Tally& tally(Metric metric, std::optional<std::size_t> probe = {}) const;

    /// The distinct ways in which runs ended, with the first witness of each, in order of appearance.
    struct Ending {
        RunOutcome run;
        std::uint64_t runs = 0;
        std::string token;
    };
    [[nodiscard]] const std::vector<Ending>& endings() const { return endings_; }
    [[nodiscard]] std::uint64_t runs() const { return runs_; }

    bool complete = false;       ///< every schedule of the stated space was run
    bool budget_ran_out = false; ///< a search stopped before it was done
    std::string skipped_because; ///< nothing was run, and why (status skipped)

  private:
    std::uint64_t runs_ = 0;
    std::map<std::pair<std::size_t, std::size_t>, Tally> tallies_; ///< by metric and 1 + probe, 0 for the sum
    std::vector<Ending> endings_;
};

/// Holds the runs against every expectation that applies to `strategy`.
[[nodiscard]] ResultRow evaluate(const Scenario& scenario, std::string_view strategy, const Observed& observed);

/// The row of a scenario that could not be run: its program is missing, its probe unknown.
[[nodiscard]] ResultRow error_row(const Scenario& scenario, std::string_view strategy, const Error& error);

} // namespace trapline
