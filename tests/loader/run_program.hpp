// tests/loader/run_program.hpp: runs a program in the machine, and the same one natively, to compare what they print.
#pragma once

#include "loader/system.hpp"

#include <string>
#include <vector>

namespace trapline::test {

struct RunOptions {
    std::vector<std::string> environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=/"};
    std::string input;              ///< on standard input
    std::string directory = "/";    ///< where it runs
    std::vector<std::string> write; ///< where it may write
    unsigned cpus = 2;
    std::uint64_t seed = 0;
    std::uint64_t limit = 20'000'000'000; ///< instructions: far more than any test needs
};

struct Ran {
    std::string out, err;
    int code = -1;     ///< as `trapline run` exits: 128+n for signal n
    std::string error; ///< why it was not started
    std::uint64_t log_hash = 0;
    std::uint64_t instructions = 0;
    std::uint32_t threads = 0, processes = 0;
};

/// TRAPLINE_TEST_EVENTS in the environment prints every event on standard error.
Ran run_emulated(const std::vector<std::string>& command, const RunOptions& options = {});
Ran run_natively(const std::vector<std::string>& command, const RunOptions& options = {});

} // namespace trapline::test
