// What the strategies with slots add to `xol`: where the slots are, who owns them, and how the copy ends.
#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

/// Lets a task run alone until a step, then the next one; at the end round robin.
struct Turns : Policy {
    struct Turn {
        std::size_t task; ///< in order of creation, from 0
        Step until;
    };
    explicit Turns(std::vector<Turn> list) : turns(std::move(list)) {}
    Choice pick(Scheduler& s) override {
        if (at < turns.size())
            for (Task* t : s.ready_tasks())
                if (t->serial == turns[at].task + 1) return {t, 1'000'000};
        return rr.pick(s);
    }
    bool switch_after_step(Scheduler&, const Task& t, const Event& e) override {
        if (at >= turns.size() || t.serial != turns[at].task + 1 || e.step != turns[at].until) return false;
        ++at;
        return true;
    }
    RoundRobin rr;
    std::vector<Turn> turns;
    std::size_t at = 0;
};

/// `n` times inc eax, each of them a probe point; then mov edi, eax; exit.
std::vector<std::uint8_t> row_of(unsigned n) {
    std::vector<std::uint8_t> bytes = {0x31, 0xc0}; // xor eax, eax
    for (unsigned i = 0; i < n; ++i) bytes.insert(bytes.end(), {0xff, 0xc0});
    return code({bytes, {0x89, 0xc7}, kExit});
}

struct Row {
    Row(unsigned points, const char* strategy, Policy* policy = nullptr)
        : p(row_of(points), 2, strategy, "fixed", policy) {
        for (unsigned i = 1; i < points; ++i) {
            more.push_back(std::make_unique<Consumer>());
            REQUIRE(p.uprobes.add_now(*more.back(), p.machine.file, 2 + 2 * i) == 0);
        }
    }
    Probed p;
    std::vector<std::unique_ptr<Consumer>> more;
};

} // namespace

TEST_SUITE("probes/slots") {

    TEST_CASE("a copy that ends in int3 runs a rep string instruction as one hit, with no step trap") {
        Probed p(code({{0xbf, 0x00, 0x01, 0x60, 0x00},
                       {0xbe, 0x00, 0x00, 0x60, 0x00},
                       {0xb9, 10, 0, 0, 0},
                       {0xf3, 0xa4},
                       {0x89, 0xcf},
                       kExit}),
                 15, "xol-int3");
        p.machine.thread();
        CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(p.machine.results.at(0) == 0);
        CHECK(p.truth().executions == 1);
        CHECK(p.truth().hits == 1);
        CHECK(p.uprobes.counters.step_traps == 0);
        CHECK(p.uprobes.counters.breakpoint_traps == 2);
    }

    TEST_CASE("what may not reach the int3 behind its copy is stepped, and counted as a fallback") {
        // call +0; pop rax; mov edi, 7; exit
        Probed p(code({{0xe8, 0, 0, 0, 0}, {0x58}, {0xbf, 7, 0, 0, 0}, kExit}), 0, "xol-int3");
        p.machine.thread();
        CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(p.machine.results.at(0) == 7);
        CHECK(p.uprobes.counters.step_traps == 1);
        CHECK(p.uprobes.counters.fallbacks == 1);
    }

    TEST_CASE("pushf in a copy that ends in int3 stores no TF, stepped out of line it does") {
        // pushf; pop rdi; shr edi, 8; and edi, 1; exit
        const auto bytes = code({{0x9c}, {0x5f}, {0xc1, 0xef, 8}, {0x83, 0xe7, 1}, kExit});
        for (const auto& [strategy, seen] : {std::pair{"xol", 1u}, std::pair{"xol-int3", 0u}}) {
            CAPTURE(strategy);
            Probed p(bytes, 0, strategy);
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(p.machine.results.at(0) == seen);
        }
    }

    TEST_CASE("the reserved page is in no mapping, and a forked child has none until it needs one") {
        Probed p(loop_over({0xff, 0xc0}, 3), 5, "xol-page");
        p.machine.thread();
        Mm& mm = *p.machine.process->mm;
        const auto held = p.machine.process->mm;
        CHECK(mm.frame_at(kReservedPage) == 0);
        const std::size_t areas = mm.vmas().size();
        CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(mm.vmas().size() == areas);
        CHECK(mm.find(kReservedPage) == nullptr);
        CHECK(mm.frame_at(kReservedPage) != 0);
        CHECK(mm.unmap(kReservedPage, kPageSize) == -EINVAL);
        CHECK(p.uprobes.counters.vmas_added == 0);
        auto child = p.machine.kernel.create_mm();
        CHECK(mm.duplicate_into(*child));
        CHECK(child->frame_at(kReservedPage) == 0);
    }

    TEST_CASE("a thread that waits for a slot is not forgotten when the slots become free before it sleeps") {
        // 31 threads hold the slots; the 32nd finds none and is preempted on its way to sleep, and they all leave.
        std::vector<Turns::Turn> list;
        for (std::size_t i = 0; i < 31; ++i) list.push_back({i, Step::slot_taken});
        list.push_back({31, Step::slot_waiting});
        for (std::size_t i = 0; i < 31; ++i) list.push_back({i, Step::exited});
        for (const char* strategy : {"xol", "xol-page", "xol-int3"}) {
            CAPTURE(strategy);
            Turns turns(list);
            Probed p(loop_over({0xff, 0xc0}, 1), 5, strategy, "linux-6.18", &turns);
            for (std::size_t i = 0; i < 32; ++i) p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(turns.at == 63);
            CHECK(p.truth().hits == 32);
            CHECK(p.uprobes.counters.xol_slots_used == 31);
        }
    }

    TEST_CASE("probe points keep their slots, and the 32nd steals the least recently used one") {
        Row row(33, "xol-owned");
        row.p.machine.thread();
        row.p.machine.thread();
        CHECK(row.p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(row.p.machine.results == std::vector<std::uint64_t>{33, 33});
        CHECK(row.p.uprobes.counters.xol_slots_used == 31);
        for (const auto& u : row.p.uprobes.all()) CHECK(u->truth.hits == 2);
    }

    TEST_CASE("a slot that is stolen between finding and locking it is not stepped: the thread looks again") {
        // Thread 1 has hit the first point once, so that it owns a slot; thread 2 comes to lock it and is preempted
        // while thread 3 needs all the slots.
        Turns turns({{0, Step::slot_freed}, {1, Step::slot_found}, {2, Step::slot_stolen}, {2, Step::resumed}});
        Row row(32, "xol-owned", &turns);
        for (int i = 0; i < 3; ++i) row.p.machine.thread();
        CHECK(row.p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(turns.at == 4);
        CHECK(row.p.machine.results == std::vector<std::uint64_t>{32, 32, 32});
        for (const auto& u : row.p.uprobes.all()) CHECK(u->truth.hits == 3);
    }

    TEST_CASE("a thief waits until the last thread is off the slot") {
        // Thread 1 is on the slot of the first point when thread 2 has used up the others.
        Turns turns({{0, Step::slot_locked}, {1, Step::slot_stolen}, {1, Step::slot_waiting}, {0, Step::slot_freed}});
        Row row(32, "xol-owned", &turns);
        for (int i = 0; i < 2; ++i) row.p.machine.thread();
        CHECK(row.p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(turns.at == 4);
        CHECK(row.p.machine.results == std::vector<std::uint64_t>{32, 32});
    }
}
