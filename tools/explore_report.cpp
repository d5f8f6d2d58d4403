#include "tools/explore_report.hpp"

#include "scenarios/results.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;
using Method = ExploreSection::Method;

constexpr double kConfidence = 0.95;

std::string number(std::uint64_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
    return digits;
}

std::string several(std::uint64_t n, std::string_view what) {
    return fmt::format("{} {}{}", number(n), what, n == 1 ? "" : "s");
}

/// A number of the machine, or the sum over all probes.
std::uint64_t amount(const RunOutcome& run, Metric metric) {
    const auto i = static_cast<std::size_t>(metric);
    if (i >= kProbeMetrics) return run.counters[i - kProbeMetrics];
    std::uint64_t n = 0;
    for (const RunOutcome::Probe& p : run.probes) n += p.counts[i];
    return n;
}

std::uint64_t missed(const RunOutcome& run) { return amount(run, Metric::missed); }

/// In how many of the runs the number is not zero, in the interface's words.
std::string_view how_often(const ExploreRow& row, Metric metric) {
    const Explored& e = row.explored;
    std::uint64_t with = 0, without = 0;
    for (const Finding& f : e.result.findings) (amount(f.outcome, metric) > 0 ? with : without) += f.runs;
    if (with == 0) return e.complete ? "never" : "not-seen";
    return e.complete && without == 0 ? "always" : "sometimes";
}

/// What a run may show besides a miss; not seen where nothing is wrong.
constexpr std::array kWrong = {Metric::repeated, Metric::deadlocks, Metric::crashes, Metric::broken,
                               Metric::leaked_frames};

std::string_view metric_name(Metric metric) { return kMetricNames[static_cast<std::size_t>(metric)]; }

/// With this confidence, what was not seen in `runs` independent runs happens in at most such a share of runs.
double upper_bound(std::uint64_t runs) {
    return runs == 0 ? 1.0 : 1.0 - std::pow(1.0 - kConfidence, 1.0 / static_cast<double>(runs));
}

std::string_view method_name(Method method) {
    constexpr std::array<std::string_view, 4> kNames = {"exhaustive", "pct", "pos", "random"};
    return kNames[static_cast<std::size_t>(method)];
}

std::string point_name(std::size_t i) {
    constexpr auto kSteps = static_cast<std::size_t>(Step::count_);
    if (i < kSteps) return std::string(step_info(static_cast<Step>(i)).name);
    return i == kSteps ? "probed-instruction" : "instruction";
}

std::string miss_text(const ExploreRow& row) {
    const MissVerdict m = miss_verdict(row);
    const Explored& e = row.explored;
    std::string out = fmt::format("missed {}", m.word);
    if (m.simplest == nullptr) {
        if (!m.executed) out = fmt::format("{} executed, so nothing can be missed", e.complete ? "never" : "not seen");
        out += fmt::format(", in {}", several(m.schedules, "schedule"));
        if (row.section.method != Method::exhaustive)
            out += fmt::format(": with {:.0f} % confidence in at most {:.2g} of all runs of this kind",
                               kConfidence * 100, upper_bound(m.schedules));
        else if (!e.complete)
            out += e.not_mine ? ", which are a share of all" : ", then the budget ran out";
        return out;
    }
    out += fmt::format(", in {} of {}; {}{} {}", number(m.with_miss), several(m.schedules, "schedule"),
                       m.fewest ? "" : "at most ", several(m.simplest->outcome.preemptions, "preemption"),
                       m.simplest->outcome.preemptions == 1 ? "is enough" : "are enough");
    return out;
}

std::string wrong_text(const ExploreRow& row) {
    std::string out;
    for (const Metric metric : kWrong)
        if (const std::string_view often = how_often(row, metric); often == "sometimes" || often == "always")
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", metric_name(metric), often);
    return out;
}

