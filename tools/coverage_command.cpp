// `trapline coverage`: which instructions of a program each strategy can probe, and why not the rest.
#include "probes/dialect.hpp"
#include "scenarios/text.hpp"
#include "tools/coverage_report.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "Every instruction in the executable sections of each FILE is asked about; of a FILE that is a\n"
    "directory, its programs and libraries are taken, and what is below it. Without --kernel the table\n"
    "has a column for each kernel; everything else is about one, linux-6.18 unless --kernel says\n"
    "otherwise. A strategy that falls back to a step (emulate, boosted, jump, nop5, nop10) counts what\n"
    "it serves without.\n"
    "\n"
    "Examples:\n"
    "  trapline coverage /bin/bash\n"
    "  trapline coverage --by reason --strategy xol,boosted /usr/bin /usr/lib/x86_64-linux-gnu\n"
    "  trapline coverage --by mnemonic --strategy jump /bin/bash\n"
    "  trapline coverage --list emulated-wrongly /usr/lib/x86_64-linux-gnu/libc.so.6\n"
    "  trapline coverage --json - /bin/ls\n"
    "\n"
    "Exit code: 0 done; 2 a wrong command line, or a FILE that is no x86-64 program or library.\n";

struct Given {
    std::vector<std::string> files;
    std::optional<std::string> strategy, kernel, by, list, json, top, jobs;
};

template <class T> std::vector<std::string> names_of(std::span<const T> items) {
    std::vector<std::string> out;
    for (const T& item : items) out.emplace_back(item.name);
    return out;
}

/// All but `fixed` have the defects of their releases.
CoverageKernel kernel_of(const Dialect& d) { return {std::string(d.name), {d.rules, d.leaks_step}}; }

Result<std::vector<CoverageKernel>> kernels_of(const Given& given) {
    std::vector<CoverageKernel> out;
    const bool all = !given.kernel && !given.by && !given.list && !given.json;
    const std::string name = given.kernel.value_or("linux-6.18");
    for (const Dialect& d : dialects()) {
        const CoverageKernel kernel = kernel_of(d);
        // A dialect that differs in something else than its judgement of instructions needs no column of its own.
        const bool told = std::any_of(out.begin(), out.end(), [&](const auto& k) { return k.rules == kernel.rules; });
        if (all ? !told : d.name == name) out.push_back(kernel);
    }
    if (out.empty())
        return fail(fmt::format("unknown kernel {}", text::quoted(name)), text::suggest(name, names_of(dialects())));
    return out;
}

Result<std::vector<const StrategyNeeds*>> strategies_of(const Given& given) {
    std::vector<const StrategyNeeds*> out;
    const std::string names = given.strategy.value_or("all");
    if (names == "all") {
        for (const StrategyNeeds& s : strategy_needs()) out.push_back(&s);
        return out;
    }
    for (std::size_t at = 0; at <= names.size();) {
        const std::size_t end = std::min(names.find(',', at), names.size());
        const std::string name = names.substr(at, end - at);
        const StrategyNeeds* found = strategy_needs(name);
        if (found == nullptr)
            return fail(fmt::format("unknown strategy {}", text::quoted(name)),
                        text::suggest(name, names_of(strategy_needs())));
        if (std::find(out.begin(), out.end(), found) == out.end()) out.push_back(found);
        at = end + 1;
    }
    return out;
}

Result<std::uint64_t> number_of(std::string_view option, const std::optional<std::string>& given,
                                std::uint64_t otherwise) {
    if (!given) return otherwise;
    return parse_number(option, *given);
}

