// `trapline compare`: the same run with every strategy, a row for each.
#include "boost/catalogue.hpp"
#include "probes/dialect.hpp"
#include "scenarios/explore/workers.hpp"
#include "scenarios/text.hpp"
#include "tools/compare/formats.hpp"
#include "tools/coverage_scan.hpp"
#include "tools/event_log.hpp"
#include "tools/explore_report.hpp"
#include "tools/interrupt.hpp"
#include "tools/json_out.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"
#include "tools/progress.hpp"
#include "tools/scenario_run.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "A row says what one run under one schedule showed: \"no miss\" is no proof for other schedules. With\n"
    "--repeat N, or a scenario that samples schedules ([explore] method = \"random\" or \"pct\"), it says\n"
    "what several runs showed, one for each seed; of a scenario that states a space to be searched the\n"
    "verdict is that of the search, and `never missed` a proof; a number that differs between them is\n"
    "printed as LEAST..MOST. Traps and cycles are those of the run divided by its hits, rounded to\n"
    "whole numbers (JSON has the sums, too); cycles are virtual, from the trap to the thread's\n"
    "resumption, priced by the profile. --cost A,B runs everything once more for each further profile\n"
    "and prints nanoseconds side by side. `probeable` is the share of the instructions of the program's\n"
    "file that the strategy serves itself, without falling back to another. `noticed` is what the\n"
    "program prints, or how it ends, when that differs from a run without probes (in turn on one CPU\n"
    "after the other: a program that races with itself may differ by itself). Guests read the command's\n"
    "standard input when it is a file, else nothing.\n"
    "\n"
    "Columns: executions, hits, missed, repeated, verdict, traps, cycles, time, writes, pages, vmas,\n"
    "slots, ipis, restarts, fallbacks, instructions, total, probeable, noticed, token; or all.\n"
    "\n"
    "Exit code: 0 done, and every expectation of the scenario holds; 1 one does not hold; 2 bad command\n"
    "line, scenario or program; 3 a strategy that the scenario names could not follow its schedule; 4 a\n"
    "limit was reached or a search not finished; 130 interrupted (what there is is printed).\n"
    "\n"
    "Examples:\n"
    "  trapline compare scenarios/missed-probe/two-cpus.toml\n"
    "  trapline compare -p libc.so.6:malloc -- /bin/ls -l\n"
    "  trapline compare -p :main --strategy inline,xol --cost bare-metal,i686-2010 -- ./program\n"
    "  trapline compare -p :hot --schedule random:0 --repeat 100 --columns missed,token -- ./program\n"
    "  trapline compare scenarios/missed-probe/two-cpus.toml --html table.html --markdown table.md\n";

struct CompareOptions {
    MachineOptions machine;
    std::vector<std::string> files;
    std::optional<std::string> guests, json, markdown, csv, html, columns, sort, repeat;
};

std::string ending(const RunReport& report) {
    return report.signal != 0 ? fmt::format("signal {}", report.signal) : fmt::format("exit code {}", report.exit_code);
}

bool ended(const RunReport& r) { return !r.diverged && r.outcome == Outcome::Kind::exited; }

bool any_refused(const RunReport& report) {
    return std::any_of(report.probes.begin(), report.probes.end(),
                       [](const ProbeReport& probe) { return probe.state == ProbeReport::State::refused; });
}

/// What the guest shows of itself should not depend on being probed.
void note_differences(CompareRow& row, const RunReport& plain, const RunReport& report) {
    if (!ended(plain) || !ended(report)) return;
    const auto notice = [&row](std::string_view what, std::string note) {
        if (row.noticed.find(what) == std::string::npos)
            row.noticed += fmt::format("{}{}", row.noticed.empty() ? "" : ", ", what);
        row.add_note(std::move(note));
    };
    if (ending(plain) != ending(report))
        notice("exit", fmt::format("ends with {}, without probes with {}", ending(report), ending(plain)));
    if (plain.standard_output != report.standard_output)
        notice("output", fmt::format("prints {}, without probes {}", text::quoted(report.standard_output),
                                     text::quoted(plain.standard_output)));
    if (plain.standard_error != report.standard_error)
        notice("errors", "its standard error is not what it is without probes");
}

