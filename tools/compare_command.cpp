// `trapline compare`: the same run with every strategy, a row for each.
#include "boost/catalogue.hpp"
#include "scenarios/text.hpp"
#include "tools/interrupt.hpp"
#include "tools/json_out.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"
#include "tools/progress.hpp"
#include "tools/scenario_run.hpp"
#include "tools/table.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "A row says what one run under one schedule showed: \"no miss\" is no proof for other schedules.\n"
    "Traps and cycles are those of the run divided by its hits, rounded to whole numbers (JSON has the\n"
    "sums, too); cycles are virtual, from the trap to the thread's resumption, priced by the profile.\n"
    "What the guests print is not shown but compared: a difference is a note, as is a schedule that a\n"
    "strategy cannot follow. They read the command's standard input when it is a file, else nothing.\n"
    "\n"
    "Exit code: 0 done, and every expectation of the scenario holds; 1 one does not hold; 2 bad command\n"
    "line, scenario or program; 3 a strategy that the scenario names could not follow its schedule; 4 a\n"
    "limit was reached; 130 interrupted.\n"
    "\n"
    "Examples:\n"
    "  trapline compare scenarios/missed-probe/two-cpus.toml\n"
    "  trapline compare -p libc.so.6:malloc -- /bin/ls -l\n"
    "  trapline compare -p :main --strategy inline,xol --json - -- ./program\n";

struct CompareOptions {
    MachineOptions machine;
    std::vector<std::string> files;
    std::optional<std::string> guests, json;
};

std::string ending(const RunReport& report) {
    return report.signal != 0 ? fmt::format("signal {}", report.signal) : fmt::format("exit code {}", report.exit_code);
}

std::string verdict(const RunReport& report, const CompareRow& row) {
    if (report.diverged) return "diverged";
    if (report.outcome == Outcome::Kind::limit) return "limit reached";
    if (report.outcome != Outcome::Kind::exited) return "never ends";
    const auto refused = [](const ProbeReport& probe) { return probe.state == ProbeReport::State::refused; };
    if (std::any_of(report.probes.begin(), report.probes.end(), refused)) return "refused";
    if (row.missed > 0) return fmt::format("missed {}", row.missed);
    if (row.repeated > 0) return fmt::format("repeated {}", row.repeated);
    return row.executions == 0 ? "not executed" : "no miss";
}

CompareRow compare_row(const std::string& strategy, const RunReport& report) {
    CompareRow row;
    row.strategy = strategy;
    for (const ProbeReport& probe : report.probes) {
        row.executions += probe.truth.executions;
        row.hits += probe.truth.hits;
        row.missed += probe.truth.missed;
        row.repeated += probe.truth.repeated;
        row.cycles += probe.truth.cycles;
        if (probe.state == ProbeReport::State::refused)
            row.notes.push_back(fmt::format("{} was refused with errno {}", probe.spec, probe.error_number));
    }
    row.traps = report.counters.breakpoint_traps + report.counters.step_traps;
    row.pages_copied = report.counters.pages_copied;
    row.vmas_added = report.counters.vmas_added;
    row.token = report.token;
    row.verdict = verdict(report, row);
    if (report.diverged || report.outcome == Outcome::Kind::deadlock) row.notes.push_back(report.detail);
    return row;
}

/// What the guest showed of itself should not depend on the strategy; `first` is the first row's run.
void note_differences(CompareRow& row, const std::string& first_name, const RunReport& first, const RunReport& report) {
    const auto ended = [](const RunReport& r) { return !r.diverged && r.outcome == Outcome::Kind::exited; };
    if (!ended(first) || !ended(report)) return;
    if (ending(first) != ending(report))
        row.notes.push_back(fmt::format("ends with {}, {} with {}", ending(report), first_name, ending(first)));
    if (first.standard_output != report.standard_output)
        row.notes.push_back(fmt::format("prints {}, {} {}", text::quoted(report.standard_output), first_name,
                                        text::quoted(first.standard_output)));
    if (first.standard_error != report.standard_error)
        row.notes.push_back(fmt::format("its standard error is not that of {}", first_name));
}

std::string compare_table(const std::vector<CompareRow>& rows) {
    using Kind = Table::Kind;
    Table table({{"strategy", Kind::text},
                 {"executions", Kind::number},
                 {"hits", Kind::number},
                 {"missed", Kind::number},
                 {"repeated", Kind::number},
                 {"traps/hit", Kind::number},
                 {"cycles/hit", Kind::number},
                 {"pages", Kind::number},
                 {"VMAs", Kind::number},
                 {"verdict", Kind::text}});
    std::string notes;
    for (const CompareRow& row : rows) {
        table.add({row.strategy, std::to_string(row.executions), std::to_string(row.hits), std::to_string(row.missed),
                   std::to_string(row.repeated), row.hits == 0 ? "-" : std::to_string(row.traps_per_hit()),
                   row.hits == 0 ? "-" : std::to_string(row.cycles_per_hit()), std::to_string(row.pages_copied),
                   std::to_string(row.vmas_added), row.verdict});
        for (const std::string& note : row.notes) {
            std::string indent;
            for (const std::string& part : wrap(printable(row.strategy + ": " + note), Table::kWidth - 2)) {
                notes += indent + part + "\n";
                indent = "  ";
            }
        }
    }
    return table.text() + notes;
}

class Compare {
  public:
    explicit Compare(const CompareOptions& options) : options_(options) {}

