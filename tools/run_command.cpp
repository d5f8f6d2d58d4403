// `trapline run`: one run of a program with probes, which behaves like the program itself.
#include "emu/check.hpp"
#include "tools/descriptors.hpp"
#include "tools/interrupt.hpp"
#include "tools/json_out.hpp"
#include "tools/options.hpp"
#include "tools/progress.hpp"
#include "tools/run_outputs.hpp"
#include "tools/run_table.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "The guest's standard input, output and error are the command's own; what trapline says goes to\n"
    "standard error. The guest's environment is PATH (the system's usual folders) and HOME=/, whatever\n"
    "the host's is; --env adds to it. The same options give the same run, event for event: the log hash\n"
    "says so.\n"
    "\n"
    "Exit code: the guest's own; 128+N when signal N killed it; 125 trapline failed or was used wrongly,\n"
    "the schedule could not be followed, --limit was reached, or every thread waits for ever; 126 the\n"
    "program cannot be run; 127 it is not found; 130 interrupted by Ctrl-C (what was seen is printed).\n"
    "\n"
    "Examples:\n"
    "  trapline run -- /bin/echo hello\n"
    "  trapline run -p libc.so.6:malloc --cpus 4 -- ls -l\n"
    "  trapline run -p :main --strategy inline --json result.json --quiet -- ./program\n"
    "  trapline run -p :hot --strategy inline \\\n"
    "      --schedule 't1 until text-restored; t2 until :hot+3; t1 until text-armed' -- ./two-threads\n"
    "  trapline run --args -p 'p libc.so.6:getenv name=+0(%di):string' -- /bin/ls\n";

struct RunOptions {
    MachineOptions machine;
    OutputOptions outputs;
    std::optional<std::string> json;
    bool quiet = false, args = false;
};

/// The strategy, and whether it agrees with the token, which names one, too.
Result<void> choose_strategy(const RunOptions& options, RunRequest& request) {
    if (options.machine.strategy) {
        const auto chosen = parse_strategies(*options.machine.strategy);
        if (!chosen) return tl::make_unexpected(chosen.error());
        if (chosen->size() > 1)
            return fail("--strategy: one run has one strategy", "trapline compare runs several, a row for each");
        request.strategy = chosen->front();
    }
    if (const auto* token = std::get_if<Token>(&request.schedule)) {
        if (options.machine.strategy && token->strategy != request.strategy)
            return fail(fmt::format("the token is of strategy {}, not {}", token->strategy, request.strategy),
                        "leave --strategy out");
        request.strategy = token->strategy;
    }
    return {};
}

/// The exit code, and a line that says why when the program did not end by itself.
int ending(const RunRequest& request, const RunReport& report) {
    const auto stopped = [](std::string what) {
        complain({std::move(what), {}, {}, 0});
        return exit_status::run_failed;
    };
    if (report.diverged) return stopped(report.detail);
    switch (report.outcome) {
    case Outcome::Kind::limit:
        return stopped(fmt::format("the limit of {} instructions was reached", request.limit));
    case Outcome::Kind::deadlock:
        return stopped(report.detail);
    case Outcome::Kind::stopped:
        complain({"interrupted", {}, {}, 0});
        return 128 + interrupted_by();
    case Outcome::Kind::exited:
        break;
    }
    return report.signal != 0 ? 128 + report.signal : report.exit_code;
}

/// Runs what was understood; an error of ours on the way is 125 unless it says otherwise.
Result<int> run(const RunOptions& options, RunRequest& request) {
    std::optional<OutputFile> json;
    if (options.json) {
        auto file = OutputFile::open("--json", *options.json);
        if (!file) return tl::make_unexpected(file.error());
        json.emplace(std::move(*file));
    }
    auto outputs = RunOutputs::open(options.outputs);
    if (!outputs) return tl::make_unexpected(outputs.error());
    outputs->attach(request, nullptr);
    request.interrupted = catch_interrupts();
    ProgressLine progress(true);
    if (!options.quiet) progress.attach(request);
    if (options.args)
        request.fetched = [&](const Fetched& f) {
            progress.clear();
            fmt::print(stderr, "{}\n", hit_line(request, f));
        };
    auto report = run_program(request);
    progress.clear();
    if (!report) return tl::make_unexpected(report.error());

    const int code = ending(request, *report);
    if (!options.quiet) {
        for (const std::string& warning : report->warnings) fmt::print(stderr, "trapline: warning: {}\n", warning);
        const bool cut_short = report->diverged || report->outcome != Outcome::Kind::exited;
        if (!request.probes.empty() || cut_short) fmt::print(stderr, "{}", run_table(request, *report));
    }
    if (auto done = outputs->finish(request, *report); !done) return tl::make_unexpected(done.error());
    if (json) {
        json->write(run_json(request, options.machine.schedule.value_or("rr"), *report));
        if (auto done = json->commit(); !done) return tl::make_unexpected(done.error());
    }
    return code;
}

} // namespace

int run_command(const Arguments& arguments) {
    check_context().exit_code = exit_status::run_failed;
    RunOptions options;
    CommandLine line("run", "[OPTIONS] -- PROGRAM [ARGS...]", "Runs a program with probes, and behaves like it.",
                     kProbeHelp + std::string("\n") + kFooter);
    options.machine.add_to(line);
    line.value("--json", options.json, "write the result; - for standard output", "FILE");
    options.outputs.add_to(line);
    line.flag("--args", options.args, "print what fetch arguments saw, a line for each hit");
    line.flag("--quiet,-q", options.quiet, "print no table and no warnings");
    if (const auto over = line.parse(arguments, exit_status::run_failed)) return *over;

    RunRequest request;
    request.standard = standard_files();
    request.environment = default_environment();
    const auto misused = [](const Error& error) {
        complain(error);
        return exit_status::run_failed;
    };
    if (!arguments.program || arguments.program->empty())
        return misused({"no program was given", "it comes behind --: trapline run -p :main -- ./program", {}, 0});
    request.program = arguments.program->front();
    request.args.assign(arguments.program->begin() + 1, arguments.program->end());
    if (const auto understood = options.machine.apply(request); !understood) return misused(understood.error());
    if (const auto chosen = choose_strategy(options, request); !chosen) return misused(chosen.error());

    const auto code = run(options, request);
    if (code) return *code;
    complain(code.error());
    // Smaller ones are errnos.
    return code.error().code > exit_status::run_failed ? code.error().code : exit_status::run_failed;
}

} // namespace trapline
