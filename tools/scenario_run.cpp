#include "tools/scenario_run.hpp"

#include "boost/catalogue.hpp"
#include "tools/options.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace trapline {

std::vector<std::string> ReadyScenario::strategies() const {
    std::vector<std::string> names;
    for (const std::string& name : scenario.run.strategies) {
        if (name != "all") {
            names.push_back(name);
            continue;
        }
        for (const StrategyInfo& info : trapline::strategies()) names.emplace_back(info.name);
    }
    return names;
}

RunRequest ReadyScenario::request(std::string_view strategy) const {
    RunRequest request;
    request.program = program;
    request.args = scenario.guest.args;
    request.environment = default_environment();
    for (const std::string& variable : scenario.guest.env) set_variable(request.environment, variable);
    request.working_directory = "/";
    request.standard.in = input.rewound();
    request.capture_output = true;
    request.probes = scenario.probes;
    request.tracers = scenario.tracers;
    request.strategy = strategy;
    request.kernel = scenario.run.kernel;
    if (!scenario.run.cost.empty()) request.cost = scenario.run.cost;
    request.cpus = scenario.guest.cpus;
    request.seed = scenario.run.seed;
    request.limit = scenario.run.limit.value_or(kScenarioLimit);
    request.schedule = scenario.run.schedule;
    return request;
}

std::vector<RunRequest> ReadyScenario::requests(std::string_view strategy) const {
    const RunRequest once = request(strategy);
    const auto& explore = scenario.explore;
    if (!explore || scenario.run.schedule_line != 0) return {once};
    using Method = ExploreSection::Method;
    if (explore->method != Method::random && explore->method != Method::pct) return {};
    std::vector<RunRequest> all;
    for (std::uint64_t i = 0; i < explore->runs; ++i) {
        const std::uint64_t seed = explore->seed + i;
        all.push_back(once);
        if (explore->method == Method::random)
            all.back().schedule = SchedulePolicy(policy::Random{seed});
        else
            all.back().schedule = SchedulePolicy(policy::Pct{explore->depth, seed});
    }
    return all;
}

Result<ReadyScenario> ready_scenario(const std::string& file, const std::string& guests) {
    auto scenario = read_scenario(file, vocabulary());
    if (!scenario) return tl::make_unexpected(scenario.error());
    const auto program = find_program(*scenario, guests);
    if (!program) return tl::make_unexpected(program.error());
    auto input = GuestInput::holding(scenario->guest.standard_input);
    if (!input) return tl::make_unexpected(input.error());
    std::error_code problem;
    const auto absolute = std::filesystem::canonical(*program, problem);
    if (problem) return fail(fmt::format("the program {}: {}", *program, problem.message()), {}, file);
    return ReadyScenario{std::move(*scenario), absolute.string(), std::move(*input)};
}

RunOutcome outcome_of(const RunRequest& request, const RunReport& report) {
    RunOutcome run;
    run.exit_code = report.exit_code;
    run.signal = report.signal;
    run.standard_output = report.standard_output;
    run.preemptions = report.preemptions;
    if (report.diverged) {
        run.status = RunStatus::diverged;
        run.status_detail = report.detail;
    } else if (report.outcome == Outcome::Kind::limit) {
        run.status = RunStatus::limit;
        run.status_detail = fmt::format("reached its limit of {} instructions", request.limit);
    } else if (report.outcome == Outcome::Kind::deadlock) {
        run.status = RunStatus::deadlock;
        run.status_detail = "never ends: " + report.detail;
    } else if (report.outcome != Outcome::Kind::exited) {
        run.status = RunStatus::limit;
        run.status_detail = "was interrupted";
    }
    for (const ProbeReport& probe : report.probes)
        run.probes.push_back(
            {{probe.truth.executions, probe.truth.hits, probe.truth.missed, probe.truth.repeated}, probe.error_number});
    const ProbeCounters& counters = report.counters;
    // In the order of kMetricNames.
    run.counters = {counters.breakpoint_traps, counters.step_traps, counters.text_writes, counters.pages_copied,
                    counters.xol_slots_used,   counters.ipis,       report.syscalls};
    return run;
}

void Trial::add(const RunRequest& request, const RunReport& report) {
    observed_.add(outcome_of(request, report), [&report] { return report.token; });
}

ResultRow Trial::row() const { return evaluate(scenario_, strategy_, observed_); }

} // namespace trapline
