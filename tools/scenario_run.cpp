#include "tools/scenario_run.hpp"

#include "boost/catalogue.hpp"
#include "tools/options.hpp"

#include <algorithm>
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
    if (scenario.run.slots) request.slots = *scenario.run.slots;
    request.mutation = scenario.run.mutation;
    const auto about_rules = [](const Expectation& e) {
        return e.amounts[static_cast<std::size_t>(Metric::broken)].has_value();
    };
    request.invariants =
        scenario.explore || std::any_of(scenario.expectations.begin(), scenario.expectations.end(), about_rules);
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

void Trial::add(const RunRequest& request, const RunReport& report) {
    observed_.add(outcome_of(request, report), [&report] { return report.token; });
}

ResultRow Trial::row() const { return evaluate(scenario_, strategy_, observed_); }

} // namespace trapline
