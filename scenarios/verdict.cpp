#include "scenarios/verdict.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "scenarios/text.hpp"

namespace trapline {

using namespace text;

namespace {

/// Expectations are checked one after the other; the row takes the gravest status and every reason for it.
class Verdict {
  public:
    explicit Verdict(ResultRow& row) : row_(row) {}

    void violated(int line, std::string why, const std::string& token) {
        add(Status::violated, line, std::move(why), token);
    }
    void inconclusive(int line, std::string why) { add(Status::inconclusive, line, std::move(why), {}); }
    void diverged(int line, std::string why, const std::string& token) {
        add(Status::diverged, line, std::move(why), token);
    }

  private:
    ResultRow& row_;

    static int weight(Status status) {
        switch (status) {
        case Status::diverged:
            return 3;
        case Status::violated:
            return 2;
        case Status::inconclusive:
            return 1;
        default:
            return 0;
        }
    }
    void add(Status status, int line, std::string why, const std::string& token) {
        if (weight(status) < weight(row_.status)) return;
        if (weight(status) > weight(row_.status)) {
            row_.status = status;
            row_.detail = std::move(why);
            row_.token = token;
            row_.line = line;
        } else {
            row_.detail += "; " + why;
            if (row_.token.empty()) row_.token = token;
        }
    }
};

std::string in_runs(std::uint64_t some, std::uint64_t all) {
    if (all == 1) return {};
    return some == all ? fmt::format(" in all {} runs", all) : fmt::format(" in {} of {} runs", some, all);
}

void check_amount(Verdict& verdict, int line, std::string_view name, const Amount& expected, const Tally& tally,
                  bool undecided) {
    const auto wanted = [](Quantifier quantifier) {
        return quantifier == Quantifier::never ? "never" : quantifier == Quantifier::always ? "always" : "sometimes";
    };
    if (const auto* number = std::get_if<std::uint64_t>(&expected)) {
        const Tally::Witness& off = tally.least.value != *number ? tally.least : tally.most;
        if (off.value != *number)
            verdict.violated(line, fmt::format("{} is {}, expected {}", name, off.value, *number), off.token);
        else if (undecided)
            verdict.inconclusive(line, fmt::format("{} is {}{}, then the budget ran out", name, *number,
                                                   in_runs(tally.runs, tally.runs)));
        return;
    }
    const auto quantifier = std::get<Quantifier>(expected);
    const std::uint64_t zero = tally.runs - tally.nonzero;
    const std::string nonzero_so_far = fmt::format(" in {} of {} runs", tally.nonzero, tally.runs);
    if (quantifier == Quantifier::never && tally.nonzero > 0) {
        verdict.violated(
            line,
            fmt::format("{} is {}{}, expected never", name, tally.simplest.value, in_runs(tally.nonzero, tally.runs)),
            tally.simplest.token);
    } else if (quantifier == Quantifier::always && zero > 0) {
        verdict.violated(line, fmt::format("{} is 0{}, expected always", name, in_runs(zero, tally.runs)),
                         tally.least.token);
    } else if (quantifier == Quantifier::sometimes && tally.nonzero > 0) {
        return;
    } else if (undecided) {
        verdict.inconclusive(line, fmt::format("{}: expected {}, so far{}, then the budget ran out", name,
                                               wanted(quantifier), nonzero_so_far));
    } else if (quantifier == Quantifier::sometimes) {
        verdict.violated(line, fmt::format("{} is 0{}, expected sometimes", name, in_runs(zero, tally.runs)), {});
    }
}

std::string ending_text(const RunOutcome& run) {
    if (run.signal != 0) return fmt::format("signal {} killed the program", run.signal);
    return fmt::format("the exit code is {}", run.exit_code);
}

void check_ending(Verdict& verdict, const Expectation& expect, const Observed::Ending& ending) {
    const RunOutcome& run = ending.run;
    constexpr std::array<std::string_view, 4> kWords = {"completed", "limit", "diverged", "deadlock"};
    if (expect.status && *expect.status != run.status)
        verdict.violated(expect.line,
                         fmt::format("the run {}, expected status \"{}\"",
                                     run.status == RunStatus::completed ? "completed" : run.status_detail,
                                     kWords[static_cast<std::size_t>(*expect.status)]),
                         ending.token);
    if (run.status != RunStatus::completed)
        return; // the program did not end, so it has no exit code and half an output
    if (expect.exit_code && (run.signal != 0 || run.exit_code != *expect.exit_code))
        verdict.violated(expect.line, fmt::format("{}, expected exit {}", ending_text(run), *expect.exit_code),
                         ending.token);
    if (expect.signal && run.signal != *expect.signal)
        verdict.violated(expect.line, fmt::format("{}, expected signal {}", ending_text(run), *expect.signal),
                         ending.token);
    if (expect.standard_output && run.standard_output != *expect.standard_output)
        verdict.violated(
            expect.line,
            fmt::format("the output is {}, expected {}", quoted(run.standard_output), quoted(*expect.standard_output)),
            ending.token);
}

/// A refused probe that no expectation speaks of is a failure: its zero counts would let `never` pass. One that a
/// tracer registers may come too late in some runs, when the process has ended.
void check_refusals(Verdict& verdict, const Scenario& scenario, const std::vector<const Expectation*>& expectations,
                    const Observed& observed, const Observed::Ending& ending) {
    for (std::size_t i = 0; i < ending.run.probes.size() && i < scenario.probes.size(); ++i) {
        const int got = ending.run.probes[i].error_number;
        int wanted = 0;
        int line = scenario.probes[i].line;
        for (const Expectation* expect : expectations) {
            if (!expect->error_number || (expect->probe && *expect->probe != i)) continue;
            wanted = *expect->error_number;
            line = expect->line;
        }
        if (got == wanted) continue;
        const auto accepted = [i](const Observed::Ending& other) { return other.run.probes[i].error_number == 0; };
        if (wanted == 0 && !scenario.probes[i].registered &&
            std::any_of(observed.endings().begin(), observed.endings().end(), accepted))
            continue;
        const std::string& text = scenario.probes[i].spec.text;
        verdict.violated(line,
                         got == 0 ? fmt::format("probe {} was accepted, expected errno {}", text, wanted)
                         : wanted == 0
                             ? fmt::format("probe {} was refused with errno {}", text, got)
                             : fmt::format("probe {} was refused with errno {}, expected {}", text, got, wanted),
                         ending.token);
    }
}

std::string summary(const Observed& observed) {
    const auto range = [&](Metric metric) {
        const Tally& tally = observed.tally(metric);
        const std::string_view name = kMetricNames[static_cast<std::size_t>(metric)];
        return tally.least.value == tally.most.value
                   ? fmt::format("{} {}", name, tally.least.value)
                   : fmt::format("{} {} to {}", name, tally.least.value, tally.most.value);
    };
    std::string out = fmt::format("{}, {}, {}, {}", range(Metric::executions), range(Metric::hits),
                                  range(Metric::missed), range(Metric::repeated));
    if (observed.runs() > 1)
        out += fmt::format(" in {} runs{}", observed.runs(), observed.complete ? ", which are all" : "");
    const RunOutcome& first = observed.endings().front().run;
    if (first.status != RunStatus::completed) out += "; " + first.status_detail;
    return out;
}

bool same_ending(const RunOutcome& a, const RunOutcome& b) {
    const auto same_error = [](const RunOutcome::Probe& x, const RunOutcome::Probe& y) {
        return x.error_number == y.error_number;
    };
    return a.status == b.status && a.broken == b.broken && a.status_detail == b.status_detail &&
           a.exit_code == b.exit_code && a.signal == b.signal && a.standard_output == b.standard_output &&
           std::equal(a.probes.begin(), a.probes.end(), b.probes.begin(), b.probes.end(), same_error);
}

} // namespace

std::string_view to_string(Status status) {
    constexpr std::array<std::string_view, 6> kWords = {"holds",    "violated", "inconclusive",
                                                        "diverged", "skipped",  "error"};
    return kWords[static_cast<std::size_t>(status)];
}

int exit_code(const std::vector<ResultRow>& rows) {
    const auto count = [&](Status status) {
        return std::count_if(rows.begin(), rows.end(), [&](const ResultRow& row) { return row.status == status; });
    };
    if (count(Status::diverged) > 0) return 3;
    if (count(Status::error) > 0) return 2;
    if (count(Status::violated) > 0) return 1;
    if (count(Status::inconclusive) > 0) return 4;
    return !rows.empty() && count(Status::skipped) == std::ssize(rows) ? 77 : 0;
}

void Tally::add(std::uint64_t value, std::uint64_t preemptions, const std::function<std::string()>& token,
                std::uint64_t times) {
    std::string text; // made at most once, and only when it is kept
    const auto keep = [&](Witness& witness) {
        if (text.empty()) text = token();
        witness = Witness{value, preemptions, text};
    };
    const bool first = runs == 0;
    runs += times;
    const auto simpler = [&](const Witness& witness) { return preemptions < witness.preemptions; };
    if (first || value < least.value || (value == least.value && simpler(least))) keep(least);
    if (first || value > most.value || (value == most.value && simpler(most))) keep(most);
    if (value == 0) return;
    if (nonzero == 0 || simpler(simplest)) keep(simplest);
    nonzero += times;
}

void Observed::add(const RunOutcome& run, const std::function<std::string()>& token, std::uint64_t times) {
    runs_ += times;
    for (std::size_t metric = 0; metric < kMetricNames.size(); ++metric) {
        std::uint64_t total = metric < kProbeMetrics ? 0 : run.counters[metric - kProbeMetrics];
        for (std::size_t probe = 0; metric < kProbeMetrics && probe < run.probes.size(); ++probe) {
            total += run.probes[probe].counts[metric];
            tallies_[{metric, probe + 1}].add(run.probes[probe].counts[metric], run.preemptions, token, times);
        }
        tallies_[{metric, 0}].add(total, run.preemptions, token, times);
    }
    const auto same = [&](const Ending& ending) { return same_ending(ending.run, run); };
    auto found = std::find_if(endings_.begin(), endings_.end(), same);
    if (found == endings_.end()) found = endings_.insert(found, Ending{run, 0, token()});
    found->runs += times;
}

const Tally& Observed::tally(Metric metric, std::optional<std::size_t> probe) const {
    static const Tally none;
    const auto found = tallies_.find({static_cast<std::size_t>(metric), probe ? *probe + 1 : 0});
    return found == tallies_.end() ? none : found->second;
}

ResultRow evaluate(const Scenario& scenario, std::string_view strategy, const Observed& observed) {
    ResultRow row{scenario.name, std::string(strategy), Status::holds, {}, {}, scenario.file, 0};
    if (!observed.skipped_because.empty()) {
        row.status = Status::skipped;
        row.detail = observed.skipped_because;
        return row;
    }
    Verdict verdict(row);
    if (observed.runs() == 0) {
        verdict.inconclusive(0, "no run was made");
        return row;
    }
    std::vector<const Expectation*> expectations;
    for (const Expectation& expect : scenario.expectations) {
        if (expect.applies_to(strategy)) expectations.push_back(&expect);
    }
    std::string witness; // of what was expected to be seen sometimes
    const bool status_expected = std::any_of(expectations.begin(), expectations.end(),
                                             [](const Expectation* expect) { return expect->status.has_value(); });
    // What no scenario has to say: unless it is expected, it is wrong.
    const auto expected = [&](Metric metric) {
        return std::any_of(expectations.begin(), expectations.end(), [&](const Expectation* expect) {
            return expect->amounts[static_cast<std::size_t>(metric)].has_value();
        });
    };
    const Tally& leaked = observed.tally(Metric::leaked_frames);
    if (!expected(Metric::leaked_frames) && leaked.nonzero > 0)
        verdict.violated(0, fmt::format("{} frames are in use when everything is gone", leaked.simplest.value),
                         leaked.simplest.token);
    for (const Observed::Ending& ending : observed.endings()) {
        if (!status_expected && ending.run.status == RunStatus::diverged)
            verdict.diverged(scenario.run.schedule_line, ending.run.status_detail, ending.token);
        if (!status_expected && ending.run.status == RunStatus::limit)
            verdict.inconclusive(0, fmt::format("the run {}", ending.run.status_detail));
        if (!status_expected && !expected(Metric::deadlocks) && ending.run.status == RunStatus::deadlock)
            verdict.violated(0, fmt::format("the run {}", ending.run.status_detail), ending.token);
        if (!expected(Metric::broken) && !ending.run.broken.empty())
            verdict.violated(0, "a rule is broken: " + ending.run.broken, ending.token);
        for (const Expectation* expect : expectations) check_ending(verdict, *expect, ending);
        check_refusals(verdict, scenario, expectations, observed, ending);
    }
    for (const Expectation* expect : expectations) {
        for (std::size_t i = 0; i < kMetricNames.size(); ++i) {
            if (!expect->amounts[i]) continue;
            const auto probe = i < kProbeMetrics ? expect->probe : std::nullopt;
            std::string name(kMetricNames[i]);
            if (probe) name += " of " + scenario.probes[*probe].spec.text;
            const Tally& tally = observed.tally(static_cast<Metric>(i), probe);
            check_amount(verdict, expect->line, name, *expect->amounts[i], tally, observed.budget_ran_out);
            if (*expect->amounts[i] == Amount(Quantifier::sometimes) && witness.empty()) witness = tally.simplest.token;
        }
        const bool ending_expected = expect->exit_code || expect->signal || expect->standard_output || expect->status;
        if (observed.budget_ran_out && ending_expected)
            verdict.inconclusive(expect->line, "every run so far ended as expected, then the budget ran out");
    }
    if (row.status == Status::holds) row.detail = summary(observed);
    if (row.token.empty()) row.token = observed.runs() == 1 ? observed.endings().front().token : witness;
    return row;
}

ResultRow error_row(const Scenario& scenario, std::string_view strategy, const Error& error) {
    return {scenario.name, std::string(strategy), Status::error, error.what, {}, scenario.file, error.line};
}

} // namespace trapline
