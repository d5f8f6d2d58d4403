// tools/command.hpp: what a subcommand is.
//
// `trapline NAME OPTIONS -- PROGRAM ARGS`: main.cpp cuts the line at the first `--`, so that nothing that belongs to
// the guest is ever taken for an option of ours, and hands both halves to the subcommand, one small file each. A
// subcommand returns the exit code of INTERFACES. Its own words go to standard error, its results to standard output.
// Read next: run_command.cpp, and options.hpp for what the subcommands share.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace trapline {

struct Arguments {
    std::vector<std::string> ours;                   ///< between the subcommand's name and `--`
    std::optional<std::vector<std::string>> program; ///< behind `--`; nothing when there is no `--`
};

/// Exit codes of every subcommand but `run` (INTERFACES, the table).
namespace exit_status {
inline constexpr int done = 0, violated = 1, misuse = 2, defect = 3, inconclusive = 4;
/// Of `run`, as env(1) and timeout(1) have it: trapline failed, or was used wrongly.
inline constexpr int run_failed = 125;
} // namespace exit_status

int run_command(const Arguments& arguments);
int replay_command(const Arguments& arguments);
int compare_command(const Arguments& arguments);
int show_command(const Arguments& arguments);
int report_command(const Arguments& arguments);
int coverage_command(const Arguments& arguments);
int debug_command(const Arguments& arguments);
int list_command(const Arguments& arguments);
int judge_command(const Arguments& arguments);

} // namespace trapline
