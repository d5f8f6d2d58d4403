#include "scenarios/text.hpp"

#include <doctest/doctest.h>

using namespace trapline::text;

TEST_SUITE("scenarios/text") {
    TEST_CASE("the nearest name is the one with the fewest letters to change, if they are few") {
        const std::vector<std::string> names = {"inline", "xol", "xol-int3", "boosted"};
        CHECK(nearest("inlin", names) == "inline");
        CHECK(nearest("xul", names) == "xol");
        CHECK(nearest("bosted", names) == "boosted");
        CHECK_FALSE(nearest("emulate", names).has_value());
        CHECK_FALSE(nearest("", names).has_value());
        CHECK_FALSE(nearest(std::string(100000, 'x'), names).has_value());
        CHECK(suggest("emulate", names) == "known are: inline, xol, xol-int3, boosted");
    }

    TEST_CASE("decimal numbers have one spelling and end at 2^64-1") {
        CHECK(parse_decimal("0") == 0);
        CHECK(parse_decimal("18446744073709551615") == ~std::uint64_t{0});
        for (const char* text : {"", "00", "01", "+1", "-1", "1 ", " 1", "1x", "0x1", "18446744073709551616"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_decimal(text).has_value());
        }
    }

    TEST_CASE("bytes are quoted in printable ASCII and cut when they are many") {
        CHECK(quoted("2\n") == "\"2\\n\"");
        CHECK(quoted(std::string_view("\0\xff\"\\\t", 5)) == "\"\\x00\\xff\\\"\\\\\\t\"");
        CHECK(quoted(std::string(62, 'a')) == "\"" + std::string(60, 'a') + "\" and 2 more bytes");
    }

    TEST_CASE("signals are known by the names of the C library") {
        CHECK(signal_number("SIGSEGV") == 11);
        CHECK(signal_number("SIGTRAP") == 5);
        CHECK_FALSE(signal_number("SEGV").has_value());
        CHECK_FALSE(signal_number("SIG").has_value());
    }

    TEST_CASE("a TOML string of several lines begins below its quotes") {
        constexpr std::string_view file = "a = \"x\"\nb = \"\"\"\nx\"\"\"\nc = '''x\ny'''\n";
        CHECK(first_text_line(file, 1) == 1);
        CHECK(first_text_line(file, 2) == 3);
        CHECK(first_text_line(file, 4) == 4);
        CHECK(first_text_line(file, 1000) == 1000);
        CHECK(first_text_line("", 1) == 1);
    }
}
