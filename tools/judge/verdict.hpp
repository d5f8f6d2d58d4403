// tools/judge/verdict.hpp: what the live kernel saw beside what the emulated machine saw.
#pragma once

#include "scenarios/run.hpp"
#include "tools/judge/live.hpp"

#include <string>
#include <vector>

namespace trapline::judge {

struct ProbeVerdict {
    std::string spec;
    std::uint64_t live_hits = 0, emulated_hits = 0;
    int live_errno = 0, emulated_errno = 0;
    bool agree = false;     ///< in all of this
    bool fetched = false;   ///< fetch arguments were compared
    std::string difference; ///< of what they saw, first hit by hit; empty: none
    std::uint64_t lost = 0; ///< hits whose values the live kernel had no room for
};

struct Verdict {
    std::string kernel, dialect, strategy, program;
    std::vector<ProbeVerdict> probes;
    int live_exit = 0, emulated_exit = 0; ///< as a shell shows them: 128+n for signal n
    bool exit_agrees = false, stdout_agrees = false, stderr_agrees = false;
    std::string live_stdout, emulated_stdout, live_stderr, emulated_stderr;

    [[nodiscard]] bool agrees() const;
    /// The live kernel has lost values that the verdict needs.
    [[nodiscard]] bool incomplete() const;
};

/// `fetched`: what fetch arguments saw is part of it.
Verdict compare(const RunRequest& request, const RunReport& emulated, const LiveReport& live, bool fetched);

/// A row for each probe, and what differs in the program's end and output.
std::string verdict_table(const Verdict& verdict);
std::string verdict_json(const Verdict& verdict);

} // namespace trapline::judge