std::string contents(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

class Compare {
  public:
    explicit Compare(const CompareOptions& options) : options_(options), machine_(options.machine) {}

    Result<int> go(const Arguments& arguments) {
        if (auto understood = understand(arguments); !understood) return tl::make_unexpected(understood.error());
        const auto strategies = parse_strategies(machine_.strategy.value_or("all"));
        if (!strategies) return tl::make_unexpected(strategies.error());
        if (auto opened = open_outputs(); !opened) return tl::make_unexpected(opened.error());
        interrupted_ = catch_interrupts();
        for (const std::string& strategy : *strategies) {
            if (auto done = row(arguments, strategy); !done) return tl::make_unexpected(done.error());
            if (interrupted_by() != 0) break;
        }
        return finish();
    }

  private:
    Result<void> understand(const Arguments& arguments) {
        if (arguments.program.has_value() == !options_.files.empty() || options_.files.size() > 1)
            return fail("compare needs one scenario file, or a program behind --",
                        "trapline compare FILE.toml, or: trapline compare -p :main -- ./program");
        if (options_.files.empty() && arguments.program->empty()) return fail("there is no program behind --");
        if (machine_.cost)
            for (const std::string_view profile : text::split(*machine_.cost, ',')) profiles_.emplace_back(profile);
        for (const std::string& profile : profiles_) { // each is right or wrong by itself
            MachineOptions one;
            one.cost = profile;
            RunRequest ignored;
            if (auto understood = one.apply(ignored); !understood) return understood;
        }
        if (machine_.cost) machine_.cost = profiles_.front();
        if (options_.repeat) {
            const auto number = parse_number("--repeat", *options_.repeat);
            if (!number) return tl::make_unexpected(number.error());
            if (*number == 0) return fail("--repeat 0 would run nothing");
            repeat_ = *number;
        }
        if (!options_.files.empty()) {
            auto ready = ready_scenario(options_.files.front(), guests_directory(options_.guests));
            if (!ready) return tl::make_unexpected(ready.error());
            ready_.emplace(std::move(*ready));
        }
        if (profiles_.empty())
            profiles_ = {ready_ && !ready_->scenario.run.cost.empty() ? ready_->scenario.run.cost : RunRequest().cost};
        auto columns = choose_columns(profiles_, options_.columns.value_or(""));
        if (!columns) return tl::make_unexpected(columns.error());
        columns_ = std::move(*columns);
        if (options_.sort) {
            auto by = choose_columns(profiles_, *options_.sort);
            if (!by) return fail("--sort: " + by.error().what.substr(by.error().what.find("there")), by.error().hint);
            if (by->front().better == CompareColumn::Better::neither)
                return fail(fmt::format("--sort {}: nothing in this column is better", *options_.sort));
            sort_ = by->front();
        }
        auto input = GuestInput::of_command();
        if (!input) return tl::make_unexpected(input.error());
        input_.emplace(std::move(*input));
        return {};
    }

    Result<void> open_outputs() {
        int to_standard_output = 0;
        for (const auto& [option, path] :
             {std::pair{"--json", options_.json}, std::pair{"--markdown", options_.markdown},
              std::pair{"--csv", options_.csv}, std::pair{"--html", options_.html}}) {
            if (path == "-" && ++to_standard_output > 1)
                return fail("only one of --json, --markdown, --csv and --html can have standard output");
            if (!path) {
                outputs_.emplace_back();
                continue;
            }
            auto file = OutputFile::open(option, *path);
            if (!file) return tl::make_unexpected(file.error());
            outputs_.emplace_back(std::move(*file));
        }
        plain_ = to_standard_output == 0;
        return {};
    }

    /// What is run with a strategy, and with each cost profile.
    Result<std::vector<RunRequest>> requests(const Arguments& arguments, const std::string& strategy) {
        std::vector<RunRequest> runs;
        if (ready_) {
            if (!machine_.schedule) runs = ready_->requests(strategy);
            needs_search_ = runs.empty() && !machine_.schedule;
            if (runs.empty()) runs = {ready_->request(strategy)};
        } else {
            RunRequest& request = runs.emplace_back();
            request.program = arguments.program->front();
            request.args.assign(arguments.program->begin() + 1, arguments.program->end());
            request.environment = default_environment();
            request.standard.in = input_->rewound();
            request.capture_output = true;
            request.strategy = strategy;
        }
        for (RunRequest& request : runs)
            if (auto understood = machine_.apply(request); !understood) return tl::make_unexpected(understood.error());
        return runs;
    }

    /// The one of the runs that has number `i`.
    [[nodiscard]] RunRequest nth(const std::vector<RunRequest>& runs, std::uint64_t i) const {
        if (!repeat_) return runs[i];
        RunRequest next = runs.front();
        next.seed += i;
        if (auto* policy = std::get_if<SchedulePolicy>(&next.schedule)) {
            if (auto* random = std::get_if<policy::Random>(policy)) random->seed += i;
            if (auto* pct = std::get_if<policy::Pct>(policy)) pct->seed += i;
        }
        return next;
    }

    Result<RunReport> run(RunRequest request) {
        request.standard.in = (ready_ ? ready_->input : *input_).rewound();
        request.interrupted = interrupted_;
        progress_.attach(request, request.strategy);
        auto report = run_program(request);
        progress_.clear();
        return report;
    }

    Result<void> row(const Arguments& arguments, const std::string& strategy) {
        const auto runs = requests(arguments, strategy);
        if (!runs) return tl::make_unexpected(runs.error());
        const RunRequest& like = runs->front();
        if (const auto* token = std::get_if<Token>(&like.schedule); token && token->strategy != strategy)
            return fail(fmt::format("the token is of strategy {} alone", token->strategy),
                        "trapline replay FILE --token TOKEN replays it");
        if (like.probes.empty()) return fail("there is no probe to compare strategies on", "-p :main is one");
        if (rows_.empty())
            if (auto fine = begin(like, repeat_.value_or(runs->size())); !fine) return fine;
        if (interrupted_by() != 0) return {};
        CompareRow row;
        row.strategy = strategy;
        const bool named = ready_ && names(strategy);
        std::optional<Trial> trial;
        if (named && !needs_search_) trial.emplace(ready_->scenario, strategy);
        bool diverged = false, limited = false, endless = false, refused = false;
        for (std::uint64_t i = 0; i < runs_; ++i) {
            const RunRequest request = nth(*runs, i);
            auto report = run(request);
            if (!report) return tl::make_unexpected(report.error());
            if (interrupted_by() != 0) break;
            row.add(*report);
            row.add_cost(profiles_.front(), hz_of(request), *report);
            diverged = diverged || report->diverged;
            limited = limited || report->outcome == Outcome::Kind::limit;
            endless = endless || (report->outcome == Outcome::Kind::deadlock && !report->diverged);
            refused = refused || any_refused(*report);
            if (report->diverged || report->outcome == Outcome::Kind::deadlock) row.add_note(report->detail);
            note_differences(row, plain_run_, *report);
            if (trial) trial->add(request, *report);
            for (std::size_t p = 1; p < profiles_.size() && interrupted_by() == 0; ++p) {
                RunRequest again = request;
                again.cost = profiles_[p];
                auto other = run(again);
                if (!other) return tl::make_unexpected(other.error());
                row.add_cost(profiles_[p], hz_of(again), *other);
            }
        }
        if (row.runs == 0) return {};
        limited_ = limited_ || limited;
        row.settle(diverged, limited, endless, refused);
        row.probeable = probeable(strategy, like.kernel);
        if (trial) judge(row, trial->row());
        if (needs_search_)
            if (auto searched = search(row, like, named); !searched) return searched;
        rows_.push_back(std::move(row));
        return {};
    }

    /// The scenario states a space of schedules, so that is what the row's verdict is about; its numbers are of one.
    Result<void> search(CompareRow& row, RunRequest request, bool named) {
        request.invariants = true;
        request.schedule = SchedulePolicy(policy::RoundRobin{});
        SweepOptions sweep;
        sweep.jobs = usable_processors();
        sweep.interrupted = interrupted_;
        sweep.progress = [&](const SweepProgress& p) {
            progress_.show([&] { return fmt::format("{}: {} schedules", row.strategy, p.runs); });
        };
        const ExploreSection& section = *ready_->scenario.explore;
        const auto explored = explore(request, section, sweep);
        progress_.clear();
        if (!explored) return tl::make_unexpected(explored.error());
        if (explored->interrupted) return {};
        const ExploreRow found{trapline::judge(ready_->scenario, row.strategy, *explored), section, *explored, 0, {}};
        const MissVerdict miss = miss_verdict(found);
        row.verdict = fmt::format("{} missed", miss.word);
        if (miss.word == "not-seen") row.verdict = "no miss seen";
        if (!miss.executed && explored->complete) row.verdict = "never executed";
        if (miss.simplest != nullptr) row.token = miss.simplest->token;
        if (named) judge(row, found.row);
        return {};
    }

    [[nodiscard]] bool names(const std::string& strategy) const {
        const std::vector<std::string> named = ready_->strategies();
        return std::find(named.begin(), named.end(), strategy) != named.end();
    }

    /// Once: a run without probes, and what the program consists of.
    Result<void> begin(const RunRequest& like, std::uint64_t runs) {
        kernel_ = like.kernel;
        cpus_ = like.cpus;
        runs_ = runs;
        program_ = like.program;
        RunRequest plain = like;
        plain.probes.clear();
        plain.tracers.clear();
        plain.schedule = SchedulePolicy();
        auto report = run(plain);
        if (!report) return tl::make_unexpected(report.error());
        plain_run_ = std::move(*report);
        for (const std::string& warning : plain_run_.warnings) fmt::print(stderr, "trapline: warning: {}\n", warning);
        std::string host = like.root == "/" ? plain_run_.program : like.root + plain_run_.program;
        const auto counted = scan_files(
            {host}, {}, [this](FileCoverage&& file) { coverage_ = std::move(file); }, [](const ScanProgress&) {});
        if (!counted) coverage_ = {}; // a script, whose interpreter is the program
        return {};
    }

    [[nodiscard]] std::optional<double> probeable(const std::string& strategy, const std::string& kernel) const {
        const StrategyNeeds* needs = strategy_needs(strategy);
        const Dialect* d = dialect(kernel);
        if (needs == nullptr || d == nullptr || coverage_.instructions == 0) return std::nullopt;
        std::uint64_t can = 0;
        for (const auto& [facts, count] : coverage_.counts)
            if (refused(*needs, {d->rules, d->leaks_step}, facts) == Why::none) can += count;
        return static_cast<double>(can) / static_cast<double>(coverage_.instructions);
    }

    /// The scenario's expectations are about the strategies that it names; for any other this is a look, not a test.
    void judge(CompareRow& row, const ResultRow& judged) {
        judged_.push_back(judged);
        const bool said = std::find(row.notes.begin(), row.notes.end(), judged.detail) != row.notes.end();
        if (judged.status != Status::holds && !said)
            row.add_note(fmt::format("{}: {}", to_string(judged.status), judged.detail));
    }

    Result<int> finish() {
        if (sort_) sort_rows(rows_, *sort_);
        CompareTitle title;
        title.what = ready_ ? ready_->scenario.name : std::filesystem::path(program_).filename().string();
        title.machine = fmt::format("{} on {} CPU{}", kernel_, cpus_, cpus_ == 1 ? "" : "s");
        title.runs = needs_search_ ? "one schedule, verdicts by search"
                     : runs_ == 1  ? "one schedule"
                                   : fmt::format("{} runs for each", runs_);
        if (ready_) title.scenario = contents(options_.files.front());
        const CompareGrid grid = compare_grid(rows_, columns_);
        if (plain_) fmt::print("{}", compare_text(title, rows_, grid));
        const std::array made = {compare_json(rows_), compare_markdown(title, rows_, grid), compare_csv(grid),
                                 compare_html(title, rows_, grid)};
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            if (!outputs_[i]) continue;
            outputs_[i]->write(made[i]);
            if (auto done = outputs_[i]->commit(); !done) return tl::make_unexpected(done.error());
        }
        if (interrupted_by() != 0) {
            complain({fmt::format("interrupted after {} of the strategies", rows_.size()), {}, {}, 0});
            return 128 + interrupted_by();
        }
        if (const int code = exit_code(judged_); code != 0) return code;
        return limited_ && judged_.empty() ? exit_status::inconclusive : exit_status::done;
    }

    const CompareOptions& options_;
    MachineOptions machine_;
    std::optional<ReadyScenario> ready_;
    std::optional<GuestInput> input_;
    std::vector<std::string> profiles_;
    std::optional<std::uint64_t> repeat_;
    std::vector<CompareColumn> columns_;
    std::optional<CompareColumn> sort_;
    std::vector<std::optional<OutputFile>> outputs_; // JSON, Markdown, CSV, HTML
    bool plain_ = true;                              // text goes to standard output
    const std::atomic<bool>* interrupted_ = nullptr;
    ProgressLine progress_;
    RunReport plain_run_; // without probes
    FileCoverage coverage_;
    std::vector<CompareRow> rows_;
    std::vector<ResultRow> judged_;
    std::string kernel_, program_;
    unsigned cpus_ = 0;
    std::uint64_t runs_ = 1;
    bool limited_ = false, needs_search_ = false;
};

} // namespace

