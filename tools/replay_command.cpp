// `trapline replay`: scenario files are run and held against what they expect.
#include "boost/catalogue.hpp"
#include "scenarios/results.hpp"
#include "scenarios/text.hpp"
#include "tools/interrupt.hpp"
#include "tools/options.hpp"
#include "tools/progress.hpp"
#include "tools/run_outputs.hpp"
#include "tools/scenario_run.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "Every scenario is run once with each of its strategies, under its schedule. Where it names none but\n"
    "a sampling method ([explore] method = \"random\" or \"pct\"), its runs are made, one for each seed; an\n"
    "exhaustive search is inconclusive here. Options of the machine override what the file says. A run\n"
    "without a limit of its own ends after 10,000,000,000 instructions.\n"
    "\n"
    "Exit code: 0 everything holds; 1 an expectation does not hold; 2 bad command line, scenario or\n"
    "program; 3 a schedule or token could not be followed; 4 inconclusive: a limit was reached or a\n"
    "search is needed; 77 everything was skipped; 130 interrupted.\n"
    "\n"
    "Examples:\n"
    "  trapline replay scenarios/missed-probe/two-cpus.toml\n"
    "  trapline replay scenarios/*/*.toml --junit report.xml --github\n"
    "  trapline replay race.toml --token 'tl1:1f2e3d4c:1:inline:12>2,17>1,19>*'\n";

struct ReplayOptions {
    MachineOptions machine;
    std::vector<std::string> files;
    OutputOptions outputs;
    std::optional<std::string> token, guests, json, junit;
    bool tap = false, github = false;
};

class Replay {
  public:
    explicit Replay(const ReplayOptions& options) : options_(options) {}

    /// Reads everything before anything runs. False: what is wrong has been said.
    bool prepare() {
        if (options_.token) {
            const auto token = parse_token(*options_.token);
            if (!token) return wrong(token.error());
            if (strategy_info(token->strategy) == nullptr)
                return wrong(
                    {fmt::format("the token's strategy {} is not in this version", token->strategy), {}, {}, 0});
            if (options_.files.size() != 1) return wrong({"--token belongs to one scenario", "name one file", {}, 0});
            if (options_.machine.strategy || options_.machine.schedule)
                return wrong({"--token is a schedule and a strategy", "leave --strategy and --schedule out", {}, 0});
            token_ = *token;
            strategies_ = {token->strategy};
        }
        if (options_.machine.strategy) {
            const auto chosen = parse_strategies(*options_.machine.strategy);
            if (!chosen) return wrong(chosen.error());
            strategies_ = *chosen;
        }
        const int outputs = (options_.json == "-" ? 1 : 0) + (options_.junit == "-" ? 1 : 0) + (options_.tap ? 1 : 0) +
                            (options_.github ? 1 : 0);
        if (outputs > 1)
            return wrong({"only one of --tap, --github, --json - and --junit - can have standard output", {}, {}, 0});
        plain_ = outputs == 0 || options_.github;

        RunRequest probe; // the options are right or wrong whatever they are applied to
        if (const auto understood = options_.machine.apply(probe); !understood) return wrong(understood.error());

        bool fine = true;
        const std::string guests = guests_directory(options_.guests);
        for (const std::string& file : options_.files) {
            auto ready = ready_scenario(file, guests);
            if (ready)
                scenarios_.push_back(std::move(*ready));
            else
                fine = wrong(ready.error());
        }
        return fine && open_outputs();
    }

    int go() {
        interrupted_ = catch_interrupts();
        for (const ReadyScenario& ready : scenarios_) {
            for (const std::string& strategy : strategies_.empty() ? ready.strategies() : strategies_) {
                rows_.push_back(run(ready, strategy));
                if (plain_) fmt::print("{}", results_text({rows_.back()}));
                if (interrupted_by() != 0) return write(128 + interrupted_by());
            }
        }
        return write(exit_code(rows_));
    }

  private:
    static bool wrong(const Error& error) {
        complain(error);
        return false;
    }

    bool open_outputs() {
        const auto open = [](const char* option, const std::optional<std::string>& path,
                             std::optional<OutputFile>& into) {
            if (!path) return true;
            auto file = OutputFile::open(option, *path);
            if (!file) return wrong(file.error());
            into.emplace(std::move(*file));
            return true;
        };
        if (!open("--json", options_.json, json_) || !open("--junit", options_.junit, junit_)) return false;
        const auto given = options_.outputs.given();
        if (!given) return true;
        std::size_t rows = 0;
        for (const ReadyScenario& ready : scenarios_)
            rows += strategies_.empty() ? ready.strategies().size() : strategies_.size();
        if (rows != 1)
            return wrong({*given + ": one file holds one run", "name one scenario and one --strategy", {}, 0});
        if (!token_ && !options_.machine.schedule && scenarios_.front().requests("").size() != 1)
            return wrong({*given + ": one file holds one run", "choose one with --schedule or --token", {}, 0});
        auto outputs = RunOutputs::open(options_.outputs);
        if (!outputs) return wrong(outputs.error());
        outputs_.emplace(std::move(*outputs));
        return true;
    }

