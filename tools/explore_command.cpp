// `trapline explore`: the interleavings of scenarios are searched.
#include "boost/catalogue.hpp"
#include "scenarios/explore/workers.hpp"
#include "scenarios/picture.hpp"
#include "scenarios/results.hpp"
#include "scenarios/text.hpp"
#include "tools/explore_report.hpp"
#include "tools/explore_state.hpp"
#include "tools/interrupt.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"
#include "tools/progress.hpp"
#include "tools/scenario_run.hpp"

#include <chrono>
#include <filesystem>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "A task runs from one scheduling point to the next: a kernel step (`trapline list steps`), a probed\n"
    "instruction or, with --grain instructions, any instruction. The exhaustive method runs one order\n"
    "of each class of equivalent orders; `never` and `always` are said when that was done to its end,\n"
    "else `not-seen`. A schedule that misses is given with the fewest preemptions, as a token.\n"
    "\n"
    "The scenario's [explore] says how; these options override it, those of the machine the rest. A\n"
    "fixed schedule of the scenario is not followed, and exact numbers expected of it are not checked.\n"
    "\n"
    "Exit code: 0 done, and every expectation holds; 1 one does not hold; 2 bad command line, scenario\n"
    "or program; 3 a defect of trapline; 4 inconclusive: the budget ran out; 130 interrupted.\n"
    "\n"
    "Examples:\n"
    "  trapline explore scenarios/missed-probe/two-cpus.toml\n"
    "  trapline explore race.toml --strategy xol --method pct --runs 10000 --depth 3 --seed 1\n"
    "  trapline explore race.toml --shard 1/3 --state one.json     on each of three machines, then\n"
    "  trapline explore race.toml --merge one.json --merge two.json --merge three.json\n";

constexpr std::chrono::seconds kBetweenStates{5};
constexpr std::uint64_t kMost = 1'000'000'000'000; // schedules or runs

struct ExploreCommandOptions {
    MachineOptions machine;
    std::vector<std::string> files, merge;
    std::optional<std::string> guests, json, junit, jobs, method, grain, preemptions, schedules, runs, depth, shard,
        state, resume, save, mermaid;
    bool github = false, explain = false;
};

class Explore {
  public:
    explicit Explore(const ExploreCommandOptions& options) : options_(options) {}

    /// Reads everything before anything runs.
    Result<void> prepare() {
        const ExploreCommandOptions& o = options_;
        if (o.machine.schedule) return fail("--schedule is one schedule: explore searches them all", "use replay");
        if (o.machine.strategy) {
            auto chosen = parse_strategies(*o.machine.strategy);
            if (!chosen) return tl::make_unexpected(chosen.error());
            strategies_ = *chosen;
        }
        if (o.json == "-" && (o.junit == "-" || o.github))
            return fail("only one of --github, --json - and --junit - can have standard output");
        if (o.junit == "-" && o.github)
            return fail("only one of --github, --json - and --junit - can have standard output");
        plain_ = o.json != "-" && o.junit != "-";
        sweep_.jobs = usable_processors();
        if (o.jobs) {
            const auto n = parse_number("--jobs", *o.jobs);
            if (!n || *n == 0 || *n > 1024) return fail("--jobs must be a number from 1 to 1024");
            sweep_.jobs = static_cast<unsigned>(*n);
        }
        if (auto r = read_shard(); !r) return r;
        RunRequest probe;
        if (auto r = o.machine.apply(probe); !r) return r;
        ExploreSection section;
        if (auto r = apply(section); !r) return r;
        const std::string guests = guests_directory(o.guests);
        for (const std::string& file : o.files) {
            auto ready = ready_scenario(file, guests);
            if (!ready) return tl::make_unexpected(ready.error());
            scenarios_.push_back(std::move(*ready));
        }
        for (const std::string& file : o.merge)
            if (auto r = state_.read(file); !r) return r;
        std::error_code ignored;
        if (o.resume && !std::filesystem::exists(*o.resume, ignored))
            return fail(fmt::format("--resume {}: there is no such file", *o.resume), "--state FILE begins one");
        if (o.state && std::filesystem::exists(*o.state, ignored))
            if (auto r = state_.read(*o.state); !r) return r;
        const auto open = [](const char* option, const std::optional<std::string>& path,
                             std::optional<OutputFile>& into) -> Result<void> {
            if (!path) return {};
            auto file = OutputFile::open(option, *path);
            if (!file) return tl::make_unexpected(file.error());
            into.emplace(std::move(*file));
            return {};
        };
        if (auto r = open("--json", o.json, json_); !r) return r;
        return open("--junit", o.junit, junit_);
    }

