// Boosted copies: who is boosted, what the program computes, and when a copy may be used again.
#include "boost/code_area.hpp"
#include "tests/boost/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {
const std::vector<std::uint8_t> kIncEax = {0xff, 0xc0};
}

TEST_SUITE("boost/boosted") {

    TEST_CASE("a boosted instruction is hit each time it runs, and never stepped") {
        Probed p(loop_over(kIncEax, 100), {5}, "boosted");
        CHECK(p.run() == 100);
        CHECK(p.truth().executions == 100);
        CHECK(p.truth().hits == 100);
        CHECK(p.truth().missed == 0);
        CHECK(adds_up(p.truth()));
        CHECK(p.counters().step_traps == 0);
        CHECK(p.counters().fallbacks == 0);
        CHECK(p.counters().vmas_added == 1);
    }

    TEST_CASE("where the length is measured, the first hit is stepped and no other") {
        for (const char* strategy : {"boosted", "boosted-as-posted"}) {
            CAPTURE(strategy);
            // add eax, 1 (83 c0 01): the group that the list of 2005 lets through
            Probed p(loop_over({0x83, 0xc0, 0x01}, 100), {5}, strategy, "uprobes-2010");
            CHECK(p.run() == 100);
            CHECK(p.truth().hits == 100);
            CHECK(p.truth().missed == 0);
            CHECK(p.counters().step_traps == 1);
        }
    }

    TEST_CASE("an instruction that may not run freely is stepped in its copy") {
        // mov edi,[rip+data]; call f; jmp over; data; f: lea eax,[rdi+1]; ret; over: mov edi,eax; exit
        const std::vector<std::uint8_t> bytes = code({{0x8b, 0x3d, 7, 0, 0, 0}, //  0 mov edi, [rip+7] -> 13
                                                      {0xe8, 6, 0, 0, 0},       //  6 call f (17)
                                                      {0xeb, 8},                // 11 jmp over (21)
                                                      {41, 0, 0, 0},            // 13 data
                                                      {0x8d, 0x47, 0x01},       // 17 f: lea eax, [rdi+1]
                                                      {0xc3},                   // 20 ret
                                                      {0x89, 0xc7},             // 21 over: mov edi, eax
                                                      kExit});
        struct {
            std::uint64_t at;
            bool boosted; // by the list of 6.12
        } const cases[] = {{0, true}, {6, false}, {11, false}, {17, true}, {20, true}, {21, true}};
        for (const auto& c : cases)
            for (const char* kernel : {"linux-6.12", "uprobes-2010", "fixed"}) {
                CAPTURE(c.at);
                CAPTURE(kernel);
                Probed p(bytes, {c.at}, "boosted", kernel);
                CHECK(p.run() == 42);
                CHECK(p.truth().executions == 1);
                CHECK(p.truth().hits == 1);
                CHECK(adds_up(p.truth()));
                const bool first_step = std::string(kernel) == "uprobes-2010";
                CHECK(p.counters().step_traps == (c.boosted && !first_step ? 0 : 1));
                CHECK(p.counters().fallbacks == (c.boosted ? 0 : 1));
            }
    }

    TEST_CASE("a RIP-relative operand keeps its target in a copy near the text, and is stepped where none reaches") {
        // mov eax, [rip + disp], with almost the largest displacement that there is.
        constexpr Addr kFarPage = kCode + 0x7ffff000, kFar = kFarPage + 0xff0;
        for (const Addr target : {kFar, kData}) {
            CAPTURE(target);
            const auto disp = static_cast<std::uint32_t>(target - (kCode + 11));
            std::vector<std::uint8_t> load = {0x8b, 0x05};
            for (unsigned i = 0; i < 4; ++i) load.push_back(static_cast<std::uint8_t>(disp >> (8 * i)));
            Probed p(loop_over(load, 3), {5}, "boosted");
            Vma v;
            v.start = kFarPage;
            v.end = kFarPage + kPageSize;
            v.prot = prot::read | prot::write;
            p.mm().map(std::move(v));
            // The nearest free page is the one below the text, from where the far target is too far away.
            CHECK(p.mm().put(target, 77u));
            CHECK(p.run() == 77);
            CHECK(p.truth().hits == 3);
            CHECK(p.truth().missed == 0);
            CHECK(p.counters().step_traps == (target == kFar ? 3 : 0));
        }
    }

    TEST_CASE("a rep string instruction in a boosted copy is one hit") {
        const auto rep = code({{0xbf, 0x00, 0x01, 0x60, 0x00}, // mov edi, data + 0x100
                               {0xbe, 0x00, 0x00, 0x60, 0x00}, // mov esi, data
                               {0xb9, 10, 0, 0, 0},            // mov ecx, 10
                               {0xf3, 0xa4},                   // rep movsb
                               {0x89, 0xcf},                   // mov edi, ecx
                               kExit});
        Probed p(rep, {15}, "boosted");
        CHECK(p.run() == 0);
        CHECK(p.truth().executions == 1);
        CHECK(p.truth().hits == 1);
        // The first step of 2010 ends after one iteration, with RIP still on the copy: it can never be boosted.
        Probed measured(rep, {15}, "boosted", "uprobes-2010");
        CHECK(measured.run() == 0);
        CHECK(measured.truth().executions == 1);
        CHECK(measured.truth().hits == 10);
        CHECK(measured.counters().step_traps == 10);
    }

    TEST_CASE("a copy that faults and is served runs once, and one that faults for good has not run") {
        Probed served(code({{0x8a, 0x04, 0x25, 0x00, 0x20, 0x60, 0x00}, {0x89, 0xc7}, kExit}), {0}, "boosted");
        CHECK(served.run() == 0); // mov al, [data + 0x2000], a page that nobody has touched
        CHECK(served.truth().executions == 1);
        CHECK(served.truth().hits == 1);
        CHECK(served.counters().step_traps == 0);
        Probed bad({0x8a, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00}, {0}, "boosted"); // mov al, [0x10]
        bad.run();
        CHECK((bad.outcome.status & 0x7f) == sig::segv);
        CHECK(bad.truth().executions == 0);
        CHECK(bad.truth().hits == 1);
        CHECK(adds_up(bad.truth()));
    }

    TEST_CASE("a copy is used again when its probe is gone and nobody is inside, and not before") {
        // The first thread is stopped in its copy, or right behind it. Then its probe goes, another one comes, and a
        // second thread hits that.
        struct Stop : Spy {
            std::uint32_t stopped = 0;
            Choice pick(Scheduler& s) override {
                const std::vector<Task*> ready = s.ready_tasks();
                for (Task* t : ready)
                    if (t->serial != stopped) return {t, 1000};
                return {ready.front(), 1000};
            }
            bool switch_after_step(Scheduler& s, const Task& t, const Event& e) override {
                Spy::switch_after_step(s, t, e);
                return t.serial == stopped;
            }
        };
        for (const bool inside : {false, true}) {
            CAPTURE(inside);
            Stop stop;
            Probed p(code({{0xff, 0xc0}, {0x90}, {0x89, 0xc7}, kExit}), {0}, "boosted", "linux-6.12", &stop);
            Addr first = 0, second = 0;
            stop.look = [&](const Task& t, const Event& e) {
                if (e.step == Step::slot_written) (first == 0 ? first : second) = e.object;
                if (e.step != Step::jumped_back || stop.stopped != 0) return;
                stop.stopped = t.serial;
                if (!inside) p.machine.kernel.set(const_cast<Task&>(t), Reg::rip, kCode + 2);
                p.uprobes.remove_now(p.consumers.front());
                REQUIRE(p.add(3) == 0); // mov edi, eax
            };
            p.machine.thread();
            p.run();
            REQUIRE(first != 0);
            REQUIRE(second != 0);
            CHECK((first == second) == !inside);
        }
    }
}

