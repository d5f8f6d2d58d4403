// What `emulate` computes, held against the CPU: the same code runs without a probe.
#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

/// How the program ends, with or without a probe that the kernel emulates.
std::uint64_t result_of(const std::vector<std::uint8_t>& bytes, std::optional<std::uint64_t> probe) {
    OneConsumer one;
    ProbedCode p(bytes, "emulate");
    if (probe) REQUIRE(p.add(one.consumer, *probe) == 0);
    p.machine.thread();
    REQUIRE(p.run());
    if (probe) {
        CHECK(p.uprobes.counters.step_traps == 0);
        CHECK(p.uprobes.counters.fallbacks == 0);
        CHECK(p.first().truth.executions == 1);
        CHECK(p.first().truth.hits == 1);
    }
    return p.machine.results.at(0);
}

} // namespace

TEST_SUITE("probes/emulation") {

    TEST_CASE("every condition of a jump, under every combination of the flags it may ask for") {
        constexpr std::uint32_t kFlags[] = {1, 4, 0x40, 0x80, 0x800}; // CF PF ZF SF OF
        for (unsigned condition = 0; condition < 16; ++condition)
            for (unsigned set = 0; set < 32; ++set) {
                std::uint32_t flags = 2;
                for (unsigned i = 0; i < 5; ++i)
                    if ((set >> i & 1) != 0) flags |= kFlags[i];
                CAPTURE(condition);
                CAPTURE(flags);
                const auto low = static_cast<std::uint8_t>(flags), high = static_cast<std::uint8_t>(flags >> 8);
                const auto bytes = code({{0x31, 0xff},                                     //  0 xor edi, edi
                                         {0x68, low, high, 0, 0},                          //  2 push flags
                                         {0x9d},                                           //  7 popf
                                         {static_cast<std::uint8_t>(0x70 | condition), 2}, //  8 jcc over
                                         {0xff, 0xc7},                                     // 10 inc edi
                                         kExit});
                CHECK(result_of(bytes, 8) == result_of(bytes, std::nullopt));
            }
    }

    TEST_CASE("push of every register stores what the CPU stores, rsp as it was before") {
        for (std::uint8_t reg = 0; reg < 16; ++reg) {
            CAPTURE(reg);
            std::vector<std::uint8_t> push{static_cast<std::uint8_t>(0x50 | (reg & 7))};
            if (reg >= 8) push.insert(push.begin(), 0x41);
            // mov REG, 0x1234 unless it is rsp; push REG; pop rdi; exit
            std::vector<std::uint8_t> load{0x48, 0xc7, static_cast<std::uint8_t>(0xc0 | (reg & 7)), 0x34, 0x12, 0, 0};
            if (reg >= 8) load[0] = 0x49;
            if (reg == 4) load = {0x90};
            const std::uint64_t at = load.size();
            const auto bytes = code({load, push, {0x5f}, kExit});
            CHECK(result_of(bytes, at) == result_of(bytes, std::nullopt));
        }
    }

    TEST_CASE("a jump forwards and back, and a call whose return address is that of the original") {
        const auto bytes = code({{0xeb, 3},                      //  0 jmp 5
                                 {0xeb, 6},                      //  2 jmp 10
                                 {0x90},                         //  4
                                 {0xe9, 0xf8, 0xff, 0xff, 0xff}, //  5 jmp 2
                                 {0xe8, 0, 0, 0, 0},             // 10 call 15
                                 {0x5f},                         // 15 pop rdi
                                 kExit});
        for (std::uint64_t at : {0u, 2u, 5u, 10u}) {
            CAPTURE(at);
            CHECK(result_of(bytes, at) == kCode + 15);
        }
    }

    TEST_CASE("a push that the stack has no room for faults at the probe point") {
        // mov esp, 0x10; push rax
        Probed p({0xbc, 0x10, 0, 0, 0, 0x50}, 5, "emulate");
        REQUIRE(p.error == 0);
        p.machine.thread();
        const Outcome o = p.machine.kernel.run();
        CHECK((o.status & 0x7f) == sig::segv);
        CHECK(p.truth().hits == 1);
        CHECK(p.truth().executions == 0);
        CHECK(p.uprobes.counters.fallbacks == 1);
    }

    TEST_CASE("a program that steps itself gets its trap after an emulated instruction, too") {
        // push 0x102 (TF); popf; nop; nop: SIGTRAP after the first nop, probed or not
        for (const bool probed : {false, true}) {
            CAPTURE(probed);
            OneConsumer one;
            ProbedCode p(code({{0x68, 0x02, 0x01, 0, 0}, {0x9d}, {0x90}, {0x90}, kExit}), "emulate");
            if (probed) REQUIRE(p.add(one.consumer, 6) == 0);
            p.machine.thread();
            const Outcome o = p.machine.kernel.run();
            CHECK((o.status & 0x7f) == sig::trap);
            CHECK(p.machine.results.empty());
            if (probed) CHECK(one.consumer.hits == 1);
        }
    }
}
