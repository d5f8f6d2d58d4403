// `trapline judge`: the same program and probes on the live kernel and in the emulated machine, side by side.
#include "tools/guest_input.hpp"
#include "tools/interrupt.hpp"
#include "tools/judge/surroundings.hpp"
#include "tools/judge/verdict.hpp"
#include "tools/options.hpp"
#include "tools/output_file.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr const char* kFooter =
    "The program runs twice: in the emulated machine, and on this kernel with uprobes (perf events) on\n"
    "private copies of the probed files, which nothing else can reach. It sees the same files (read-only\n"
    "but for copies of --write folders), environment, limits and process numbers; GLIBC_TUNABLES and\n"
    "OPENSSL_ia32cap make libraries choose the functions that they choose on the emulated processor.\n"
    "The emulated kernel does what the live one does (strategy nop5) unless --strategy says otherwise.\n"
    "Hits of each probe, refused registrations, exit status and output are compared; with --args what\n"
    "fetch arguments saw, hit by hit (the live kernel's side comes from its tracefs). What the program\n"
    "prints is not shown.\n"
    "\n"
    "Exit code: 0 both agree; 1 they do not; 2 bad command line or program; 3 a defect of trapline; 4 a\n"
    "limit or the timeout was reached; 77 this machine cannot judge, and why; 130 interrupted.\n"
    "\n"
    "Examples:\n"
    "  trapline judge -p libc.so.6:malloc -p libc.so.6:free -- /bin/ls -l /\n"
    "  trapline judge -p :main --json - -- ./program\n"
    "  trapline judge --args -p 'p libc.so.6:getenv +0(%di):string' -- /bin/ls\n";

struct JudgeOptions {
    MachineOptions machine;
    std::optional<std::string> json, timeout;
    bool args = false;
};

/// Everything between a command line that was understood and a verdict.
class Judge {
  public:
    Judge(const JudgeOptions& options, const Arguments& arguments) : options_(options), arguments_(arguments) {}

    Result<int> go() {
        if (!arguments_.program || arguments_.program->empty())
            return fail("no program was given", "it comes behind --: trapline judge -p :main -- ./program");
        if (const auto understood = set_up(); !understood) return tl::make_unexpected(understood.error());
        std::optional<OutputFile> json;
        if (options_.json) {
            auto file = OutputFile::open("--json", *options_.json);
            if (!file) return tl::make_unexpected(file.error());
            json.emplace(std::move(*file));
        }
        if (auto possible = judge::live_available(options_.args); !possible)
            return tl::make_unexpected(possible.error());
        auto input = GuestInput::of_command();
        if (!input) return tl::make_unexpected(input.error());
        request_.interrupted = catch_interrupts();

        // Where the probes are is the machine's to say; the live run comes before anything has been written.
        RunRequest look = request_;
        look.standard.in = input->rewound();
        look.limit = 1;
        const auto located = run_program(look);
        if (!located) return tl::make_unexpected(located.error());
        judge::LiveRequest live = live_request(*located);
        live.input = input->rewound();
        const auto seen = judge::run_live(live);
        if (!seen) return tl::make_unexpected(seen.error());
        if (seen->interrupted) return interrupted();
        if (seen->timed_out) return gave_up("the live program was still running after --timeout seconds");

        request_.standard.in = input->rewound();
        const auto emulated = run_program(request_);
        if (!emulated) return tl::make_unexpected(emulated.error());
        for (const std::string& warning : emulated->warnings) fmt::print(stderr, "trapline: warning: {}\n", warning);
        if (interrupted_by() != 0) return interrupted();
        if (emulated->outcome == Outcome::Kind::limit) return gave_up("the limit of instructions was reached");

        const judge::Verdict verdict = judge::compare(request_, *emulated, *seen, options_.args);
        if (!options_.json || *options_.json != "-") fmt::print("{}", judge::verdict_table(verdict));
        if (emulated->outcome != Outcome::Kind::exited)
            complain({"the emulated program did not end: " + emulated->detail, {}, {}, 0});
        if (json) {
            json->write(judge::verdict_json(verdict));
            if (auto done = json->commit(); !done) return tl::make_unexpected(done.error());
        }
        if (verdict.agrees() && verdict.incomplete())
            return gave_up("the live kernel could not write down what all hits fetched: fewer hits are needed");
        return verdict.agrees() && emulated->outcome == Outcome::Kind::exited ? exit_status::done
                                                                              : exit_status::violated;
    }

