// Return probes as handlers see them. What they do to programs is in scenarios/returns and tests/live.
#include "tests/probes/probed.hpp"

#include <cerrno>
#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

constexpr const char* kStrategies[] = {"inline", "xol"};
constexpr const char* kKernels[] = {"uprobes-2010", "linux-6.12", "linux-6.18", "fixed"};

/// xor ebx, ebx; mov ecx, n; L: call f; add ebx, eax; dec ecx; jnz L; mov edi, ebx; exit; f at kFunction: mov eax, 5;
/// ret
constexpr std::uint64_t kBehindCall = 12, kFunction = 32;
std::vector<std::uint8_t> calls(std::uint8_t n) {
    std::vector<std::uint8_t> bytes = code({{0x31, 0xdb},
                                            {0xb9, n, 0, 0, 0},
                                            {0xe8, kFunction - kBehindCall, 0, 0, 0},
                                            {0x01, 0xc3},
                                            {0xff, 0xc9},
                                            {0x75, 0xf5},
                                            {0x89, 0xdf},
                                            kExit});
    bytes.resize(kFunction, 0x90);
    for (std::uint8_t b : {0xb8, 5, 0, 0, 0, 0xc3}) bytes.push_back(b);
    return bytes;
}

Consumer at_return() {
    Consumer c;
    c.on_entry = false;
    c.on_return = true;
    return c;
}

} // namespace

TEST_SUITE("probes/returns") {

    TEST_CASE("a return handler sees the registers as the function left them, and where it returns to") {
        for (const char* strategy : kStrategies)
            for (const char* kernel : kKernels) {
                CAPTURE(strategy);
                CAPTURE(kernel);
                Consumer c = at_return();
                ProbedCode p(calls(3), strategy, kernel);
                REQUIRE(p.add(c, kFunction) == 0);
                Addr sp = 0;
                c.handler = [&](HitContext& h) {
                    CHECK(h.returning);
                    CHECK(h.address == kCode + kFunction);
                    CHECK(h.get(Reg::rip) == kCode + kBehindCall);
                    CHECK(h.get(Reg::rax) == 5);
                    CHECK(h.get(Reg::rcx) == 4 - c.returns);
                    CHECK(h.get(Reg::rsp) == kStackTop - 64);
                    sp = h.get(Reg::rsp);
                };
                p.machine.thread();
                CHECK(p.run());
                CHECK(p.machine.results.at(0) == 15);
                CHECK(c.returns == 3);
                CHECK(c.hits == 0);
                CHECK(p.first().returned.executions == 3);
                CHECK(p.first().returned.hits == 3);
                CHECK(p.first().returned.missed == 0);
                CHECK(sp != 0);
            }
    }

    TEST_CASE("a return handler may change the result, and where the thread goes on") {
        for (const char* kernel : kKernels) {
            CAPTURE(kernel);
            Consumer c = at_return();
            ProbedCode p(calls(3), "xol", kernel);
            REQUIRE(p.add(c, kFunction) == 0);
            c.handler = [&](HitContext& h) {
                h.set(Reg::rax, 7);
                if (c.returns == 2) h.set(Reg::rip, kCode + kBehindCall + 2); // past the addition
            };
            p.machine.thread();
            CHECK(p.run());
            CHECK(p.machine.results.at(0) == 14);
        }
    }

    TEST_CASE("the word on the stack is the trampoline's until the function returns") {
        Consumer c = at_return();
        c.on_entry = true;
        ProbedCode p(calls(1));
        REQUIRE(p.add(c, kFunction) == 0);
        Addr before = 0, after = 0;
        Consumer inside;
        REQUIRE(p.add(inside, kFunction + 5) == 0); // the ret
        c.handler = [&](HitContext& h) {
            if (!h.returning) h.memory().get(h.get(Reg::rsp), before);
        };
        inside.handler = [&](HitContext& h) { h.memory().get(h.get(Reg::rsp), after); };
        p.machine.thread();
        CHECK(p.run());
        CHECK(before == kCode + kBehindCall);
        CHECK(after == 0x7fffffffe000); // measured on Linux 6.18.44
        CHECK(c.hits == 1);
        CHECK(c.returns == 1);
    }

    TEST_CASE("a consumer may ignore a call's return, and one that comes later hears of it in 6.12 only") {
        for (const char* kernel : {"linux-6.12", "linux-6.18"}) {
            CAPTURE(kernel);
            Consumer c = at_return(), late = at_return();
            c.on_entry = true;
            ProbedCode p(calls(4), "xol", kernel);
            REQUIRE(p.add(c, kFunction) == 0);
            Consumer inside;
            REQUIRE(p.add(inside, kFunction + 5) == 0);
            c.handler = [&](HitContext& h) {
                if (!h.returning) h.ignores_return = c.hits == 2;
            };
            inside.handler = [&](HitContext&) {
                if (inside.hits == 4) CHECK(p.add(late, kFunction) == 0);
            };
            p.machine.thread();
            CHECK(p.run());
            CHECK(p.machine.results.at(0) == 20);
            CHECK(c.hits == 4);
            CHECK(c.returns == 3);
            CHECK(late.returns == (std::string(kernel) == "linux-6.12" ? 1 : 0));
            CHECK(adds_up(p.first().returned));
        }
    }
}