TEST_SUITE("boost/code_area") {

    TEST_CASE("the page nearest to the text is taken, and the heap has room to grow") {
        Probed p({0x90}, {}, "xol");
        CHECK(nearest_free_page(p.mm(), kCode) == kCode - kPageSize);
        CHECK(nearest_free_page(p.mm(), kCode + 0x3fff) == kCode + 0x4000);
        p.mm().start_break(kCode + 0x4000);
        CHECK(nearest_free_page(p.mm(), kCode + 0x3fff) == kCode - kPageSize);
    }

    TEST_CASE("a text that is surrounded by 2 GiB of mappings on both sides has no page near it") {
        Probed p({0x90}, {}, "xol");
        constexpr Addr kText = 0x500000000000;
        Vma v;
        v.start = kText - (2ull << 30);
        v.end = kText + (2ull << 30);
        v.prot = prot::none;
        REQUIRE(p.mm().map(std::move(v)) == 0);
        CHECK(nearest_free_page(p.mm(), kText) == 0);
        CodeArea area("[area]", 16);
        const Addr at = area.take(p.mm(), kText);
        CHECK(at != 0);
        CHECK_FALSE(reaches(at, kText));
    }

    TEST_CASE("pieces are handed out from the lowest, and again when they come back") {
        Probed p({0x90}, {}, "xol");
        CodeArea area("[area]", 1024);
        const Addr a = area.take(p.mm(), kCode), b = area.take(p.mm(), kCode);
        CHECK(b == a + 1024);
        area.give_back(a);
        CHECK(area.take(p.mm(), kCode) == a);
        CHECK(area.pages() == 1);
        (void)area.take(p.mm(), kCode);
        (void)area.take(p.mm(), kCode);
        (void)area.take(p.mm(), kCode);
        CHECK(area.pages() == 2);
    }

    TEST_CASE("a branch of five bytes has its displacement counted from its end") {
        CHECK(rel32_branch(0xe9, 0x1000, 0x1005) == std::array<std::uint8_t, 5>{0xe9, 0, 0, 0, 0});
        CHECK(rel32_branch(0xe8, 0x1000, 0x1000) == std::array<std::uint8_t, 5>{0xe8, 0xfb, 0xff, 0xff, 0xff});
        CHECK(reaches(0, 0x7fffffff));
        CHECK_FALSE(reaches(0, 0x80000000));
        CHECK(reaches(0x80000000, 0));
        CHECK_FALSE(reaches(0x80000001, 0));
    }
}
