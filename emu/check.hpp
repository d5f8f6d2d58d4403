// emu/check.hpp: checks of our own invariants, on in every build.
//
// A failed check is a defect of trapline. It prints what was expected, where, and the replay token of the run, so that
// the defect can be reproduced from the message alone, and ends the process at once: unwinding through the CPU engine
// is not possible. The exit code is 3, or 125 under `trapline run` (INTERFACES: exit codes).
#pragma once

#include <fmt/format.h>
#include <functional>
#include <string>
#include <string_view>

namespace trapline {

/// What a failed check does: which exit code it uses and where it gets the token from. Set by the command.
struct CheckContext {
    int exit_code = 3;
    std::function<std::string()> token;
};
CheckContext& check_context();

/// Prints the failure and ends the process. Never returns, never throws.
[[noreturn]] void check_failed(std::string_view file, int line, std::string_view condition, std::string_view text);

} // namespace trapline

#define TL_CHECK(condition, ...)                                                                                       \
    do {                                                                                                               \
        if (!(condition)) [[unlikely]]                                                                                 \
            ::trapline::check_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__));                      \
    } while (false)
