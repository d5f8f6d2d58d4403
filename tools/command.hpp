// tools/command.hpp: what a subcommand is.
//
// `trapline NAME OPTIONS -- PROGRAM ARGS`: main.cpp cuts the line at the first `--`, so that nothing that belongs to
// the guest is ever taken for an option of ours, and hands both halves to the subcommand, one small file each. A
// subcommand returns the exit code of INTERFACES. Its own words go to standard error, its results to standard output.
// Read next: run_command.cpp, and options.hpp for what the subcommands share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// What a subcommand says of itself. Help texts, man pages and completions are all made of this (manual/).
struct CommandDescription {
    struct Option {
        std::vector<std::string> spellings; ///< "-p", "--probe"; empty: an operand
        std::string placeholder;            ///< what its value stands for; empty: it takes none
        std::string what;
        bool repeated = false;
        std::vector<std::string> choices = {}; ///< what its value can be, where that is a short list
    };
    std::string name, usage, what, footer;
    std::vector<Option> options;
};

struct Arguments {
    std::vector<std::string> ours;                   ///< between the subcommand's name and `--`
    std::optional<std::vector<std::string>> program; ///< behind `--`; nothing when there is no `--`
    CommandDescription* describe = nullptr;          ///< fill this and do nothing else
};

/// Exit codes of every subcommand but `run` (INTERFACES, the table).
namespace exit_status {
inline constexpr int done = 0, violated = 1, misuse = 2, defect = 3, inconclusive = 4;
/// Of `run`, as env(1) and timeout(1) have it: trapline failed, or was used wrongly.
inline constexpr int run_failed = 125;
} // namespace exit_status

/// A subcommand, as the overview shows it.
struct Subcommand {
    std::string_view name, usage, summary;
    int (*run)(const Arguments&); ///< nullptr: the name is taken for later
};
[[nodiscard]] std::span<const Subcommand> subcommands();

int run_command(const Arguments& arguments);
int replay_command(const Arguments& arguments);
int compare_command(const Arguments& arguments);
int explore_command(const Arguments& arguments);
int show_command(const Arguments& arguments);
int report_command(const Arguments& arguments);
int coverage_command(const Arguments& arguments);
int debug_command(const Arguments& arguments);
int list_command(const Arguments& arguments);
int calibrate_command(const Arguments& arguments);
int judge_command(const Arguments& arguments);
int manual_command(const Arguments& arguments);
int completion_command(const Arguments& arguments);

} // namespace trapline
