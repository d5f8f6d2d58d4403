// `trapline debug`: a run that gdb looks at, forwards and backwards.
#include "tools/debug/server.hpp"
#include "tools/options.hpp"
#include "tools/scenario_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "gdb connects with `target remote localhost:PORT`, or starts the command itself:\n"
    "  gdb -ex 'target remote | trapline debug --pipe scenarios/missed-probe/two-cpus.toml'\n"
    "Breakpoints, watchpoints on writes, stepi, continue, and all of these in reverse. Nothing of the run\n"
    "changes by being looked at, and nothing in it can be changed: its log and its token are those of the\n"
    "same run without gdb. Going back is running again from the start, which takes that long. The machine\n"
    "stops at the end of the program, too; continue once more ends the session. `monitor help` lists what\n"
    "the virtual kernel can be asked: probes, slots, steps, and stops at events.\n"
    "\n"
    "The guest reads an empty standard input unless the command's is a file; gdb prints what it writes.\n"
    "A scenario runs with its first strategy unless --strategy names another.\n"
    "\n"
    "Exit code: 0 when the session is over; 2 bad command line, scenario or program.\n"
    "\n"
    "Examples:\n"
    "  trapline debug -p :main -- ./program\n"
    "  trapline debug scenarios/missed-probe/two-cpus.toml --strategy inline --port 1234\n";

struct DebugOptions {
    MachineOptions machine;
    std::vector<std::string> files;
    std::optional<std::string> guests, port;
    bool pipe = false;
};

class Debug {
  public:
    explicit Debug(const DebugOptions& options) : options_(options) {}

    Result<void> go(const Arguments& arguments) {
        if (auto understood = prepare(arguments); !understood) return understood;
        std::uint64_t port = 0;
        if (options_.port) {
            const auto number = parse_number("--port", *options_.port);
            if (!number) return tl::make_unexpected(number.error());
            if (options_.pipe || *number == 0 || *number > 65535)
                return options_.pipe ? fail("--pipe and --port: choose one") : fail("--port: must be 1 to 65535");
            port = *number;
        }
        // A program that cannot be run is better known before somebody connects.
        {
            RunRequest request = request_;
            request.capture_output = true;
            Rig rig(request);
            if (Result<void> fine = rig.set_up(); !fine) return fine;
        }
        if (options_.pipe) {
            Connection connection(STDIN_FILENO, STDOUT_FILENO);
            return serve(connection);
        }
        auto connection = Connection::accept(static_cast<std::uint16_t>(port));
        if (!connection) return tl::make_unexpected(connection.error());
        return serve(*connection);
    }

  private:
    Result<void> prepare(const Arguments& arguments) {
        if (arguments.program.has_value() == !options_.files.empty() || options_.files.size() > 1)
            return fail("debug needs one scenario file, or a program behind --",
                        "trapline debug FILE.toml, or: trapline debug -p :main -- ./program");
        if (!options_.machine.write.empty())
            return fail("--write: going back is running again, which would find what was written before",
                        "leave it out");
        if (!options_.files.empty()) {
            auto ready = ready_scenario(options_.files.front(), guests_directory(options_.guests));
            if (!ready) return tl::make_unexpected(ready.error());
            ready_.emplace(std::move(*ready));
            request_ = ready_->request(ready_->strategies().front());
        } else {
            if (arguments.program->empty()) return fail("there is no program behind --");
            request_.program = arguments.program->front();
            request_.args.assign(arguments.program->begin() + 1, arguments.program->end());
            request_.environment = default_environment();
        }
        if (auto understood = options_.machine.apply(request_); !understood) return understood;
        if (const auto* token = std::get_if<Token>(&request_.schedule)) request_.strategy = token->strategy;
        if (options_.machine.strategy) {
            const auto chosen = parse_strategies(*options_.machine.strategy);
            if (!chosen) return tl::make_unexpected(chosen.error());
            if (chosen->size() > 1) return fail("--strategy: one run has one strategy");
            if (std::holds_alternative<Token>(request_.schedule) && chosen->front() != request_.strategy)
                return fail(fmt::format("the token is of strategy {}, not {}", request_.strategy, chosen->front()),
                            "leave --strategy out");
            request_.strategy = chosen->front();
        }
        return {};
    }

    Result<void> serve(Connection& connection) {
        // A pipe from gdb is no input for the guest.
        auto input = options_.pipe ? GuestInput::holding({}) : GuestInput::of_command();
        if (!input) return tl::make_unexpected(input.error());
        Server server(connection, request_);
        Session session(request_, ready_ ? ready_->input : *input, server);
        const auto report = session.go();
        if (!report) return tl::make_unexpected(report.error());
        return {};
    }

    const DebugOptions& options_;
    std::optional<ReadyScenario> ready_;
    RunRequest request_;
};

} // namespace

int debug_command(const Arguments& arguments) {
    DebugOptions options;
    CommandLine line("debug", "[OPTIONS] SCENARIO.toml  or  [OPTIONS] -- PROGRAM [ARGS...]",
                     "A run that gdb looks at, forwards and backwards.", kProbeHelp + std::string("\n") + kFooter);
    line.values("SCENARIO.toml", options.files, "a scenario file", "");
    line.value("--guests", options.guests, "where programs of scenarios are (or TRAPLINE_GUESTS)", "DIR");
    line.value("--port", options.port, "where gdb connects, on this host only (default: any free one)", "N");
    line.flag("--pipe", options.pipe, "gdb speaks over standard input and output");
    options.machine.add_to(line);
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    const auto done = Debug(options).go(arguments);
    if (done) return exit_status::done;
    complain(done.error());
    return exit_status::misuse;
}

} // namespace trapline