    ResultRow run(const ReadyScenario& ready, const std::string& strategy) {
        std::vector<RunRequest> runs = ready.requests(strategy);
        const bool scheduled = token_ || options_.machine.schedule;
        if (scheduled) runs = {ready.request(strategy)};
        if (runs.empty()) {
            ResultRow row{ready.scenario.name, strategy, Status::inconclusive, {}, {}, ready.scenario.file, 0};
            row.detail = "this needs a search of its schedules: trapline explore FILE";
            return row;
        }
        Trial trial(ready.scenario, strategy);
        for (RunRequest& request : runs) {
            if (const auto understood = options_.machine.apply(request); !understood)
                return error_row(ready.scenario, strategy, understood.error());
            if (token_) request.schedule = *token_;
            request.standard.in = ready.input.rewound();
            request.interrupted = interrupted_;
            if (outputs_) outputs_->attach(request, &ready.scenario);
            progress_.attach(request, fmt::format("{}, {}", ready.scenario.name, strategy));
            const auto report = run_program(request);
            progress_.clear();
            if (!report) {
                if (!report.error().hint.empty()) complain(report.error());
                return error_row(ready.scenario, strategy, report.error());
            }
            warn(ready, *report);
            if (outputs_)
                if (const auto done = outputs_->finish(request, *report); !done) unwritten_ = !wrong(done.error());
            trial.add(request, *report);
            if (interrupted_by() != 0) break;
        }
        return trial.row();
    }

    /// Every warning once: all strategies and seeds have the same.
    void warn(const ReadyScenario& ready, const RunReport& report) {
        for (const std::string& warning : report.warnings) {
            std::string line = fmt::format("trapline: {}: warning: {}\n", ready.scenario.file, warning);
            if (std::find(warned_.begin(), warned_.end(), line) != warned_.end()) continue;
            fmt::print(stderr, "{}", line);
            warned_.push_back(std::move(line));
        }
    }

    /// Everything that was asked for, of the rows that there are. The exit code, unless something cannot be written.
    int write(int code) {
        if (options_.tap) fmt::print("{}", results_tap(rows_));
        if (options_.github) fmt::print("{}", results_github(rows_));
        if (json_) json_->write(results_json(rows_));
        if (junit_) junit_->write(results_junit(rows_));
        for (auto* file : {&json_, &junit_}) {
            if (!*file) continue;
            if (const auto done = (*file)->commit(); !done) {
                complain(done.error());
                code = exit_status::misuse;
            }
        }
        if (unwritten_) code = exit_status::misuse;
        if (interrupted_by() != 0) complain({fmt::format("interrupted after {} results", rows_.size() - 1), {}, {}, 0});
        return code;
    }

    const ReplayOptions& options_;
    std::vector<ReadyScenario> scenarios_;
    std::vector<std::string> strategies_; // empty: each scenario's own
    std::optional<Token> token_;
    std::optional<OutputFile> json_, junit_;
    std::optional<RunOutputs> outputs_;
    bool unwritten_ = false; // what was to be left behind could not be written, and that was said
    bool plain_ = true;      // rows as text go to standard output
    const std::atomic<bool>* interrupted_ = nullptr;
    ProgressLine progress_;
    std::vector<ResultRow> rows_;
    std::vector<std::string> warned_;
};

} // namespace

int replay_command(const Arguments& arguments) {
    ReplayOptions options;
    CommandLine line("replay", "[OPTIONS] SCENARIO.toml...", "Runs scenario files and checks what they expect.",
                     kFooter);
    line.values("SCENARIO.toml", options.files, "scenario files", "");
    line.value("--token", options.token, "replay this token's schedule, with its strategy", "TOKEN");
    line.value("--guests", options.guests, "where programs of scenarios are (or TRAPLINE_GUESTS)", "DIR");
    line.value("--json", options.json, "write the results; - for standard output", "FILE");
    line.value("--junit", options.junit, "write JUnit XML; - for standard output", "FILE");
    line.flag("--tap", options.tap, "print TAP 13 instead of text");
    line.flag("--github", options.github, "also print annotations for GitHub workflows");
    options.outputs.add_to(line);
    options.machine.add_to(line);
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    // What a shell pattern became may as well stand behind "--".
    if (arguments.program)
        options.files.insert(options.files.end(), arguments.program->begin(), arguments.program->end());
    if (options.files.empty()) {
        complain(
            {"no scenario file was named", "for example: trapline replay scenarios/missed-probe/two-cpus.toml", {}, 0});
        return exit_status::misuse;
    }
    Replay replay(options);
    return replay.prepare() ? replay.go() : exit_status::misuse;
}

} // namespace trapline