    Result<int> go() {
        sweep_.interrupted = catch_interrupts();
        for (const ReadyScenario& ready : scenarios_)
            for (const std::string& strategy : strategies_.empty() ? ready.strategies() : strategies_) {
                if (auto r = search(ready, strategy); !r) return tl::make_unexpected(r.error());
                if (interrupted_by() != 0) return finish();
            }
        return finish();
    }

  private:
    Result<void> read_shard() {
        if (!options_.shard) return {};
        const std::vector<std::string_view> words = text::split(*options_.shard, '/');
        std::vector<std::uint64_t> numbers;
        for (const std::string_view word : words)
            if (const auto n = text::parse_decimal(word)) numbers.push_back(*n);
        if (words.size() != 2 || numbers.size() != 2 || numbers[0] == 0 || numbers[0] > numbers[1] ||
            numbers[1] > 10'000)
            return fail(fmt::format("--shard {}: write i/n, as in 1/3", text::quoted(*options_.shard)));
        sweep_.shard = static_cast<unsigned>(numbers[0] - 1);
        sweep_.shards = static_cast<unsigned>(numbers[1]);
        if (!options_.state) return fail("--shard needs --state FILE", "the shards' files are joined with --merge");
        return {};
    }

    /// What the command line says of the space.
    Result<void> apply(ExploreSection& section) const {
        const ExploreCommandOptions& o = options_;
        const auto choose = [](const char* option, const std::optional<std::string>& given,
                               const std::vector<std::string>& words, auto& into) -> Result<void> {
            if (!given) return {};
            const auto found = std::find(words.begin(), words.end(), *given);
            if (found == words.end())
                return fail(fmt::format("{} {}: there is no such one", option, text::quoted(*given)),
                            text::suggest(*given, words));
            into = static_cast<std::decay_t<decltype(into)>>(found - words.begin());
            return {};
        };
        const auto count = [](const char* option, const std::optional<std::string>& given, std::uint64_t least,
                              std::uint64_t most, std::uint64_t& into) -> Result<void> {
            if (!given) return {};
            const auto n = parse_number(option, *given);
            if (!n) return tl::make_unexpected(n.error());
            if (*n < least || *n > most)
                return fail(fmt::format("{} {}: write a number from {} to {}", option, *given, least, most));
            into = *n;
            return {};
        };
        if (auto r = choose("--method", o.method, {"exhaustive", "pct", "pos", "random"}, section.method); !r) return r;
        if (auto r = choose("--grain", o.grain, {"probe-events", "instructions"}, section.grain); !r) return r;
        std::uint64_t bound = 0, depth = section.depth;
        if (auto r = count("--preemptions", o.preemptions, 0, 1000, bound); !r) return r;
        if (o.preemptions) section.preemptions = static_cast<std::uint32_t>(bound);
        if (auto r = count("--schedules", o.schedules, 1, kMost, section.schedules); !r) return r;
        if (auto r = count("--runs", o.runs, 1, kMost, section.runs); !r) return r;
        if (auto r = count("--depth", o.depth, 1, 1000, depth); !r) return r;
        section.depth = static_cast<std::uint32_t>(depth);
        if (o.machine.seed) {
            const auto seed = parse_number("--seed", *o.machine.seed);
            if (!seed) return tl::make_unexpected(seed.error());
            section.seed = *seed;
        }
        return {};
    }

    Result<void> search(const ReadyScenario& ready, const std::string& strategy) {
        RunRequest request = ready.request(strategy);
        request.invariants = true;
        if (auto r = options_.machine.apply(request); !r) return r;
        request.schedule = SchedulePolicy(policy::RoundRobin{});
        ExploreSection section = ready.scenario.explore.value_or(ExploreSection{});
        if (auto r = apply(section); !r) return r;
        if (section.method != ExploreSection::Method::exhaustive && section.runs == 0)
            return fail("a sampling method needs a number of runs", "--runs N, or runs = N in [explore]",
                        ready.scenario.file);

        const std::string name = search_name(ready.scenario, request, section);
        if (!options_.merge.empty() && !state_.knows(name))
            return fail(fmt::format("no file to be merged knows of the search with {}", strategy),
                        "it was made of another program, model or space", ready.scenario.file);
        sweep_.store = &state_.of(name);
        started_ = std::chrono::steady_clock::now();
        const std::string what = fmt::format("{}: {}", ready.scenario.name, strategy);
        sweep_.progress = [this, &what](const SweepProgress& p) { show(p, what); };
        if (options_.state) sweep_.part_done = [this] { keep_state(false); };
        const auto explored = explore(request, section, sweep_);
        line_.clear();
        if (!explored) {
            if (explored.error().code == exit_status::defect) return tl::make_unexpected(explored.error());
            if (!explored.error().hint.empty()) complain(explored.error());
            ExploreRow failed{error_row(ready.scenario, strategy, explored.error()), section, {}, 0, {}};
            if (plain_) fmt::print("{}", results_text({failed.row}));
            rows_.push_back(std::move(failed));
            return {};
        }
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
        defect_ = defect_ || !explored->lost.empty();
        rows_.push_back({judge(ready.scenario, strategy, *explored), section, *explored, seconds.count(), {}});
        std::string picture;
        if (ends(*explored, witness(rows_.back())) && !defect_)
            if (auto r = show_witness(ready, request, rows_.back(), picture); !r) return r;
        if (plain_) fmt::print("{}{}", explore_text(rows_.back()), picture);
        std::fflush(stdout);
        return {};
    }

    /// Whether there is such a witness, and it ends by itself.
    static bool ends(const Explored& explored, const std::string& token) {
        const auto& all = explored.result.findings;
        const auto of = [&](const Finding& f) { return f.token == token; };
        const auto found = std::find_if(all.begin(), all.end(), of);
        return found != all.end() && found->fingerprint != Finding::kGivenUp;
    }

    /// Says why the witness ends as it does, draws it and writes it down.
    Result<void> show_witness(const ReadyScenario& ready, RunRequest request, ExploreRow& row, std::string& picture) {
        const Token token = parse_token(witness(row)).value();
        const RunRequest search_request = request;
        std::vector<Record> records;
        request.schedule = token;
        keep_records(request, records);
        const auto shown = run_program(request);
        if (!shown) return tl::make_unexpected(shown.error());
        put_in_order(records);
        const auto missed = [](const RunReport& r) {
            return std::any_of(r.probes.begin(), r.probes.end(), [](auto& p) { return p.truth.missed > 0; });
        };
        const auto explanation = explain(search_request, row.section, token, [&](const RunReport& r) {
            if (missed(*shown)) return missed(r);
            if (!shown->broken.empty()) return r.broken == shown->broken;
            return r.outcome == shown->outcome && r.exit_code == shown->exit_code && r.signal == shown->signal &&
                   r.standard_output == shown->standard_output;
        });
        if (!explanation) return tl::make_unexpected(explanation.error());
        row.explanation = *explanation;
        PictureOptions look;
        look.names = place_names(*shown);
        if (options_.explain) picture = columns(records, look);
        if (options_.mermaid && !drawn_) {
            if (auto r = write_output("--mermaid", *options_.mermaid, mermaid(records, look)); !r) return r;
            drawn_ = true;
        }
        if (options_.save && !saved_) return save(ready, request, row, *shown);
        return {};
    }

    /// As a scenario with a fixed schedule, which is tried before it is written: it must end in the same way.
    Result<void> save(const ReadyScenario& ready, RunRequest request, const ExploreRow& row, const RunReport& shown) {
        const Error cannot{"--save: this schedule cannot be written as a script", "its token replays it", {}, 0, 0};
        const auto script = parse_schedule_policy(row.explanation.script);
        if (row.explanation.script.empty() || !script) return tl::make_unexpected(cannot);
        request.schedule = *script;
        request.log = nullptr;
        request.missed = nullptr;
        const auto again = run_program(request);
        if (!again) return tl::make_unexpected(again.error());
        const bool same = !again->diverged && again->outcome == shown.outcome && again->exit_code == shown.exit_code &&
                          again->signal == shown.signal && again->log_hash == shown.log_hash;
        if (!same) return tl::make_unexpected(cannot);
        saved_ = true;
        return write_output("--save", *options_.save, saved_scenario(ready.scenario, row));
    }

    void show(const SweepProgress& p, const std::string& what) {
        line_.show([&] {
            const std::chrono::duration<double> since = std::chrono::steady_clock::now() - started_;
            const std::string sweep = p.sweep.kind == Sweep::Kind::bounded   ? fmt::format("bound {}", p.sweep.bound)
                                      : p.sweep.kind == Sweep::Kind::classes ? "classes"
                                                                             : "runs";
            return fmt::format("{}, {}: {} schedules, {:.0f}/s, {} of {} parts, {} ways to end", what, sweep, p.runs,
                               static_cast<double>(p.runs) / since.count(), p.parts_done, p.parts, p.findings);
        });
    }

    void keep_state(bool now) {
        const auto time = std::chrono::steady_clock::now();
        if (!options_.state || (!now && time - last_state_ < kBetweenStates)) return;
        last_state_ = time;
        if (auto r = write_output("--state", *options_.state, state_.text()); !r && unwritten_.empty())
            unwritten_ = r.error().text();
    }

    Result<int> finish() {
        keep_state(true);
        std::vector<ResultRow> rows;
        for (const ExploreRow& r : rows_) rows.push_back(r.row);
        if (options_.github) fmt::print("{}", results_github(rows));
        if (json_) json_->write(explore_json(rows_));
        if (junit_) junit_->write(results_junit(rows));
        for (auto* file : {&json_, &junit_})
            if (*file)
                if (auto r = (*file)->commit(); !r) return tl::make_unexpected(r.error());
        if (!unwritten_.empty()) {
            fmt::print(stderr, "{}\n", unwritten_);
            return exit_status::misuse;
        }
        if (interrupted_by() != 0) {
            complain({fmt::format("interrupted after {} results", rows_.empty() ? 0 : rows_.size() - 1), {}, {}, 0});
            return 128 + interrupted_by();
        }
        for (const auto& [wanted, written, option] :
             {std::tuple{&options_.save, saved_, "--save"}, std::tuple{&options_.mermaid, drawn_, "--mermaid"}})
            if (*wanted && !written) complain({fmt::format("{}: nothing was found to be written", option), {}, {}, 0});
        if (defect_) return exit_status::defect;
        if (sweep_.shards > 1) return exit_status::done; // what the shards come to together is for --merge to say
        return exit_code(rows);
    }

    const ExploreCommandOptions& options_;
    std::vector<ReadyScenario> scenarios_;
    std::vector<std::string> strategies_; // empty: each scenario's own
    SweepOptions sweep_;
    ExploreState state_;
    std::optional<OutputFile> json_, junit_;
    bool plain_ = true, defect_ = false, saved_ = false, drawn_ = false;
    std::string unwritten_;
    ProgressLine line_;
    std::chrono::steady_clock::time_point started_, last_state_; // for people: no result depends on them
    std::vector<ExploreRow> rows_;
};

} // namespace