    Result<int> go(const Arguments& arguments) {
        if (arguments.program.has_value() == !options_.files.empty() || options_.files.size() > 1)
            return misuse("compare needs one scenario file, or a program behind --",
                          "trapline compare FILE.toml, or: trapline compare -p :main -- ./program");
        if (options_.files.empty() && arguments.program->empty()) return misuse("there is no program behind --", {});
        const auto chosen = parse_strategies(options_.machine.strategy.value_or("all"));
        if (!chosen) return tl::make_unexpected(chosen.error());
        if (!options_.files.empty()) {
            auto ready = ready_scenario(options_.files.front(), guests_directory(options_.guests));
            if (!ready) return tl::make_unexpected(ready.error());
            ready_.emplace(std::move(*ready));
        }
        auto input = GuestInput::of_command();
        if (!input) return tl::make_unexpected(input.error());
        std::optional<OutputFile> json;
        if (options_.json) {
            auto file = OutputFile::open("--json", *options_.json);
            if (!file) return tl::make_unexpected(file.error());
            json.emplace(std::move(*file));
        }
        interrupted_ = catch_interrupts();
        for (const std::string& strategy : *chosen) {
            RunRequest request;
            if (ready_) {
                request = ready_->request(strategy);
            } else {
                request.program = arguments.program->front();
                request.args.assign(arguments.program->begin() + 1, arguments.program->end());
                request.environment = default_environment();
                request.standard.in = input->rewound();
                request.capture_output = true;
                request.strategy = strategy;
            }
            if (const auto done = run(request); !done) return tl::make_unexpected(done.error());
            if (interrupted_by() != 0) break;
        }
        return finish(json);
    }

  private:
    static tl::unexpected<Error> misuse(std::string what, std::string hint) {
        return fail(std::move(what), std::move(hint));
    }

    Result<void> run(RunRequest& request) {
        if (const auto understood = options_.machine.apply(request); !understood)
            return tl::make_unexpected(understood.error());
        if (const auto* token = std::get_if<Token>(&request.schedule); token && token->strategy != request.strategy)
            return fail(fmt::format("the token is of strategy {} alone", token->strategy),
                        "trapline replay FILE --token TOKEN replays it");
        if (request.probes.empty()) return fail("there is no probe to compare strategies on", "-p :main is one");
        request.interrupted = interrupted_;
        progress_.attach(request, request.strategy);
        auto report = run_program(request);
        progress_.clear();
        if (!report) return tl::make_unexpected(report.error());
        if (interrupted_by() != 0) return {};
        if (rows_.empty()) {
            for (const std::string& warning : report->warnings) fmt::print(stderr, "trapline: warning: {}\n", warning);
            kernel_ = request.kernel;
            cpus_ = request.cpus;
        }
        CompareRow row = compare_row(request.strategy, *report);
        limited_ = limited_ || report->outcome == Outcome::Kind::limit;
        if (!first_)
            first_ = std::move(*report);
        else
            note_differences(row, rows_.front().strategy, *first_, *report);
        if (ready_) judge(row, request, rows_.empty() ? *first_ : *report);
        rows_.push_back(std::move(row));
        return {};
    }

    /// The scenario's expectations are about the strategies that it names; for any other this is a look, not a test.
    void judge(CompareRow& row, const RunRequest& request, const RunReport& report) {
        const std::vector<std::string> named = ready_->strategies();
        if (std::find(named.begin(), named.end(), request.strategy) == named.end()) return;
        Trial trial(ready_->scenario, request.strategy);
        trial.add(request, report);
        const ResultRow judged = trial.row();
        judged_.push_back(judged);
        if (judged.status != Status::holds && judged.detail != report.detail)
            row.notes.push_back(fmt::format("{}: {}", to_string(judged.status), judged.detail));
    }

    Result<int> finish(std::optional<OutputFile>& json) {
        if (!options_.json || *options_.json != "-") {
            if (ready_) fmt::print("{}, ", ready_->scenario.name);
            fmt::print("{} on {} CPU{}, one schedule:\n{}", kernel_, cpus_, cpus_ == 1 ? "" : "s",
                       compare_table(rows_));
        }
        if (json) {
            json->write(compare_json(rows_));
            if (auto done = json->commit(); !done) return tl::make_unexpected(done.error());
        }
        if (interrupted_by() != 0) {
            complain({"interrupted", {}, {}, 0});
            return 128 + interrupted_by();
        }
        if (const int code = exit_code(judged_); code != 0) return code;
        return limited_ && judged_.empty() ? exit_status::inconclusive : exit_status::done;
    }

    const CompareOptions& options_;
    std::optional<ReadyScenario> ready_;
    const std::atomic<bool>* interrupted_ = nullptr;
    ProgressLine progress_;
    std::optional<RunReport> first_;
    std::vector<CompareRow> rows_;
    std::vector<ResultRow> judged_;
    std::string kernel_;
    unsigned cpus_ = 0;
    bool limited_ = false;
};

} // namespace

int compare_command(const Arguments& arguments) {
    CompareOptions options;
    CommandLine line("compare", "[OPTIONS] SCENARIO.toml  or  [OPTIONS] -- PROGRAM [ARGS...]",
                     "One table with a row for each strategy, of the same run.",
                     kProbeHelp + std::string("\n") + kFooter);
    line.values("SCENARIO.toml", options.files, "a scenario file", "");
    line.value("--guests", options.guests, "where programs of scenarios are (or TRAPLINE_GUESTS)", "DIR");
    line.value("--json", options.json, "write the rows; - for standard output", "FILE");
    options.machine.add_to(line);
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    const auto code = Compare(options).go(arguments);
    if (code) return *code;
    complain(code.error());
    return exit_status::misuse;
}

} // namespace trapline
