// Copies on the user stack: where they stand, what they leave alone, and what the posted patch does not.
#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {
const std::vector<std::uint8_t> kIncEax = {0xff, 0xc0};
const std::vector<std::uint8_t> kIncThenExit = code({kIncEax, {0x89, 0xc7}, kExit});

/// A stack of one page that ends where an unmapped page begins.
constexpr Addr kSmallStack = 0x10000000;
void map_small_stack(Mm& mm, bool grows) {
    Vma v;
    v.start = kSmallStack;
    v.end = kSmallStack + kPageSize;
    v.prot = prot::read | prot::write;
    v.grows_down = grows;
    REQUIRE(mm.map(std::move(v)) == 0);
}

bool segv(const Outcome& o) { return o.kind == Outcome::Kind::exited && (o.status & 0x7f) == sig::segv; }

/// Lets each task run alone until a step of its own, in the order of the list.
struct InTurn : Policy {
    explicit InTurn(std::vector<std::pair<std::uint32_t, Step>> list) : turns(std::move(list)) {}
    Choice pick(Scheduler& s) override {
        if (at < turns.size())
            for (Task* t : s.ready_tasks())
                if (t->serial == turns[at].first) return {t, 1'000'000};
        return rr.pick(s);
    }
    bool switch_after_step(Scheduler&, const Task& t, const Event& e) override {
        const bool reached = at < turns.size() && t.serial == turns[at].first && e.step == turns[at].second;
        at += reached ? 1 : 0;
        return reached;
    }
    RoundRobin rr;
    std::vector<std::pair<std::uint32_t, Step>> turns;
    std::size_t at = 0;
};
} // namespace

TEST_SUITE("probes/stack") {

    TEST_CASE("the copy needs no mapping, and is written once while nothing overwrites it") {
        Probed p(loop_over(kIncEax, 50), 5, "stack");
        p.machine.thread();
        REQUIRE(p.run());
        CHECK(p.machine.results.at(0) == 50);
        CHECK(p.truth().executions == 50);
        CHECK(p.truth().hits == 50);
        CHECK(p.truth().missed == 0);
        CHECK(p.uprobes.counters.step_traps == 50);
        CHECK(p.uprobes.counters.vmas_added == 0);
        CHECK(p.uprobes.counters.fallbacks == 0);
    }

    TEST_CASE("an instruction that writes as far below the stack pointer as any does not reach its copy") {
        // mov rbp, rsp; enter 0, 31; mov edi, 7; exit
        Probed p(code({{0x48, 0x89, 0xe5}, {0xc8, 0, 0, 31}, {0xbf, 7, 0, 0, 0}, kExit}), 3, "stack");
        p.machine.thread();
        REQUIRE(p.run());
        CHECK(p.machine.results.at(0) == 7);
        CHECK(p.truth().executions == 1);
    }

    TEST_CASE("the red zone is left alone") {
        // mov byte [rsp-128], 5; mov byte [rsp-1], 6; inc eax; movzx edi, byte [rsp-128]; add dil, [rsp-1]; exit
        Probed p(code({{0xc6, 0x44, 0x24, 0x80, 5},
                       {0xc6, 0x44, 0x24, 0xff, 6},
                       kIncEax,
                       {0x0f, 0xb6, 0x7c, 0x24, 0x80},
                       {0x40, 0x02, 0x7c, 0x24, 0xff},
                       kExit}),
                 10, "stack");
        p.machine.thread();
        REQUIRE(p.run());
        CHECK(p.machine.results.at(0) == 11);
    }

    TEST_CASE("a stack that may grow is grown for the copy; where it cannot, the instruction is stepped in place") {
        for (const bool grows : {true, false}) {
            CAPTURE(grows);
            Probed p(kIncThenExit, 0, "stack");
            map_small_stack(p.mm(), grows);
            Task& t = p.machine.thread();
            p.machine.kernel.set(t, Reg::rsp, kSmallStack + 200);
            REQUIRE(p.run());
            CHECK(p.machine.results.at(0) == 1);
            CHECK(p.truth().hits == 1);
            CHECK(p.uprobes.counters.fallbacks == (grows ? 0 : 1));
            CHECK(p.uprobes.counters.text_writes == (grows ? 1 : 3)); // arming alone, or lifted and put back as well
            CHECK((p.mm().find(kSmallStack - 1) != nullptr) == grows);
        }
    }

    TEST_CASE("as posted, the copy stands a page above the next page boundary, and faults unless it may be executed") {
        for (const bool executable : {true, false}) {
            CAPTURE(executable);
            Probed p(kIncThenExit, 0, "stack-as-posted");
            const Addr sp = kStackTop - 0x4000 - 64;
            if (executable)
                REQUIRE(p.mm().protect(kStackTop - 0x80000, 0x80000, prot::read | prot::write | prot::exec) == 0);
            Task& t = p.machine.thread();
            p.machine.kernel.set(t, Reg::rsp, sp);
            const Outcome end = p.machine.kernel.run();
            std::array<std::uint8_t, 2> above{};
            REQUIRE(p.mm().get(page_ceil(sp) + kPageSize, above));
            CHECK(above == std::array<std::uint8_t, 2>{0xff, 0xc0});
            CHECK(segv(end) == !executable);
            CHECK(p.truth().executions == (executable ? 1 : 0));
        }
    }

    TEST_CASE("as posted, a thread without a VMA above its stack goes on inside the instruction") {
        Probed p(code({{0xb8, 0xff, 0xc0, 0, 0}, {0x89, 0xc7}, kExit}), 0, "stack-as-posted"); // mov eax, 0xc0ff
        p.machine.thread(); // in the last page of the highest VMA
        CHECK(segv(p.machine.kernel.run()));
        CHECK(p.truth().hits == 1);
        CHECK(p.truth().executions == 0);
    }

    TEST_CASE("as posted, two threads that step at once share one address, and one of them goes astray") {
        for (const bool at_once : {false, true}) {
            CAPTURE(at_once);
            InTurn turns({{1, Step::slot_written}, {2, Step::slot_written}, {1, Step::stepped}});
            Probed p(kIncThenExit, 0, "stack-as-posted", "linux-6.18", at_once ? &turns : nullptr);
            REQUIRE(p.mm().protect(kStackTop - 0x80000, 0x80000, prot::read | prot::write | prot::exec) == 0);
            for (const Addr below : {0x4000, 0x8000})
                p.machine.kernel.set(p.machine.thread(), Reg::rsp, kStackTop - below - 64);
            const Outcome end = p.machine.kernel.run();
            CHECK(segv(end) == at_once);
        }
    }

    TEST_CASE("as posted, RIP-relative instructions are refused") {
        Probed p({0x8b, 0x05, 0, 0, 0, 0}, 0, "stack-as-posted"); // mov eax, [rip]
        CHECK(p.error == enotsupp);
    }
}
