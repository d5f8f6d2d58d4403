// tests/loader/in_directory.hpp: a program that changes files does the same natively and in the machine.
#pragma once

#include "tests/loader/files.hpp"
#include "tests/loader/run_program.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

namespace trapline::test {

using Command = std::vector<std::string>;

/// Each run gets an empty directory of its own that it may change.
inline void check_in_directory(const Command& command, const std::string& input = {}) {
    std::string text;
    for (const auto& word : command) text += word + " ";
    CAPTURE(text);
    if (::access(command.front().c_str(), X_OK) != 0) {
        MESSAGE(command.front() << " is not on this machine");
        return;
    }
    TemporaryDirectory live, own;
    RunOptions options;
    options.input = input;
    options.directory = live.path;
    const Ran native = run_natively(command, options);
    options.directory = own.path;
    options.write = {own.path};
    const Ran ran = run_emulated(command, options);
    CHECK(ran.error == "");
    CHECK(ran.code == native.code);
    CHECK(ran.out == native.out);
    CHECK(ran.err == native.err);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(live.path)) {
        const auto same = own.path / entry.path().lexically_relative(live.path);
        CAPTURE(same);
        REQUIRE(std::filesystem::symlink_status(same).type() == entry.symlink_status().type());
        if (std::filesystem::is_regular_file(entry.symlink_status())) {
            CHECK(text_of(same) == text_of(entry.path()));
            CHECK(std::filesystem::status(same).permissions() == entry.status().permissions());
        }
    }
}

} // namespace trapline::test
