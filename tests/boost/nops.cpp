// nop5 and nop10: what stands in the text, what handlers see, and what the trampoline's system call accepts.
#include "tests/boost/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {
using Bytes = std::vector<std::uint8_t>;
const Bytes kNop5 = {0x0f, 0x1f, 0x44, 0x00, 0x00};
const Bytes kNop10 = {0x66, 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00};

/// mov ecx, n; L: NOP; inc eax; dec ecx; jnz L; mov edi, eax; exit
Bytes loop_with(const Bytes& nop, std::uint8_t n) { return loop_over(code({nop, {0xff, 0xc0}}), n); }
} // namespace

TEST_SUITE("boost/nops") {

    TEST_CASE("a nop is hit each time, by one trap and then by system calls") {
        for (const bool ten : {false, true}) {
            CAPTURE(ten);
            Probed p(loop_with(ten ? kNop10 : kNop5, 50), {5}, ten ? "nop10" : "nop5");
            CHECK(p.run() == 50);
            CHECK(p.truth().executions == 50);
            CHECK(p.truth().hits == 50);
            CHECK(p.truth().missed == 0);
            CHECK(p.truth().repeated == 0);
            CHECK(p.counters().breakpoint_traps == 1);
            CHECK(p.counters().step_traps == 0);
            CHECK(p.counters().fallbacks == 0);
            CHECK(p.counters().vmas_added == 1);
        }
    }

    TEST_CASE("handlers see the registers of the probe point, and may change them") {
        const Bytes body = code({{0xb8, 1, 0, 0, 0}, {0xb9, 2, 0, 0, 0}, {0x41, 0xbb, 3, 0, 0, 0}}); // 16 bytes
        for (const bool ten : {false, true}) {
            CAPTURE(ten);
            const Bytes& nop = ten ? kNop10 : kNop5;
            // rax, rcx and r11 hold 1, 2, 3; the nop; edi = rax + rcx + r11; and the same once more.
            const Bytes sum = {0x01, 0xc8, 0x44, 0x01, 0xd8, 0x01, 0xc7};
            Probed p(code({{0x31, 0xff, 0x31, 0xdb}, // xor edi, edi; xor ebx, ebx
                           body,
                           nop,
                           sum,
                           {0xff, 0xc3, 0x83, 0xfb, 0x02}, // inc ebx; cmp ebx, 2
                           {0x75, static_cast<std::uint8_t>(-static_cast<int>(16 + nop.size() + 7 + 5 + 2))},
                           kExit}),
                     {20}, ten ? "nop10" : "nop5");
            std::uint64_t seen = 0, sp = 0;
            p.consumers[0].handler = [&](HitContext& c) {
                CHECK(c.get(Reg::rip) == kCode + 20);
                CHECK(c.get(Reg::rax) == 1);
                CHECK(c.get(Reg::rcx) == 2);
                CHECK(c.get(Reg::r11) == 3);
                if (seen++ == 0) sp = c.get(Reg::rsp);
                CHECK(c.get(Reg::rsp) == sp);
                c.set(Reg::rax, 10);
                c.set(Reg::rcx, 20);
                c.set(Reg::r11, 30);
            };
            CHECK(p.run() == 120);
            CHECK(seen == 2);
        }
    }

    TEST_CASE("a handler may send the thread elsewhere") {
        Probed p(code({{0xe8, 15, 0, 0, 0},
                       {0xe8, 10, 0, 0, 0}, // call f; call f
                       {0x89, 0xc7},        //  10 mov edi, eax
                       kExit,               //  12
                       {0xcc},              //  19
                       kNop5,               //  20 f: the nop
                       {0xff, 0xc0},        //  25 inc eax
                       {0xc3}}),
                 {20}, "nop5");
        p.consumers[0].handler = [](HitContext& c) { c.set(Reg::rip, kCode + 27); }; // ret at once
        CHECK(p.run() == 0);
        CHECK(p.truth().hits == 2);
        CHECK(p.truth().executions == 0);
        CHECK(adds_up(p.truth()));
    }

    TEST_CASE("nothing but the nop itself, inside one page, is replaced") {
        const Bytes nop6 = {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00};
        Probed other(loop_with(nop6, 3), {5}, "nop5");
        CHECK(other.run() == 3);
        CHECK(other.counters().breakpoint_traps == 3);
        CHECK(other.counters().fallbacks == 3);
        Bytes crossing(kPageSize - 3, 0x90);
        Probed p(code({crossing, kNop5, {0x89, 0xc7}, kExit}), {kPageSize - 3}, "nop5");
        p.run();
        CHECK(p.counters().fallbacks == 1);
        CHECK(p.text(kPageSize - 3, 2) == Bytes{0xcc, 0x1f});
        Bytes touching(kPageSize - 5, 0x90);
        Probed q(code({touching, kNop5, {0x89, 0xc7}, kExit}), {kPageSize - 5}, "nop5");
        q.run();
        CHECK(q.text(kPageSize - 5, 1) == Bytes{0xe8});
    }

    TEST_CASE("unregistering brings the nop of five bytes back, and leaves a jump over the one of ten") {
        for (const bool ten : {false, true}) {
            CAPTURE(ten);
            const Bytes& nop = ten ? kNop10 : kNop5;
            Probed p(loop_with(nop, 9), {5}, ten ? "nop10" : "nop5");
            p.consumers[0].handler = [&](HitContext&) {
                if (p.consumers[0].hits == 5) p.uprobes.remove_now(p.consumers[0]);
            };
            CHECK(p.run() == 9);
            CHECK(p.truth().hits == 5);
            CHECK(adds_up(p.truth()));
            if (ten)
                CHECK(p.text(5, 2) == Bytes{0xeb, 0x08});
            else
                CHECK(p.text(5, 5) == nop);
        }
    }

    TEST_CASE("a probe on the jump that nop10 left works, is optimised again, and leaves the jump again") {
        for (const bool optimised : {false, true}) {
            CAPTURE(optimised);
            Probed p(loop_with(kNop10, 3), {5}, "nop10");
            CHECK(p.run() == 3);
            p.uprobes.remove_now(p.consumers[0]);
            REQUIRE(p.text(5, 2) == Bytes{0xeb, 0x08});
            REQUIRE(p.add(5) == 0);
            CHECK(p.text(5, 2) == Bytes{0xcc, 0x08});
            if (optimised) {
                CHECK(p.run() == 3);
                CHECK(p.machine.results.size() == 2);
                CHECK(p.text(5, 6) == Bytes{0x48, 0x8d, 0x64, 0x24, 0x80, 0xe8});
                CHECK(p.truth(1).hits == 3);
            }
            p.uprobes.remove_now(p.consumers[1]);
            CHECK(p.text(5, 2) == Bytes{0xeb, 0x08});
        }
    }

    TEST_CASE("the system call is refused outside a trampoline, and kills who calls a trampoline without a stack") {
        // mov eax, 336; syscall; mov edi, eax; exit
        Probed p(code({{0xb8, 0x50, 0x01, 0, 0}, {0x0f, 0x05}, {0x89, 0xc7}, kExit}), {}, "nop5");
        CHECK(p.run() == 0xfffffffa); // -ENXIO, 32 bits of it: measured on Linux 6.18.44
    }
}