int compare_command(const Arguments& arguments) {
    CompareOptions options;
    CommandLine line("compare", "[OPTIONS] SCENARIO.toml  or  [OPTIONS] -- PROGRAM [ARGS...]",
                     "One table with a row for each strategy, of the same run.",
                     kProbeHelp + std::string("\n") + kFooter);
    line.values("SCENARIO.toml", options.files, "a scenario file", "");
    line.value("--guests", options.guests, "where programs of scenarios are (or TRAPLINE_GUESTS)", "DIR");
    line.value("--columns", options.columns, "which columns, see below", "NAME[,NAME...]");
    line.value("--sort", options.sort, "best row first, by this column", "NAME");
    line.value("--repeat", options.repeat, "so many runs, with seeds that follow one another", "N");
    line.value("--json", options.json, "write the rows; - for standard output", "FILE");
    line.value("--markdown", options.markdown, "write a table for Markdown; - for standard output", "FILE");
    line.value("--csv", options.csv, "write the cells; - for standard output", "FILE");
    line.value("--html", options.html, "write a page with bars; - for standard output", "FILE");
    options.machine.add_to(line);
    std::vector<std::string> columns;
    for (const CompareColumn& column : compare_columns({"bare-metal"})) columns.push_back(column.key);
    line.choices("--sort", columns);
    columns.emplace_back("all");
    line.choices("--columns", std::move(columns));
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    const auto code = Compare(options).go(arguments);
    if (code) return *code;
    complain(code.error());
    return exit_status::misuse;
}

} // namespace trapline
