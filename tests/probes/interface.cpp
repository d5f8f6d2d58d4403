// The programming interface in the shape of 2010 (seed 004, section 4).
#include "boost/catalogue.hpp"
#include "probes/register.hpp"
#include "tests/emu/code.hpp"

#include <cerrno>
#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

/// A loop of ten rounds over `inc eax` at offset 5.
struct Machine {
    Machine()
        : machine(code({{0xb9, 10, 0, 0, 0}, {0xff, 0xc0}, {0xff, 0xc9}, {0x75, 0xfa}, {0x89, 0xc7}, kExit})),
          uprobes(machine.kernel, *dialect("uprobes-2010"), *strategy_info("xol")) {
        uprobes.mapped(*machine.process->mm, machine.process->mm->vmas().at(kCode));
        probe.pid = machine.process->pid;
        probe.vaddr = kCode + 5;
        probe.handler = [this](UserProbe& p, HitContext& regs) {
            CHECK(&p == &probe);
            CHECK(regs.address == kCode + 5);
            ++calls;
        };
    }
    void run() {
        machine.thread();
        CHECK(machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(machine.results.at(0) == 10);
    }
    CodeMachine machine;
    Uprobes uprobes;
    UserProbe probe;
    int calls = 0;
};

} // namespace

TEST_SUITE("probes/register") {

    TEST_CASE("a registered probe calls its handler at every hit, and not after it is unregistered") {
        Machine m;
        CHECK(register_uprobe(m.uprobes, m.probe) == 0);
        m.run();
        CHECK(m.calls == 10);
        Machine gone;
        CHECK(register_uprobe(gone.uprobes, gone.probe) == 0);
        unregister_uprobe(gone.uprobes, gone.probe);
        unregister_uprobe(gone.uprobes, gone.probe); // a no-op
        gone.run();
        CHECK(gone.calls == 0);
    }

    TEST_CASE("a handler may unregister its probe and register it again") {
        Machine m;
        m.probe.handler = [&](UserProbe& p, HitContext&) {
            ++m.calls;
            unregister_uprobe(m.uprobes, p);
        };
        CHECK(register_uprobe(m.uprobes, m.probe) == 0);
        m.run();
        CHECK(m.calls == 1);
    }

    TEST_CASE("a handler in interrupt context runs before any other thread can") {
        // A policy that would switch after every step, and counts how often it could between trap and handler.
        struct Nosy : Policy {
            RoundRobin rr;
            int after_trap = 0;
            bool between = false;
            Choice pick(Scheduler& s) override {
                if (between) ++after_trap;
                return rr.pick(s);
            }
            bool switch_after_step(Scheduler&, const Task&, const Event& e) override {
                if (e.step == Step::trap || e.step == Step::lookup) between = true;
                if (e.step == Step::handler) between = false;
                return true;
            }
        };
        for (bool in_interrupt : {true, false}) {
            CAPTURE(in_interrupt);
            Machine m;
            m.probe.handler_in_interrupt = in_interrupt;
            CHECK(register_uprobe(m.uprobes, m.probe) == 0);
            Nosy nosy;
            m.machine.kernel.scheduler().set_policy(nosy);
            m.run();
            CHECK(m.calls == 10);
            CHECK(nosy.after_trap == (in_interrupt ? 0 : 20));
        }
    }

    TEST_CASE("registration says why it was refused") {
        Machine m;
        UserProbe other;
        other.handler = m.probe.handler;
        other.pid = 4711;
        other.vaddr = kCode + 5;
        CHECK(register_uprobe(m.uprobes, other) == -ESRCH);
        other.pid = m.probe.pid;
        other.vaddr = 0x10;
        CHECK(register_uprobe(m.uprobes, other) == -EINVAL);
        other.vaddr = kData; // not text
        CHECK(register_uprobe(m.uprobes, other) == -EINVAL);
        CHECK(register_uprobe(m.uprobes, m.probe) == 0);
        CHECK(register_uprobe(m.uprobes, m.probe) == -EBUSY);
        other.vaddr = kCode + 5; // "Uprobes allows only one uprobe at a particular address"
        CHECK(register_uprobe(m.uprobes, other) == -EBUSY);
        UserProbe silent;
        silent.pid = m.probe.pid;
        silent.vaddr = kCode;
        CHECK(register_uprobe(m.uprobes, silent) == -EINVAL);
    }
}
