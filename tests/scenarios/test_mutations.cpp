// Every reader is fed text that was right and has been damaged: nothing may crash, throw or hang, and what is accepted
// must survive being written and read again. Seeded, so that a failure can be had again.
#include <doctest/doctest.h>

#include <random>

#include "probes/spec.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/token.hpp"

using namespace trapline;

namespace {

using Random = std::mt19937; // its sequence is fixed by the standard, unlike the distributions'

std::string damaged(Random& random, std::string text, std::string_view alphabet) {
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
        const std::size_t at = text.empty() ? 0 : random() % text.size();
        const char byte = random() % 8 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
        switch (random() % 5) {
        case 0:
            text.insert(at, 1, byte);
            break;
        case 1:
            if (!text.empty()) text[at] = byte;
            break;
        case 2:
            text.erase(at, 1 + random() % 5);
            break;
        case 3:
            text.insert(at, text.substr(random() % (text.size() + 1), random() % 20));
            break;
        default:
            text.resize(at);
            break;
        }
    }
    return text;
}

template <class Check>
void for_damaged(std::initializer_list<const char*> seeds, std::string_view alphabet, int rounds, Check check) {
    Random random(20061);
    for (int i = 0; i < rounds; ++i) {
        for (const char* seed : seeds) {
            const std::string text = damaged(random, seed, alphabet);
            CAPTURE(text);
            check(text);
        }
    }
}

void check_error(const Error& error) {
    CHECK_FALSE(error.what.empty());
    CHECK(error.what.find('\n') == std::string::npos);
}

} // namespace

TEST_SUITE("scenarios/mutations") {
    TEST_CASE("damaged probe specifications are refused in one line or name a place that prints and reads back") {
        int accepted = 0;
        for_damaged(
            {":hot+3", "/lib/x86/libc.so.6:malloc@@GLIBC_2.2.5+0x10", "@0x401136", "uretprobe:/bin/bash:readline",
             "p:grp/name /bin/x:0x10 %di name=+8(-0x10(%si)):u32[4] $stack3 b=%ax:b4@3/8", "r:n a:ns::f $retval"},
            ":+@%$()[]= \tpr0x9/.", 4000, [&](const std::string& text) {
                const auto spec = parse_probe_spec(text);
                if (!spec) return check_error(spec.error());
                ++accepted;
                const auto again = parse_probe_place(to_string(*spec));
                REQUIRE(again.has_value());
                CHECK(*again == *spec);
            });
        CHECK(accepted > 1000); // damage is light enough to reach behind the first check
    }

    TEST_CASE("damaged schedules are refused in one line with a line number, or read as items in order") {
        int accepted = 0;
        for_damaged({"t1 until text-restored; t2 until :hot+3; t1 until text-armed",
                     "# c\nt1 until trap@:hot x2 or exit;\np2.t1 until syscall futex; k1 until 10 instructions", "rr",
                     "random:12", "pct:3:7"},
                    ";@:#+ \nxtpk019.-", 4000, [&](const std::string& text) {
                        const auto schedule = parse_schedule_policy(text);
                        if (!schedule) return check_error(schedule.error());
                        ++accepted;
                        if (const auto* script = std::get_if<ScheduleScript>(&*schedule)) {
                            for (std::size_t i = 0; i < script->items.size(); ++i) {
                                CHECK(script->items[i].number == i + 1);
                                CHECK_FALSE(script->items[i].until.empty());
                                CHECK(parse_schedule_script(script->items[i].text).has_value());
                            }
                        }
                    });
        CHECK(accepted > 1000);
    }

    TEST_CASE("damaged tokens are refused in one line or are spelled exactly as they are printed") {
        int accepted = 0;
        for_damaged({"tl1:1f2e3d4c:1:inline:12>2,17>1,19>*", "tl1:1f2e3d4c:4294967295:xol-int3:pct.3.7/0+1>k1,1>2.1",
                     "tl1:00000000:1:xol:-"},
                    ":>,+.*/0123456789abk", 8000, [&](const std::string& text) {
                        const auto token = parse_token(text);
                        if (!token) return check_error(token.error());
                        ++accepted;
                        CHECK(to_string(*token) == text.substr(text.find("tl1"), to_string(*token).size()));
                        CHECK(parse_token(to_string(*token)).value() == *token);
                    });
        CHECK(accepted > 300);
    }

    TEST_CASE("damaged scenario files are refused with their name or give a scenario") {
        int accepted = 0;
        constexpr const char* kFile = "schema = 1\nname = \"n\"\n[guest]\nprogram = \"p\"\nargs = [\"a\"]\ncpus = "
                                      "2\nenv = [\"A=b\"]\n[[probe]]\nat = \":hot\"\n"
                                      "[[tracer]]\ndo = [\"unregister :hot\"]\n[run]\nstrategies = [\"inline\", "
                                      "\"xol\"]\nkernel = \"linux-6.18\"\n"
                                      "schedule = \"\"\"\nt1 until trap;\nk1 until unregistered\"\"\"\nlimit = "
                                      "5\n[explore]\nmethod = \"pct\"\nruns = 3\nseed = 1\n"
                                      "[[expect]]\nstrategies = [\"inline\"]\nat = \":hot\"\nmissed = \"never\"\nhits "
                                      "= 2\nexit = 0\nstdout = \"2\\n\"\n";
        REQUIRE(parse_scenario(kFile, "f").has_value());
        for_damaged({kFile}, "[]\"'=#\n ,.:-0a{}", 6000, [&](const std::string& text) {
            const auto scenario = parse_scenario(text, "f");
            if (scenario) {
                ++accepted;
                return;
            }
            check_error(scenario.error());
            CHECK(scenario.error().file == "f");
        });
        CHECK(accepted > 100);
    }

    TEST_CASE("very long and very deep input ends in bounded time and stack") {
        CHECK_FALSE(parse_probe_spec("p :f " + std::string(200000, '+') + "8(%di)").has_value());
        std::string deep = "%di";
        for (int i = 0; i < 20000; ++i) deep = "+0(" + deep + ")";
        (void)parse_probe_spec("p :f " + deep);
        CHECK_FALSE(parse_token("tl1:1f2e3d4c:1:xol:" + std::string(200000, ',')).has_value());
        CHECK_FALSE(parse_schedule_script(std::string(200000, ';')).has_value());
        CHECK_FALSE(parse_scenario("a = " + std::string(20000, '['), "f").has_value());
        CHECK_FALSE(parse_scenario("a." + std::string(20000, 'b') + " = 1", "f").has_value());
        std::string dotted = "a";
        for (int i = 0; i < 5000; ++i) dotted += ".a";
        CHECK_FALSE(parse_scenario(dotted + " = 1", "f").has_value());
    }
}
