// The trapline command: which subcommand, and nothing else.
#include "emu/kernel/step.hpp"
#include "scenarios/text.hpp"
#include "tools/command.hpp"
#include "tools/descriptors.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <string_view>
#include <system_error>

namespace {

using namespace trapline;

constexpr Subcommand kSubcommands[] = {
    {"run", "[OPTIONS] -- PROGRAM [ARGS...]", "run a program with probes", run_command},
    {"replay", "SCENARIO.toml... [--token TOKEN]", "run scenario files and check what they expect", replay_command},
    {"compare", "SCENARIO.toml | -- PROGRAM ARGS...", "one table, a row for each strategy", compare_command},
    {"explore", "SCENARIO.toml...", "search the interleavings: a proof, or a schedule", explore_command},
    {"show", "LOG [--columns|--mermaid]", "an event log as a picture made of text", show_command},
    {"report", "LOG -o FILE.html", "a picture of a run in one HTML file", report_command},
    {"coverage", "[OPTIONS] FILE...", "which instructions each strategy can probe, and why not", coverage_command},
    {"debug", "SCENARIO.toml | -- PROGRAM ARGS...", "a run for gdb, forwards and backwards", debug_command},
    {"list", "strategies|dialects|profiles|prices|steps|syscalls", "what there is to choose from", list_command},
    {"judge", "[OPTIONS] -- PROGRAM [ARGS...]", "the same on the live kernel, side by side (root)", judge_command},
    {"manual", "[SUBCOMMAND]", "this as man pages", manual_command},
    {"completion", "bash|zsh", "completion of command lines, for a shell", completion_command},
    {"calibrate", "[OPTIONS]", "measure this machine's costs into a profile (root)", calibrate_command},
};

void print_help(std::FILE* to) {
    fmt::print(to, "trapline runs Linux programs in an emulated machine and probes their instructions, with every\n"
                   "interleaving of its CPUs under control: it knows which executions a probe missed.\n\n");
    for (const Subcommand& command : kSubcommands)
        fmt::print(to, "  trapline {:<11}{:<45}{}\n", command.name, command.usage, command.summary);
    fmt::print(to, "\n  trapline SUBCOMMAND --help   options, exit codes and examples\n"
                   "  trapline --version           the version, and the model's, which tokens name\n");
}

int dispatch(int argc, char** argv) {
    if (argc < 2) {
        print_help(stderr);
        return exit_status::misuse;
    }
    const std::string_view name = argv[1];
    if (name == "--help" || name == "-h" || name == "help") {
        print_help(stdout);
        return exit_status::done;
    }
    if (name == "--version") {
        fmt::print("trapline {}, model {}\n", TRAPLINE_VERSION, kModelVersion);
        return exit_status::done;
    }
    Arguments arguments;
    for (int i = 2; i < argc; ++i) {
        if (arguments.program)
            arguments.program->emplace_back(argv[i]);
        else if (std::string_view(argv[i]) == "--")
            arguments.program.emplace();
        else
            arguments.ours.emplace_back(argv[i]);
    }
    std::vector<std::string> known;
    for (const Subcommand& command : kSubcommands) {
        known.emplace_back(command.name);
        if (command.name == name) return command.run(arguments);
    }
    fmt::print(stderr, "trapline: there is no subcommand {}\n  {}\n", text::quoted(name), text::suggest(name, known));
    return exit_status::misuse;
}

} // namespace

std::span<const trapline::Subcommand> trapline::subcommands() { return kSubcommands; }

int main(int argc, char** argv) {
    settle_descriptors();
    // Results that nobody received are not results: a full disk must not look like a pass.
    const auto not_received = [&](int error_number) {
        std::fprintf(stderr, "trapline: standard output: %s\n", std::strerror(error_number));
        return argc > 1 && std::string_view(argv[1]) == "run" ? exit_status::run_failed : exit_status::defect;
    };
    try {
        const int code = dispatch(argc, argv);
        return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? code : not_received(errno);
    } catch (const std::system_error& error) { // fmt's, from a write that was longer than the stream's buffer
        return not_received(error.code().value());
    }
}
