// emu/result.hpp: how a function says that the user's input is wrong.
//
// Three kinds of trouble have three tools. The user's input is wrong: a Result carrying an Error. The guest misbehaves:
// an event in the log, never an error of ours. We are wrong: TL_CHECK (emu/check.hpp), which stays on in release
// builds.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace trapline {

/// One line that says what is wrong and where, and, if there is one, a second that says what to do.
/// Printed as `trapline: FILE:LINE: what` and `  hint`; file and line are left out when they are not known.
struct Error {
    std::string what;
    std::string hint;
    std::string file;
    int line = 0;
    int code = 0; ///< the exit code that env(1) would use, where that is known: 126, 127

    /// The text as the command prints it, without a trailing newline.
    [[nodiscard]] std::string text() const {
        std::string out = "trapline: ";
        if (!file.empty()) {
            out += file + ":";
            if (line > 0) out += std::to_string(line) + ":";
            out += " ";
        }
        out += what;
        if (!hint.empty()) out += "\n  " + hint;
        return out;
    }
};

template <class T> using Result = tl::expected<T, Error>;

/// Shorthand for `return fail("what", "hint")` in a function that returns a Result.
inline tl::unexpected<Error> fail(std::string what, std::string hint = {}, std::string file = {}, int line = 0) {
    return tl::make_unexpected(Error{std::move(what), std::move(hint), std::move(file), line, 0});
}

} // namespace trapline