Result<CoverageRequest> request_of(const Given& given) {
    CoverageRequest out;
    if (given.files.empty()) return fail("coverage needs files or directories", "trapline coverage /bin/bash");
    auto kernels = kernels_of(given);
    if (!kernels) return tl::make_unexpected(kernels.error());
    out.kernels = std::move(*kernels);
    auto strategies = strategies_of(given);
    if (!strategies) return tl::make_unexpected(strategies.error());
    out.strategies = std::move(*strategies);
    if (given.by) {
        const auto by = coverage_by(*given.by);
        if (!by)
            return fail(fmt::format("cannot count by {}", text::quoted(*given.by)),
                        "--by mnemonic, reason, function or file");
        out.by = *by;
        out.strategies_given = given.strategy.has_value();
    }
    if (given.list) {
        out.list = why_of(*given.list);
        if (!out.list) {
            std::vector<std::string> keys;
            for (int i = 1; i < static_cast<int>(Why::last); ++i) keys.emplace_back(key(static_cast<Why>(i)));
            return fail(fmt::format("there is no reason {}", text::quoted(*given.list)),
                        text::suggest(*given.list, keys));
        }
        if (given.by) return fail("--list and --by exclude each other", {});
    }
    auto top = number_of("--top", given.top, 40);
    if (!top) return tl::make_unexpected(top.error());
    out.top = *top;
    return out;
}

/// A line that overwrites itself, on a terminal only.
class Progress {
  public:
    void show(const ScanProgress& p) {
        if (!terminal_) return;
        fmt::print(stderr, "\r{} of {} files, {} million instructions", p.files, p.of, p.instructions / 1'000'000);
        std::fflush(stderr);
        shown_ = true;
    }
    ~Progress() {
        if (shown_) fmt::print(stderr, "\r\033[K");
    }

  private:
    bool terminal_ = ::isatty(STDERR_FILENO) != 0;
    bool shown_ = false;
};

Result<void> run(const Given& given) {
    auto request = request_of(given);
    if (!request) return tl::make_unexpected(request.error());
    auto jobs = number_of("--jobs", given.jobs, std::max(1U, std::thread::hardware_concurrency()));
    if (!jobs) return tl::make_unexpected(jobs.error());
    std::optional<OutputFile> json;
    if (given.json) {
        auto opened = OutputFile::open("--json", *given.json);
        if (!opened) return tl::make_unexpected(opened.error());
        json.emplace(std::move(*opened));
    }
    const auto files = list_files(given.files);
    if (!files) return tl::make_unexpected(files.error());
    if (files->paths.empty())
        return fail(fmt::format("there is no x86-64 program or library among {} files", files->skipped), {},
                    given.files.front());

    CoverageReport report(*request, files->skipped);
    ScanOptions options = report.scan_options();
    options.jobs = static_cast<unsigned>(std::min<std::uint64_t>(*jobs, 1024));
    {
        Progress progress;
        auto done = scan_files(
            files->paths, options, [&](FileCoverage&& file) { report.add(std::move(file)); },
            [&](const ScanProgress& p) { progress.show(p); });
        if (!done) return done;
    }
    if (!json || !json->is_standard_output()) fmt::print("{}", report.text());
    if (!json) return {};
    json->write(report.json());
    return json->commit();
}

} // namespace

int coverage_command(const Arguments& arguments) {
    Given given;
    CommandLine line("coverage", "[OPTIONS] FILE...",
                     "Says which instructions of programs and libraries each probing strategy can probe, and why not.",
                     kFooter);
    line.values("FILE", given.files, "programs, libraries, directories", "");
    line.value("--strategy", given.strategy, "only these, separated by commas (all)", "NAME");
    line.value("--kernel", given.kernel, "whose rules apply: `trapline list dialects`", "DIALECT");
    line.value("--by", given.by, "count by mnemonic, reason, function or file", "WHAT");
    line.value("--top", given.top, "that many rows of --by, 0 for all (40)", "N");
    line.value("--list", given.list, "print each instruction that has this reason", "REASON");
    line.value("--json", given.json, "write the counts as JSON; - for standard output", "FILE");
    line.value("--jobs", given.jobs, "threads (as many as there are CPUs)", "N");
    const Vocabulary known = vocabulary();
    line.choices("--strategy", known.strategies);
    line.choices("--kernel", known.dialects);
    line.choices("--by", {"mnemonic", "reason", "function", "file"});
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    const auto done =
        arguments.program ? Result<void>(fail("coverage runs no program", "leave out the --")) : run(given);
    if (done) return exit_status::done;
    complain(done.error());
    return exit_status::misuse;
}

} // namespace trapline
