#include "loader/elf.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace trapline;

namespace {

Result<std::optional<ScriptLine>> read(const std::string& text) {
    return read_script_line(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), "x");
}

} // namespace

TEST_SUITE("loader/script") {
    TEST_CASE("the line is one word and the rest as one argument") {
        auto line = read("#!/bin/sh\necho\n");
        REQUIRE(line);
        REQUIRE(*line);
        CHECK((*line)->interpreter == "/bin/sh");
        CHECK(!(*line)->argument);

        line = read("#! \t/usr/bin/env  python3 -u \t\nprint()\n");
        REQUIRE(line);
        CHECK((*line)->interpreter == "/usr/bin/env");
        CHECK((*line)->argument == "python3 -u");

        line = read("#!/bin/sh"); // no newline, but the file ends
        REQUIRE(line);
        CHECK((*line)->interpreter == "/bin/sh");
    }

    TEST_CASE("what does not start with #! is no script") {
        for (const char* text : {"", "#", "echo",
                                 "\x7f"
                                 "ELF"}) {
            auto line = read(text);
            REQUIRE(line);
            CHECK(!*line);
        }
    }

    TEST_CASE("an interpreter that is missing or cut off by the kernel's buffer is refused, a long argument is cut") {
        CHECK(!read("#!\n/bin/sh"));
        CHECK(!read("#!  \t \n"));
        CHECK(!read("#!/" + std::string(300, 'a') + "\n"));
        auto line = read("#!/bin/sh " + std::string(300, 'a') + "\n");
        REQUIRE(line);
        CHECK((*line)->argument->size() == 256 - 10); // the buffer less "#!/bin/sh "
    }
}