  private:
    Result<void> set_up() {
        request_.program = arguments_.program->front();
        request_.args.assign(arguments_.program->begin() + 1, arguments_.program->end());
        request_.environment = default_environment();
        for (const std::string& variable : judge::surroundings()) set_variable(request_.environment, variable);
        request_.capture_output = true;
        request_.host_order = true;
        // Where Linux puts it without randomisation: addresses are what some programs hash and sort by.
        request_.layout.stack_top = kTaskSize;
        request_.start_time =
            static_cast<std::uint64_t>(std::time(nullptr)) + 1; // what is shown of files depends on it
        utsname kernel{};
        ::uname(&kernel);
        request_.kernel = std::strncmp(kernel.release, "6.12.", 5) == 0 ? "linux-6.12" : "linux-6.18";
        request_.strategy = request_.kernel == "linux-6.12" ? "emulate" : "nop5"; // what these kernels do
        if (const auto applied = options_.machine.apply(request_); !applied) return applied;
        if (std::strncmp(kernel.release, "6.18.", 5) != 0 && std::strncmp(kernel.release, "6.12.", 5) != 0)
            fmt::print(stderr, "trapline: this kernel is {}, the emulated one is {}: what differs may be the kernels\n",
                       kernel.release, request_.kernel);
        const auto fetches = [](const ScenarioProbe& p) { return !p.spec.args.empty(); };
        if (options_.args && std::none_of(request_.probes.begin(), request_.probes.end(), fetches))
            return fail("--args: no probe has fetch arguments", "as in -p 'p libc.so.6:getenv +0(%di):string'");
        if (options_.args) request_.keeps_fetched = ~std::size_t{0};
        if (options_.machine.strategy) {
            const auto chosen = parse_strategies(*options_.machine.strategy);
            if (!chosen) return tl::make_unexpected(chosen.error());
            if (chosen->size() > 1) return fail("--strategy: the judge looks at one strategy");
            request_.strategy = chosen->front();
        }
        if (request_.working_directory.empty()) {
            char host[4096];
            request_.working_directory = request_.root == "/" && ::getcwd(host, sizeof host) != nullptr ? host : "/";
        }
        if (options_.timeout) {
            const auto seconds = parse_number("--timeout", *options_.timeout);
            if (!seconds) return tl::make_unexpected(seconds.error());
            constexpr std::uint64_t kMost = 86400;
            if (*seconds < 1 || *seconds > kMost)
                return fail(fmt::format("--timeout {}: must be 1 to {}", *seconds, kMost));
            timeout_ = static_cast<unsigned>(*seconds);
        }
        return {};
    }

    [[nodiscard]] judge::LiveRequest live_request(const RunReport& located) const {
        judge::LiveRequest live;
        // As it was named: the name is on the stack.
        live.program = request_.program.find('/') != std::string::npos ? request_.program : located.program;
        live.args = {request_.program};
        live.args.insert(live.args.end(), request_.args.begin(), request_.args.end());
        live.environment = request_.environment;
        live.root = request_.root;
        live.working_directory = request_.working_directory;
        live.write_directories = request_.write_directories;
        for (std::size_t i = 0; i < located.probes.size(); ++i) {
            const ProbeReport& p = located.probes[i];
            judge::LiveProbe& probe = live.probes.emplace_back();
            probe.path = p.file;
            probe.offset = p.offset;
            probe.is_return = p.is_return;
            probe.counter_offset = static_cast<std::uint32_t>(request_.probes[i].spec.counter_offset);
            if (!options_.args) continue;
            for (const FetchArg& arg : request_.probes[i].spec.args) probe.fetch += to_string(arg) + " ";
        }
        // A further CPU is a further event for each probe, and closing one takes a grace period.
        live.cpus = options_.machine.cpus ? request_.cpus : 1;
        live.timeout_seconds = timeout_;
        live.interrupted = request_.interrupted;
        return live;
    }

    static Result<int> interrupted() {
        complain({"interrupted", {}, {}, 0});
        return 128 + interrupted_by();
    }
    static Result<int> gave_up(std::string what) {
        complain({std::move(what), {}, {}, 0});
        return exit_status::inconclusive;
    }

    const JudgeOptions& options_;
    const Arguments& arguments_;
    RunRequest request_;
    unsigned timeout_ = 60;
};

} // namespace

int judge_command(const Arguments& arguments) {
    JudgeOptions options;
    CommandLine line("judge", "[OPTIONS] -- PROGRAM [ARGS...]",
                     "The same program and probes on the live kernel and in the emulated machine, side by side.",
                     kProbeHelp + std::string("\n") + kFooter);
    options.machine.add_to(line);
    line.value("--json", options.json, "write the verdict; - for standard output", "FILE");
    line.flag("--args", options.args, "compare what fetch arguments saw, too");
    line.value("--timeout", options.timeout, "for the live program (default 60)", "SECONDS");
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    const auto code = Judge(options, arguments).go();
    if (code) return *code;
    complain(code.error());
    return code.error().code == judge::kUnavailable ? judge::kUnavailable : exit_status::misuse;
}

} // namespace trapline