int explore_command(const Arguments& arguments) {
    ExploreCommandOptions options;
    CommandLine line("explore", "[OPTIONS] SCENARIO.toml...",
                     "Searches the interleavings of scenarios: a proof, or a schedule to replay.", kFooter);
    line.values("SCENARIO.toml", options.files, "scenario files", "");
    line.value("--method", options.method, "exhaustive, pct, pos or random", "METHOD");
    line.value("--grain", options.grain, "probe-events, or instructions", "GRAIN");
    line.value("--preemptions", options.preemptions, "only orders with at most N preemptions", "N");
    line.value("--schedules", options.schedules, "budget of an exhaustive search (200000)", "N");
    line.value("--runs", options.runs, "how many runs a sampling method makes", "N");
    line.value("--depth", options.depth, "of pct (3)", "N");
    line.value("--jobs", options.jobs, "processes at work (one for each core)", "N");
    line.value("--state", options.state, "keep the search in FILE, and go on from there if it exists", "FILE");
    line.value("--resume", options.resume, "the same, and FILE must exist", "FILE");
    line.value("--shard", options.shard, "only the i-th of n shares of the search, into --state", "i/n");
    line.values("--merge", options.merge, "start from what is known in these files", "FILE");
    line.flag("--explain", options.explain, "show each finding's schedule in columns");
    line.value("--mermaid", options.mermaid, "write the first finding as a sequence diagram", "FILE");
    line.value("--save", options.save, "write the first finding as a scenario with a fixed schedule", "FILE");
    line.value("--guests", options.guests, "where programs of scenarios are (or TRAPLINE_GUESTS)", "DIR");
    line.value("--json", options.json, "write the results; - for standard output", "FILE");
    line.value("--junit", options.junit, "write JUnit XML; - for standard output", "FILE");
    line.flag("--github", options.github, "also print annotations for GitHub workflows");
    options.machine.add_to(line);
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (arguments.program)
        options.files.insert(options.files.end(), arguments.program->begin(), arguments.program->end());
    if (options.resume && options.state) {
        complain({"--resume and --state name one file: give one of them", {}, {}, 0});
        return exit_status::misuse;
    }
    if (options.resume) options.state = options.resume;
    if (options.files.empty()) {
        complain({"no scenario file was named",
                  "for example: trapline explore scenarios/missed-probe/two-cpus.toml",
                  {},
                  0});
        return exit_status::misuse;
    }
    Explore command(options);
    Result<int> code = 0;
    if (auto prepared = command.prepare(); !prepared)
        code = tl::make_unexpected(prepared.error());
    else
        code = command.go();
    if (code) return *code;
    complain(code.error());
    return code.error().code == exit_status::defect ? exit_status::defect : exit_status::misuse;
}

} // namespace trapline
