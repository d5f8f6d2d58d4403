// tools/options.hpp: the options that the subcommands share, and how a command line is read.
//
// CLI11 splits the line; every value is then checked here by the room that knows it, so that a wrong one gives one line
// and, where a name is nearly right, the name that was meant. Nothing runs before all of the line is understood.
// Read next: run_command.cpp.
#pragma once

#include "scenarios/run.hpp"
#include "tools/command.hpp"

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// Prints `trapline: what` and the hint to standard error.
void complain(const Error& error);

/// A CLI11 parser with the settings that every subcommand wants; `usage` is the part behind "trapline NAME".
class CommandLine {
  public:
    CommandLine(std::string name, std::string usage, std::string what, std::string footer);

    [[nodiscard]] CLI::App& app() { return app_; }
    /// An option with one value, which may be given once.
    void value(const std::string& names, std::optional<std::string>& into, const std::string& what,
               const std::string& placeholder);
    /// An option with one value each time it is given.
    void values(const std::string& names, std::vector<std::string>& into, const std::string& what,
                const std::string& placeholder);
    void flag(const std::string& names, bool& into, const std::string& what);
    /// Names that the value of an option or operand can be: for completion only, `parse` does not check them.
    void choices(std::string_view spelling, std::vector<std::string> names);
    /// Reads the line. An exit code when the command is over already: help or a description was asked for (0), or it is
    /// wrong (`misuse`).
    [[nodiscard]] std::optional<int> parse(const Arguments& arguments, int misuse);

  private:
    void describe(const std::string& names, const std::string& placeholder, const std::string& what, bool repeated);

    CLI::App app_;
    CommandDescription description_;
};

/// What runs of any kind can be told on the command line.
struct MachineOptions {
    std::vector<std::string> probes, write, environment;
    std::optional<std::string> strategy, cpus, kernel, schedule, seed, cost, root, limit, mutation;

    void add_to(CommandLine& line);
    /// Puts what was given into a request, except the strategy. The first value that is wrong is the error.
    [[nodiscard]] Result<void> apply(RunRequest& request) const;
};

/// `--strategy`: names of strategies separated by commas, or "all"; each once, in the order given.
[[nodiscard]] Result<std::vector<std::string>> parse_strategies(std::string_view text);

/// A decimal number for the option `name`.
[[nodiscard]] Result<std::uint64_t> parse_number(std::string_view name, std::string_view text);

/// The names that exist, for reading scenario files.
[[nodiscard]] Vocabulary vocabulary();

/// Where the guests are: what --guests says, else TRAPLINE_GUESTS, else where the build put them beside the command.
[[nodiscard]] std::string guests_directory(const std::optional<std::string>& option);

/// What a program finds in its environment unless --env says otherwise. Nothing of the host's: it would change runs.
[[nodiscard]] std::vector<std::string> default_environment();

/// Replaces the variable of the same name, as env(1) does, or adds it.
void set_variable(std::vector<std::string>& environment, const std::string& assignment);

/// The common part of help texts: the forms of a probe.
extern const char* const kProbeHelp;

} // namespace trapline
