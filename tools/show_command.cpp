// `trapline show`: an event log as text that people read: columns, a sequence diagram; or as a trace.
#include "scenarios/picture.hpp"
#include "tools/event_log.hpp"
#include "tools/options.hpp"
#include "tools/trace.hpp"

#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "LOG is what --log of run or replay wrote; - reads standard input. Only what concerns probes is shown\n"
    "unless --all is given, and of a long log --lines lines, around the first miss if there is one.\n"
    "\n"
    "Exit code: 0 done; 2 bad command line, or no event log.\n"
    "\n"
    "Examples:\n"
    "  trapline replay race.toml --strategy inline --log race.log && trapline show race.log\n"
    "  trapline show race.log --mermaid > race.mmd\n"
    "  trapline show long.log --calls\n"
    "  trapline show long.log --all --from 5000 --to 5100\n";

struct ShowOptions {
    std::vector<std::string> files;
    std::optional<std::string> from, to, lines, trace;
    bool columns = false, mermaid = false, all = false, calls = false;
};

Result<void> number(const char* name, const std::optional<std::string>& given, std::uint64_t& into) {
    if (!given) return {};
    const auto parsed = parse_number(name, *given);
    if (!parsed) return tl::make_unexpected(parsed.error());
    into = *parsed;
    return {};
}

Result<void> show(const ShowOptions& options) {
    PictureOptions picture;
    picture.everything = options.all;
    std::uint64_t most = picture.most;
    if (auto done = number("--from", options.from, picture.from); !done) return done;
    if (auto done = number("--to", options.to, picture.to); !done) return done;
    if (auto done = number("--lines", options.lines, most); !done) return done;
    if (most == 0) return fail("--lines 0 would show nothing");
    picture.most = static_cast<std::size_t>(most);
    if (options.mermaid + options.columns + options.calls > 1)
        return fail("--mermaid, --columns and --calls exclude each other");
    if (options.files.size() != 1) return fail("show needs one event log", "run and replay write one with --log FILE");

    const auto log = read_log(options.files.front());
    if (!log) return tl::make_unexpected(log.error());
    if (options.trace) {
        auto file = OutputFile::open("--trace", *options.trace);
        if (!file) return tl::make_unexpected(file.error());
        write_trace(log->records, log->names(), log->hz(), *file);
        if (auto done = file->commit(); !done || (!options.mermaid && !options.columns)) return done;
    }
    picture.names = log->names();
    if (options.calls) {
        fmt::print("{}", calls(log->records, picture));
        return {};
    }
    fmt::print("{}", options.mermaid ? mermaid(log->records, picture) : columns(log->records, picture));
    return {};
}

} // namespace

int show_command(const Arguments& arguments) {
    ShowOptions options;
    CommandLine line("show", "[OPTIONS] LOG", "Prints an event log as a picture made of text.", kFooter);
    line.values("LOG", options.files, "an event log, - for standard input", "");
    line.flag("--columns", options.columns, "a column for each thread, the probed byte between (default)");
    line.flag("--mermaid", options.mermaid, "a Mermaid sequence diagram");
    line.value("--trace", options.trace, "write a trace for Perfetto or chrome://tracing instead", "FILE");
    line.flag("--calls", options.calls, "all system calls, a line each, with arguments and results");
    line.flag("--all", options.all, "also system calls, page faults and wake-ups");
    line.value("--from", options.from, "the first event to be shown", "NUMBER");
    line.value("--to", options.to, "the last event to be shown", "NUMBER");
    line.value("--lines", options.lines, "how many lines at most (200)", "N");
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (arguments.program)
        options.files.insert(options.files.end(), arguments.program->begin(), arguments.program->end());
    const auto done = show(options);
    if (done) return exit_status::done;
    complain(done.error());
    return exit_status::misuse;
}

} // namespace trapline