std::string space_text(const ExploreRow& row) {
    const Explored& e = row.explored;
    const SearchResult& r = e.result;
    std::string out;
    if (row.section.method != Method::exhaustive) {
        out = fmt::format("sampled: {}, seed {}", method_name(row.section.method), row.section.seed);
        if (row.section.method == Method::pct) {
            const double k = static_cast<double>(r.assumed_length);
            const double found = 1.0 / (static_cast<double>(std::max<std::uint64_t>(r.tasks, 1)) *
                                        std::pow(k, static_cast<double>(row.section.depth - 1)));
            out += r.longest <= r.assumed_length
                       ? fmt::format(", depth {}: one run finds a bug of that depth with a probability of at least "
                                     "{:.2g} ({} tasks, {} scheduling points)",
                                     row.section.depth, found, r.tasks, r.assumed_length)
                       : fmt::format(", depth {}: without the method's guarantee, runs were longer than assumed",
                                     row.section.depth);
        }
        return out;
    }
    out = e.complete ? "complete: " : "not complete: ";
    if (e.bound)
        out += fmt::format("every order with at most {}", several(*e.bound, "preemption"));
    else
        out += fmt::format("one order of each class of equivalent ones, {} given up as covered by others",
                           number(r.counts.blocked));
    if (e.bound && !r.counts.beyond_bound) out += ", and there are no others";
    if (r.counts.cut > 0) out += fmt::format(", {} given up as too long", number(r.counts.cut));
    if (e.simplifying > 0)
        out += fmt::format("; before and after {} with few preemptions", several(e.simplifying, "schedule"));
    return out;
}

std::string points_text(const ExploreRow& row) {
    const SearchResult& r = row.explored.result;
    std::string out = fmt::format(
        "scheduling points ({}; at most {} in a run), in all: ",
        row.section.grain == ExploreSection::Grain::instructions ? "every instruction" : "probe events", r.longest);
    bool first = true;
    for (std::size_t i = 0; i < r.points.size(); ++i) {
        if (r.points[i] == 0) continue;
        out += fmt::format("{}{} {}", first ? "" : ", ", point_name(i), number(r.points[i]));
        first = false;
    }
    return first ? "no scheduling points: there is one order" : out;
}

/// The copy of the scenario whose expectations are about every schedule.
Scenario about_all_schedules(Scenario scenario) {
    if (scenario.run.schedule_line == 0) return scenario;
    for (Expectation& e : scenario.expectations) {
        e.status.reset();
        for (auto& amount : e.amounts)
            if (amount && std::holds_alternative<std::uint64_t>(*amount)) amount.reset();
    }
    return scenario;
}

} // namespace

MissVerdict miss_verdict(const ExploreRow& row) {
    const Explored& e = row.explored;
    MissVerdict m;
    for (const Finding& f : e.result.findings) {
        m.schedules += f.runs;
        m.executed = m.executed || amount(f.outcome, Metric::executions) > 0;
        if (missed(f.outcome) == 0) continue;
        m.with_miss += f.runs;
        if (m.simplest == nullptr || f.simpler(m.simplest->outcome.preemptions, m.simplest->switches)) m.simplest = &f;
    }
    m.fewest = m.simplest != nullptr && m.simplest->outcome.preemptions <= e.covered;
    if (m.simplest != nullptr)
        m.word = e.complete && m.with_miss == m.schedules ? "always" : "sometimes";
    else
        m.word = e.complete ? "never" : "not-seen";
    return m;
}

ResultRow judge(const Scenario& scenario, const std::string& strategy, const Explored& explored) {
    std::vector<const Finding*> simplest_first;
    for (const Finding& f : explored.result.findings) simplest_first.push_back(&f);
    std::stable_sort(simplest_first.begin(), simplest_first.end(), [](const Finding* a, const Finding* b) {
        return a->simpler(b->outcome.preemptions, b->switches);
    });
    Observed observed;
    for (const Finding* f : simplest_first)
        observed.add(
            f->outcome, [&] { return f->token; }, f->runs);
    observed.complete = explored.complete;
    observed.budget_ran_out = explored.budget_ran_out || explored.not_mine || explored.interrupted;
    ResultRow row = evaluate(about_all_schedules(scenario), strategy, observed);
    if (row.status == Status::holds && observed.budget_ran_out && row.token.empty()) {
        row.status = Status::inconclusive;
        row.detail = "the budget ran out";
    }
    if (!explored.lost.empty()) {
        row.status = Status::error;
        row.detail = "defect: the reduced search has not seen how this run ends";
        row.token = explored.lost;
    }
    return row;
}

