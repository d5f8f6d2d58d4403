// What debug registers do and do not do for stepping in place.
#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

TEST_SUITE("probes/debug registers") {

    TEST_CASE("lazily, a loop of one place takes one step and then one trap of the register for each hit") {
        Probed p(loop_over({0xff, 0xc0}, 100), 5, "inline-hwbp-lazy"); // inc eax
        REQUIRE(p.error == 0);
        p.machine.thread();
        CHECK(p.run());
        CHECK(p.machine.results.at(0) == 100);
        CHECK(p.truth().hits == 100);
        CHECK(p.truth().executions == 100);
        CHECK(p.truth().missed == 0);
        CHECK(p.uprobes.counters.breakpoint_traps == 100);
        CHECK(p.uprobes.counters.step_traps == 1);
        CHECK(p.uprobes.counters.text_writes == 2);
    }

    TEST_CASE("what is unregistered gives its register back, and the text is the program's") {
        for (const char* strategy : {"inline-hwbp", "inline-hwbp-lazy"}) {
            CAPTURE(strategy);
            // Six places in turn, each unregistered by its own handler at its first hit, in a loop of three rounds.
            std::vector<std::uint8_t> bytes{0xb9, 3, 0, 0, 0};
            for (int i = 0; i < 6; ++i) bytes.insert(bytes.end(), {0xff, 0xc0});
            bytes = code({bytes, {0xff, 0xc9}, {0x75, 0xf0}, {0x89, 0xc7}, kExit});
            std::array<Consumer, 6> consumers;
            ProbedCode p(bytes, strategy);
            for (std::size_t i = 0; i < 6; ++i) {
                consumers[i].handler = [&, i](HitContext&) { p.uprobes.remove_now(consumers[i]); };
                REQUIRE(p.add(consumers[i], 5 + 2 * i) == 0);
            }
            p.machine.thread();
            CHECK(p.run());
            CHECK(p.machine.results.at(0) == 18);
            for (std::size_t i = 0; i < 6; ++i) {
                CHECK(consumers[i].hits == 1);
                CHECK(p.uprobes.all().at(i)->truth.hits == 1);
                CHECK(adds_up(p.uprobes.all().at(i)->truth));
            }
            CHECK(p.uprobes.counters.fallbacks == 0);
        }
    }

    TEST_CASE("a handler of the register's trap may send the thread elsewhere") {
        Probed p(loop_over({0xff, 0xc0}, 10), 5, "inline-hwbp-lazy");
        p.consumer.handler = [&](HitContext& c) {
            if (p.consumer.hits > 1) c.set(Reg::rip, c.address + 2);
        };
        p.machine.thread();
        CHECK(p.run());
        CHECK(p.machine.results.at(0) == 1); // the first was stepped
        CHECK(p.truth().executions == 1);
        CHECK(p.truth().hits == 10);
        p.uprobes.settle();
        CHECK(adds_up(p.truth()));
    }

    TEST_CASE("two threads on two CPUs under many schedules: hits are lost before the register is set, never after") {
        std::uint64_t missed = 0;
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            for (const char* strategy : {"inline-hwbp", "inline-hwbp-lazy"}) {
                CAPTURE(seed);
                CAPTURE(strategy);
                RandomPolicy policy(seed);
                Probed p(loop_over({0xff, 0xc0}, 20), 5, strategy, "linux-6.18", &policy);
                REQUIRE(p.error == 0);
                p.machine.thread();
                p.machine.thread();
                CHECK(p.run());
                CHECK(p.machine.results == std::vector<std::uint64_t>{20, 20});
                CHECK(p.truth().executions == 40);
                CHECK(adds_up(p.truth()));
                missed += p.truth().missed;
            }
        }
        CHECK(missed > 0);
    }
}
