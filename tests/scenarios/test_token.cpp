#include "scenarios/token.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

Token token(std::string_view text) {
    auto parsed = parse_token(text);
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().text()));
    return *parsed;
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_SUITE("scenarios/token") {
    TEST_CASE("a token says guest, model, strategy and the switches that differ") {
        const Token race = token(" tl1:1f2e3d4c:7:xol-int3:12>2,17+3>k1,17+4~2>2.3,20>*\n");
        CHECK(race.guest8 == "1f2e3d4c");
        CHECK(race.model == 7);
        CHECK(race.strategy == "xol-int3");
        CHECK(std::holds_alternative<policy::RoundRobin>(race.base));
        REQUIRE(race.switches.size() == 4);
        CHECK(race.switches[0] == TokenSwitch{12, 0, 0, TaskRef{TaskRef::Kind::thread, 1, 2}});
        CHECK(race.switches[1] == TokenSwitch{17, 3, 0, TaskRef{TaskRef::Kind::tracer, 1, 1}});
        CHECK(race.switches[2] == TokenSwitch{17, 4, 2, TaskRef{TaskRef::Kind::thread, 2, 3}});
        CHECK(race.switches[3] == TokenSwitch{20, 0, 0, std::nullopt});
    }

    TEST_CASE("nothing that differs is a hyphen, and another policy stands before it") {
        CHECK(token("tl1:00000000:1:xol:-").switches.empty());
        CHECK(std::get<policy::Random>(token("tl1:00000000:1:xol:random.7/-").base).seed == 7);
        const Token pct = token("tl1:00000000:1:xol:pct.3.9/1>2");
        CHECK(std::get<policy::Pct>(pct.base) == policy::Pct{3, 9});
        CHECK(pct.switches.size() == 1);
    }

    TEST_CASE("the missed probe fits into forty characters") {
        Token race{"1f2e3d4c", 1, "inline", {}, {}};
        race.switches = {
            {12, 0, 0, TaskRef{TaskRef::Kind::thread, 1, 2}}, {17, 0, 0, TaskRef{}}, {19, 0, 0, std::nullopt}};
        CHECK(to_string(race) == "tl1:1f2e3d4c:1:inline:12>2,17>1,19>*");
        CHECK(to_string(race).size() <= 40);
    }

    TEST_CASE("what is written reads back, and there is one spelling for each token") {
        for (const char* text :
             {"tl1:1f2e3d4c:7:xol-int3:12>2,17+3>k1,17+4~1>2.3,20>*", "tl1:00000000:4294967295:xol:-",
              "tl1:00000000:1:xol:random.18446744073709551615/0>1", "tl1:ffffffff:1:nop5:pct.3.9/0+1>2,1>1"}) {
            CAPTURE(text);
            CHECK(to_string(token(text)) == text);
            CHECK(token(to_string(token(text))) == token(text));
        }
        for (const char* other_spelling :
             {"tl1:1F2E3D4C:1:xol:-", "tl1:1f2e3d4c:01:xol:-", "tl1:1f2e3d4c:1:xol:rr/-", "tl1:1f2e3d4c:1:xol:012>2",
              "tl1:1f2e3d4c:1:xol:12+0>2", "tl1:1f2e3d4c:1:xol:12~0>2", "tl1:1f2e3d4c:1:xol:12>1.2",
              "tl1:1f2e3d4c:1:xol:12>t2"}) {
            CAPTURE(other_spelling);
            CHECK_FALSE(parse_token(other_spelling).has_value());
        }
    }

    TEST_CASE("the part that does not fit is named") {
        const auto what = [](std::string_view text) {
            const auto parsed = parse_token(text);
            REQUIRE_FALSE(parsed.has_value());
            return parsed.error().what;
        };
        CHECK(mentions(what(""), "does not begin with tl1"));
        CHECK(mentions(what("tl2:1f2e3d4c:1:xol:-"), "does not begin with tl1"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol"), "4 parts instead of 5"));
        CHECK(mentions(what("tl1:1f2e3d4:1:xol:-"), "not a guest's hash"));
        CHECK(mentions(what("tl1:1f2e3d4c:0:xol:-"), "not a model version"));
        CHECK(mentions(what("tl1:1f2e3d4c:4294967296:xol:-"), "not a model version"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:XOL:-"), "'XOL' is not the name of a strategy"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:"), "has no '>'"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:1>2,"), "has no '>'"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:x>2"), "number of steps"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:1+x>2"), "number of instructions"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:1>0"), "'0' is not a task"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:12>2,12>1"), "does not come after"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:12+5>2,12+4>1"), "does not come after"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:random.x/-"), "not a base policy"));
        CHECK(mentions(what("tl1:1f2e3d4c:1:xol:pct.3/-"), "not a base policy"));
    }

    TEST_CASE("a token from another guest or another model is refused, saying which") {
        const Token race = token("tl1:1f2e3d4c:7:inline:12>2");
        CHECK_FALSE(token_mismatch(race, "1f2e3d4c", 7).has_value());
        const std::string guest = token_mismatch(race, "00000000", 7)->what;
        CHECK(mentions(guest, "guest"));
        CHECK_FALSE(mentions(guest, "model"));
        const std::string model = token_mismatch(race, "1f2e3d4c", 8)->what;
        CHECK(mentions(model, "version 7"));
        CHECK(mentions(model, "version 8"));
        CHECK_FALSE(mentions(model, "guest"));
        const std::string both = token_mismatch(race, "00000000", 8)->what;
        CHECK(mentions(both, "guest"));
        CHECK(mentions(both, "model"));
    }
}
