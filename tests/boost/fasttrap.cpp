// DTrace's fasttrap: what is emulated, what runs in scratch space, and what a thread leaves behind there.
#include "tests/boost/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {
const std::vector<std::uint8_t> kIncEax = {0xff, 0xc0};

struct Branching {
    const char* what;
    std::vector<std::uint8_t> program; ///< exits with 42 if the branch went where it should
    std::uint64_t at;
};

std::vector<std::uint8_t> exit_with(std::uint8_t status) { return code({{0xbf, status, 0, 0, 0}, kExit}); } // 12 bytes

/// SETUP; BRANCH over exit(1); exit(42). The branch has a displacement of one byte at its end, which is filled in.
std::vector<std::uint8_t> over(std::vector<std::uint8_t> setup, std::vector<std::uint8_t> branch) {
    branch.push_back(12);
    return code({std::move(setup), std::move(branch), exit_with(1), exit_with(42)});
}
} // namespace

TEST_SUITE("boost/fasttrap") {

    TEST_CASE("branches, calls and returns are computed, and go where the CPU goes") {
        const Branching cases[] = {
            {"jmp rel8", over({}, {0xeb}), 0},
            {"jmp rel32", code({{0xe9, 12, 0, 0, 0}, exit_with(1), exit_with(42)}), 0},
            {"je, taken", over({0x31, 0xc0}, {0x74}), 2},
            {"jne, not taken", code({{0x31, 0xc0}, {0x75, 12}, exit_with(42), exit_with(1)}), 2},
            {"je rel32", code({{0x31, 0xc0}, {0x0f, 0x84, 12, 0, 0, 0}, exit_with(1), exit_with(42)}), 2},
            {"loop", over({0xb9, 2, 0, 0, 0}, {0xe2}), 5},
            {"loop at its end", code({{0xb9, 1, 0, 0, 0}, {0xe2, 12}, exit_with(42), exit_with(1)}), 5},
            {"loope, and not equal", code({{0xb9, 2, 0, 0, 0}, {0x85, 0xc9}, {0xe1, 12}, exit_with(42), exit_with(1)}),
             7},
            {"loopne, and not equal", over({0xb9, 2, 0, 0, 0, 0x85, 0xc9}, {0xe0}), 7},
            {"jrcxz", over({0x31, 0xc9}, {0xe3}), 2},
            {"jrcxz, but ecx", code({{0x48, 0xb9, 0, 0, 0, 0, 1, 0, 0, 0}, {0xe3, 12}, exit_with(42), exit_with(1)}),
             10},
            {"jecxz", over({0x48, 0xb9, 0, 0, 0, 0, 1, 0, 0, 0}, {0x67, 0xe3}), 10},
            {"call, and its return address", // call +0; pop rdi; sub edi, text + 5 - 42; exit
             code({{0xe8, 0, 0, 0, 0}, {0x5f}, {0x81, 0xef, 0xdb, 0xff, 0x3f, 0}, kExit}), 0},
            {"call rax", // lea rax, [rip + 2]; call rax (to the next instruction); pop rdi; sub; exit
             code({{0x48, 0x8d, 0x05, 2, 0, 0, 0}, {0xff, 0xd0}, {0x5f}, {0x81, 0xef, 0xdf, 0xff, 0x3f, 0}, kExit}), 7},
            {"jmp [rip + 0]",
             code({{0xff, 0x25, 0, 0, 0, 0}, {0x1a, 0, 0x40, 0, 0, 0, 0, 0}, exit_with(1), exit_with(42)}), 0},
            {"jmp r9", code({{0x4c, 0x8d, 0x0d, 15, 0, 0, 0}, {0x41, 0xff, 0xe1}, exit_with(1), exit_with(42)}), 7},
            {"ret", // push target; ret
             code({{0x68, 18, 0, 0x40, 0}, {0xc3}, exit_with(1), exit_with(42)}), 5},
            {"ret 8", // push 42; push 0; push target; ret 8; exit(1); target: pop rdi; exit
             code({{0x6a, 42}, {0x6a, 0}, {0x68, 24, 0, 0x40, 0}, {0xc2, 8, 0}, exit_with(1), {0x5f}, kExit}), 9},
            {"nop", code({{0x90}, exit_with(42)}), 0},
            {"push rbp", code({{0x6a, 42}, {0x5d}, {0x55}, {0x5f}, kExit}), 3},
        };
        for (const Branching& c : cases) {
            CAPTURE(c.what);
            Probed bare(c.program, {}, "xol");
            CHECK(bare.run() == 42);
            Probed p(c.program, {c.at}, "fasttrap");
            CHECK(p.run() == 42);
            CHECK(p.truth().executions == 1);
            CHECK(p.truth().hits == 1);
            CHECK(p.counters().breakpoint_traps == 1);
            CHECK(p.counters().step_traps == 0);
            CHECK(p.counters().vmas_added == 0);
        }
    }

    TEST_CASE("a return to nowhere, or from no stack, is the program's fault") {
        // xor esp, esp; ret
        Probed p({0x31, 0xe4, 0xc3}, {2}, "fasttrap");
        p.run();
        CHECK((p.outcome.status & 0x7f) == sig::segv);
        CHECK(p.truth().executions == 0);
        CHECK(p.truth().hits == 1);
    }

    TEST_CASE("the rest runs in the thread's scratch space, with one trap a hit") {
        Probed p(loop_over(kIncEax, 100), {5}, "fasttrap");
        CHECK(p.run() == 100);
        CHECK(p.truth().executions == 100);
        CHECK(p.truth().hits == 100);
        CHECK(p.truth().missed == 0);
        CHECK(p.counters().breakpoint_traps == 100);
        CHECK(p.counters().step_traps == 0);
        CHECK(p.counters().vmas_added == 1);
        CHECK(p.counters().xol_slots_used == 1);
    }

    TEST_CASE("the register that stands in for RIP has its own value again behind the instruction") {
        // mov esi, 40; mov eax, [rip + 9]; lea edi, [rax + rsi]; exit; data: 2
        Probed p(code({{0xbe, 40, 0, 0, 0}, {0x8b, 0x05, 10, 0, 0, 0}, {0x8d, 0x3c, 0x30}, kExit, {2, 0, 0, 0}}), {5},
                 "fasttrap");
        CHECK(p.run() == 42);
        CHECK(p.truth().executions == 1);
        CHECK(p.counters().step_traps == 0);
    }

    TEST_CASE("a copy that faults and is served runs once, and one that faults for good has not run") {
        Probed served(code({{0x8a, 0x04, 0x25, 0x00, 0x20, 0x60, 0x00}, {0x89, 0xc7}, kExit}), {0}, "fasttrap");
        CHECK(served.run() == 0);
        CHECK(served.truth().executions == 1);
        CHECK(served.truth().hits == 1);
        Probed bad({0x8a, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00}, {0}, "fasttrap");
        bad.run();
        CHECK((bad.outcome.status & 0x7f) == sig::segv);
        CHECK(bad.truth().executions == 0);
        CHECK(bad.truth().hits == 1);
    }

    TEST_CASE("a thread's scratch space is another's when the thread has ended") {
        Probed p(code({kIncEax, {0x89, 0xc7}, kExit}), {0}, "fasttrap");
        for (int i = 0; i < 200; ++i) p.machine.thread(); // one page has room for 64
        p.machine.kernel.run();
        CHECK(p.truth().hits == 200);
        CHECK(p.truth().missed == 0);
        CHECK(p.counters().xol_slots_used <= 64);
        const std::uint64_t pages = p.counters().vmas_added;
        for (int i = 0; i < 200; ++i) p.machine.thread();
        p.machine.kernel.run();
        CHECK(p.truth().hits == 400);
        CHECK(p.counters().vmas_added == pages);
    }

    TEST_CASE("without scratch space the original instruction comes back, and the probe is lost") {
        Probed p(loop_over(kIncEax, 10), {5}, "fasttrap");
        Addr from = 0x10000;
        const auto taken = p.mm().vmas();
        const auto take = [&](Addr to) {
            if (from >= to) return;
            Vma v;
            v.start = from;
            v.end = to;
            v.prot = prot::none;
            REQUIRE(p.mm().map(std::move(v)) == 0);
        };
        for (const auto& [start, v] : taken) {
            take(start);
            from = v.end;
        }
        take(kTaskSize);
        CHECK(p.run() == 10);
        CHECK(p.truth().executions == 10);
        CHECK(p.truth().hits == 1);
        CHECK(p.truth().missed == 9);
        CHECK(adds_up(p.truth()));
    }

    TEST_CASE("two segment prefixes are refused") {
        CHECK(Probed({0x64, 0x65, 0x8b, 0x00}, {0}, "fasttrap").error != 0);
        CHECK(Probed({0x64, 0x8b, 0x00}, {0}, "fasttrap").error == 0);
    }
}
