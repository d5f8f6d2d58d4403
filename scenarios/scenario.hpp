// scenarios/scenario.hpp: a scenario file as plain data.
//
// A scenario names a program, its probes, the strategies to try, a schedule or a search, and what must hold. The format
// is TOML and is described in docs and in INTERFACES "Scenario files"; this header is the same thing with types. The
// reader refuses what it does not know, with file and line, because a misspelled expectation that is silently ignored
// is a test that always passes.
//
// Beyond the interface's example there are `stdin` in [guest]; `registered = false` in [[probe]], for a probe that only
// a tracer registers; and [[tracer]], a tracing program's thread (k1, k2, ... in file order) whose `do` lists what it
// does to probes, one operation after the other, whenever the schedule lets it run. `schedule` and [explore] may stand
// in one file: `replay` follows the schedule, `explore` searches.
// Read next: scenarios/verdict.hpp, which judges runs by the expectations.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emu/result.hpp"
#include "probes/spec.hpp"
#include "scenarios/schedule.hpp"

namespace trapline {

/// What is counted. The first four are counted for each probe (DESIGN, "Ground truth"), the rest once for the machine.
enum class Metric {
    executions,
    hits,
    missed,
    repeated,
    breakpoint_traps,
    step_traps,
    text_writes,
    pages_copied,
    xol_slots_used,
    ipis,
    syscalls,
    deadlocks,     ///< 1 in a run that never ends
    crashes,       ///< 1 in a run that a signal ended
    broken,        ///< 1 in a run in which a rule of the virtual kernel was broken (probes/invariants.cpp)
    leaked_frames, ///< frames that are in use when everything is gone
};
inline constexpr std::size_t kProbeMetrics = 4;
inline constexpr std::array<std::string_view, 15> kMetricNames = {
    "executions",     "hits", "missed",   "repeated",  "breakpoint_traps", "step_traps", "text_writes",  "pages_copied",
    "xol_slots_used", "ipis", "syscalls", "deadlocks", "crashes",          "broken",     "leaked_frames"};

/// Over all runs that were made: zero in each, more than zero in at least one, more than zero in each.
enum class Quantifier { never, sometimes, always };

/// A quantifier, or the exact number that every run must show.
using Amount = std::variant<Quantifier, std::uint64_t>;

/// How a run ends: the guest by itself, by our limit, at a schedule item that could not be followed, or never, because
/// every task waits for another.
enum class RunStatus { completed, limit, diverged, deadlock };

struct GuestSection {
    std::string program; ///< as written; find_program says where it is
    std::vector<std::string> args;
    std::vector<std::string> env; ///< NAME=VALUE
    std::string standard_input;
    std::uint32_t cpus = 2;
};

struct ScenarioProbe {
    ProbeSpec spec;
    bool registered = true; ///< before the guest starts; false: a tracer does it
    int line = 0;
};

struct TracerStep {
    bool registers = false; ///< false: unregisters
    std::size_t probe = 0;  ///< index into Scenario::probes
    std::string text;
};
struct ScenarioTracer {
    std::vector<TracerStep> steps;
    int line = 0;
};

struct RunSection {
    std::vector<std::string> strategies = {"xol"}; ///< {"all"} is every strategy
    std::string kernel = "linux-6.18";
    SchedulePolicy schedule; ///< round robin unless given
    int schedule_line = 0;   ///< the line of the script's line 1; 0: no schedule given
    std::uint64_t seed = 0;
    std::optional<std::uint64_t> limit; ///< instructions
    std::optional<std::uint32_t> slots; ///< of the XOL area that hits may use; absent: all 31
    std::string mutation;               ///< a defect of the virtual kernel, on purpose; empty: none
    std::string cost;                   ///< a profile; empty: the default
};

struct ExploreSection {
    enum class Method { exhaustive, pct, pos, random };
    enum class Grain { probe_events, instructions };
    Method method = Method::exhaustive;
    Grain grain = Grain::probe_events;
    std::optional<std::uint32_t> preemptions; ///< bound; nothing: unbounded
    std::uint64_t schedules = 200000;         ///< budget of an exhaustive search
    std::uint64_t runs = 0;                   ///< of a sampling method
    std::uint32_t depth = 3;                  ///< of pct (SCTBench found 3 best)
    std::uint64_t seed = 0;
    /// Where the search starts: an event of any task, or the number of a probe hit; nothing: at the first instruction.
    std::variant<std::monostate, ScheduleEvent, std::uint64_t> from;
    std::string from_text; ///< as written
};

/// One [[expect]]. What is absent is not checked.
struct Expectation {
    std::vector<std::string> strategies; ///< empty: all
    std::optional<std::size_t> probe;    ///< index into Scenario::probes; nothing: the sum over all probes
    std::array<std::optional<Amount>, kMetricNames.size()> amounts; ///< by Metric
    std::optional<int> exit_code;
    std::optional<int> signal;
    std::optional<std::string> standard_output;
    std::optional<RunStatus> status;
    std::optional<int> error_number; ///< the positive errno with which the probe must be refused; 0: must be accepted
    int line = 0;

    [[nodiscard]] bool applies_to(std::string_view strategy) const;
};

struct Scenario {
    std::string file; ///< as it was named; empty when parsed from memory
    std::string name, intent, source;
    GuestSection guest;
    std::vector<ScenarioProbe> probes;
    std::vector<ScenarioTracer> tracers;
    RunSection run;
    std::optional<ExploreSection> explore;
    std::vector<Expectation> expectations;
};

/// The names that exist; an empty list is not checked against.
struct Vocabulary {
    std::vector<std::string> strategies, dialects, profiles, steps;
};

/// Reads a scenario from `text`; `file` only goes into errors and into Scenario::file.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text, std::string file, const Vocabulary& known = {});

/// Reads a scenario file; a file that cannot be read is an error too.
[[nodiscard]] Result<Scenario> read_scenario(const std::string& file, const Vocabulary& known = {});

/// Where the guest's program is: beside the scenario file, else in `guests` (with or without leading folders).
[[nodiscard]] Result<std::string> find_program(const Scenario& scenario, const std::string& guests);

} // namespace trapline