std::string explore_text(const ExploreRow& row) {
    constexpr std::size_t kIndent = 13;
    std::string out = wrapped(
        fmt::format("{:<12} {}: {}: {}", to_string(row.row.status), row.row.scenario, row.row.strategy, miss_text(row)),
        0);
    if (row.row.status != Status::holds) out += wrapped(row.row.detail, kIndent);
    if (const std::string wrong = wrong_text(row); !wrong.empty()) out += wrapped(wrong, kIndent);
    out += wrapped(space_text(row), kIndent) + wrapped(points_text(row), kIndent);
    if (const std::vector<Decisive>& why = row.explanation.decisive; !why.empty()) {
        std::string text;
        for (const Decisive& d : why)
            text += fmt::format("{}`{}` comes before `{}`", text.empty() ? "" : ", and ", d.earlier, d.later);
        out += wrapped(fmt::format("it is so because {}: {} the other way round, and it is not", text,
                                   why.size() == 1 ? "turn that" : "turn one of these"),
                       kIndent);
    }
    if (const std::string token = witness(row); !token.empty()) out += replay_text(row.row.file, token);
    return out;
}

std::string witness(const ExploreRow& row) {
    const MissVerdict m = miss_verdict(row);
    if (row.row.status != Status::holds && !row.row.token.empty()) return row.row.token;
    return m.simplest != nullptr ? m.simplest->token : row.row.token;
}

std::string saved_scenario(const Scenario& scenario, const ExploreRow& row) {
    // TOML's basic strings are JSON's, as far as these characters go.
    const auto quoted = [](std::string_view text) {
        return Json(std::string(text)).dump(-1, ' ', true, Json::error_handler_t::replace);
    };
    const auto list = [&](const std::vector<std::string>& texts) {
        std::string out;
        for (const std::string& t : texts) out += (out.empty() ? "" : ", ") + quoted(t);
        return "[" + out + "]";
    };
    std::string out =
        fmt::format("schema = 1\nname   = {}\nintent = {}\nsource = {}\n\n[guest]\nprogram = {}\n",
                    quoted(scenario.name + "-found"), quoted(scenario.intent),
                    quoted("found by trapline explore; " + scenario.source), quoted(scenario.guest.program));
    if (!scenario.guest.args.empty()) out += fmt::format("args    = {}\n", list(scenario.guest.args));
    if (!scenario.guest.env.empty()) out += fmt::format("env     = {}\n", list(scenario.guest.env));
    if (!scenario.guest.standard_input.empty())
        out += fmt::format("stdin   = {}\n", quoted(scenario.guest.standard_input));
    out += fmt::format("cpus    = {}\n", scenario.guest.cpus);
    for (const ScenarioProbe& p : scenario.probes)
        out += fmt::format("\n[[probe]]\nat = {}\n{}", quoted(p.spec.text), p.registered ? "" : "registered = false\n");
    for (const ScenarioTracer& t : scenario.tracers) {
        std::vector<std::string> steps;
        for (const TracerStep& s : t.steps) steps.push_back(s.text);
        out += fmt::format("\n[[tracer]]\ndo = {}\n", list(steps));
    }
    out += fmt::format("\n[run]\nstrategies = [{}]\nkernel     = {}\n", quoted(row.row.strategy),
                       quoted(scenario.run.kernel));
    if (scenario.run.seed != 0) out += fmt::format("seed       = {}\n", scenario.run.seed);
    if (scenario.run.limit) out += fmt::format("limit      = {}\n", *scenario.run.limit);
    if (!scenario.run.cost.empty()) out += fmt::format("cost       = {}\n", quoted(scenario.run.cost));
    out += fmt::format("schedule   = {}\n", quoted(row.explanation.script));
    for (const Expectation& e : scenario.expectations) {
        if (!e.applies_to(row.row.strategy)) continue;
        std::string what;
        if (e.probe) what += fmt::format("at = {}\n", quoted(scenario.probes[*e.probe].spec.text));
        for (std::size_t i = 0; i < kMetricNames.size(); ++i) {
            if (!e.amounts[i]) continue;
            constexpr std::array<std::string_view, 3> kWords = {"\"never\"", "\"sometimes\"", "\"always\""};
            const auto* n = std::get_if<std::uint64_t>(&*e.amounts[i]);
            if (n != nullptr && scenario.run.schedule_line != 0) continue; // that was another schedule's
            what += fmt::format("{} = {}\n", kMetricNames[i],
                                n != nullptr ? std::to_string(*n)
                                             : kWords[static_cast<std::size_t>(std::get<Quantifier>(*e.amounts[i]))]);
        }
        if (e.exit_code) what += fmt::format("exit = {}\n", *e.exit_code);
        if (e.signal) what += fmt::format("signal = {}\n", *e.signal);
        if (e.standard_output) what += fmt::format("stdout = {}\n", quoted(*e.standard_output));
        if (e.error_number) what += fmt::format("errno = {}\n", *e.error_number);
        if (what.empty()) continue;
        out += "\n[[expect]]\n" + what;
    }
    return out;
}

std::string explore_json(const std::vector<ExploreRow>& rows) {
    Json results = Json::array();
    for (const ExploreRow& row : rows) {
        const Explored& e = row.explored;
        const MissVerdict m = miss_verdict(row);
        Json points = Json::object();
        for (std::size_t i = 0; i < e.result.points.size(); ++i)
            if (e.result.points[i] != 0) points[point_name(i)] = e.result.points[i];
        Json r = {{"scenario", row.row.scenario},
                  {"strategy", row.row.strategy},
                  {"miss", m.word},
                  {"executions", how_often(row, Metric::executions)},
                  {"complete", e.complete},
                  {"schedules", m.schedules},
                  {"schedules_with_miss", m.with_miss},
                  {"fewest_preemptions", m.simplest != nullptr ? Json(m.simplest->outcome.preemptions) : Json()},
                  {"token", m.simplest != nullptr ? m.simplest->token : row.row.token},
                  {"seconds", row.seconds},
                  {"status", to_string(row.row.status)},
                  {"detail", row.row.detail},
                  {"file", row.row.file},
                  {"line", row.row.line},
                  {"fewest_preemptions_proven", m.fewest},
                  {"budget_ran_out", e.budget_ran_out},
                  {"blocked", e.result.counts.blocked},
                  {"cut", e.result.counts.cut},
                  {"method", method_name(row.section.method)},
                  {"grain", row.section.grain == ExploreSection::Grain::instructions ? "instructions" : "probe-events"},
                  {"preemptions", e.bound ? Json(*e.bound) : Json()},
                  {"longest", e.result.longest},
                  {"scheduling_points", points}};
        Json decides = Json::array();
        for (const Decisive& d : row.explanation.decisive) decides.push_back({d.earlier, d.later});
        for (const Metric metric : kWrong) r[std::string(metric_name(metric))] = how_often(row, metric);
        r["decides"] = std::move(decides);
        r["schedule"] = row.explanation.script;
        if (row.section.method != Method::exhaustive && m.simplest == nullptr)
            r["upper_bound"] = upper_bound(m.schedules);
        results.push_back(std::move(r));
    }
    const Json document = {{"schema", 1}, {"command", "explore"}, {"results", std::move(results)}};
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace trapline
