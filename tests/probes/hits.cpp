#include "tests/probes/probed.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

TEST_SUITE("probes/hits") {

    TEST_CASE("every execution of a probed instruction in a loop is one hit, and the program does not notice") {
        for (const char* strategy : kStepping) {
            CAPTURE(strategy);
            Probed p(loop_over({0xff, 0xc0}, 100), 5, strategy); // inc eax
            REQUIRE(p.error == 0);
            std::uint64_t seen = 0;
            p.consumer.handler = [&](HitContext& c) {
                CHECK(c.address == kCode + 5);
                CHECK(c.get(Reg::rip) == kCode + 5);
                CHECK((c.get(Reg::rax) & 0xffffffff) == seen);
                ++seen;
            };
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(p.machine.results.at(0) == 100);
            CHECK(seen == 100);
            CHECK(p.truth().executions == 100);
            CHECK(p.truth().hits == 100);
            CHECK(p.truth().missed == 0);
            CHECK(adds_up(p.truth()));
            CHECK(p.uprobes.counters.breakpoint_traps + p.uprobes.counters.step_traps == 200);
            CHECK(p.uprobes.counters.pages_copied == 1);
        }
    }

    TEST_CASE("an inline step faults, the window stays open, and the execution still counts once") {
        for (const char* strategy : kStepping) {
            CAPTURE(strategy);
            // mov al, [0x602000], a page that nobody has touched
            Probed p(code({{0x8a, 0x04, 0x25, 0x00, 0x20, 0x60, 0x00}, {0x89, 0xc7}, kExit}), 0, strategy);
            REQUIRE(p.error == 0);
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(p.truth().executions == 1);
            CHECK(p.truth().hits == 1);
            CHECK(p.truth().missed == 0);
            CHECK(adds_up(p.truth()));
        }
    }

    TEST_CASE("a rep string instruction runs the handler once per iteration and executes once") {
        for (const char* strategy : kTrapFlag) {
            CAPTURE(strategy);
            Probed p(code({{0xbf, 0x00, 0x01, 0x60, 0x00},
                           {0xbe, 0x00, 0x00, 0x60, 0x00},
                           {0xb9, 10, 0, 0, 0},
                           {0xf3, 0xa4},
                           {0x89, 0xcf},
                           kExit}),
                     15, strategy);
            REQUIRE(p.error == 0);
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(p.machine.results.at(0) == 0);
            CHECK(p.truth().executions == 1);
            CHECK(p.truth().hits == 10); // measured on 6.18 for xol
            CHECK(p.truth().repeated == 9);
            CHECK(adds_up(p.truth()));
        }
    }

    TEST_CASE("the text of other address spaces stays as it is: one extra frame, in this one only") {
        Probed p(loop_over({0xff, 0xc0}, 3), 5, "xol");
        auto& kernel = p.machine.kernel;
        auto other = kernel.create_mm();
        Vma v = p.machine.process->mm->vmas().at(kCode);
        // A second mapping of the same file in a process that the consumer does not want.
        p.consumer.pid = p.machine.process->pid;
        REQUIRE(other->map(v) == 0);
        std::uint8_t here = 0, there = 0;
        CHECK(p.machine.process->mm->get(kCode + 5, here));
        CHECK(other->get(kCode + 5, there));
        CHECK(here == 0xcc);
        CHECK(there == 0xff);
        CHECK(other->frame_at(kCode) == p.machine.file->cached(0));
        CHECK(p.machine.process->mm->frame_at(kCode) != p.machine.file->cached(0));
    }

    TEST_CASE("unregistering restores the page-cache frame, and in 2010 keeps the copy") {
        for (const char* kernel_name : {"linux-6.18", "uprobes-2010"}) {
            CAPTURE(kernel_name);
            Probed p(loop_over({0xff, 0xc0}, 3), 5, "xol", kernel_name);
            REQUIRE(p.error == 0);
            Mm& mm = *p.machine.process->mm;
            CHECK(mm.frame_at(kCode) != p.machine.file->cached(0));
            p.uprobes.remove_now(p.consumer);
            std::uint8_t byte = 0;
            CHECK(mm.get(kCode + 5, byte));
            CHECK(byte == 0xff);
            CHECK((mm.frame_at(kCode) == p.machine.file->cached(0)) == (std::string(kernel_name) == "linux-6.18"));
        }
    }

    TEST_CASE("a handler may unregister its own probe: the hit completes and the next execution is bare") {
        for (const char* strategy : kStepping) {
            CAPTURE(strategy);
            Probed p(loop_over({0xff, 0xc0}, 10), 5, strategy);
            REQUIRE(p.error == 0);
            p.consumer.handler = [&](HitContext&) {
                if (p.consumer.hits == 4) p.uprobes.remove_now(p.consumer);
            };
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            CHECK(p.machine.results.at(0) == 10);
            CHECK(p.consumer.hits == 4);
            CHECK(p.truth().hits == 4);
            CHECK(adds_up(p.truth()));
        }
    }

    TEST_CASE("a handler that moves the instruction pointer skips the instruction") {
        Probed p(loop_over({0xff, 0xc0}, 10), 5, "xol");
        p.consumer.handler = [&](HitContext& c) { c.set(Reg::rip, c.address + 2); };
        p.machine.thread();
        CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
        CHECK(p.machine.results.at(0) == 0);
        CHECK(p.truth().executions == 0);
        CHECK(p.truth().hits == 10);
        p.uprobes.settle();
        CHECK(adds_up(p.truth()));
    }

    TEST_CASE("relative calls, returns, jumps and RIP-relative operands run out of line as in place") {
        // mov edi,[rip+data]; call f; jmp over; data; f: lea eax,[rdi+1]; ret; over: mov edi,eax; exit
        const std::vector<std::uint8_t> bytes = code({{0x8b, 0x3d, 7, 0, 0, 0}, //  0 mov edi, [rip+7] -> 13
                                                      {0xe8, 6, 0, 0, 0},       //  6 call f (17)
                                                      {0xeb, 8},                // 11 jmp over (21)
                                                      {41, 0, 0, 0},            // 13 data
                                                      {0x8d, 0x47, 0x01},       // 17 f: lea eax, [rdi+1]
                                                      {0xc3},                   // 20 ret
                                                      {0x89, 0xc7},             // 21 over: mov edi, eax
                                                      kExit});
        for (const char* strategy : kStepping)
            for (std::uint64_t at : {0u, 6u, 11u, 17u, 20u, 21u}) {
                CAPTURE(strategy);
                CAPTURE(at);
                Probed p(bytes, at, strategy);
                REQUIRE(p.error == 0);
                p.machine.thread();
                CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
                CHECK(p.machine.results.at(0) == 42);
                CHECK(p.truth().executions == 1);
                CHECK(p.truth().hits == 1);
                CHECK(adds_up(p.truth()));
            }
    }

    TEST_CASE("a copy that faults for good is reported at the probe point and gives its slot back") {
        for (const char* strategy : kStepping) {
            CAPTURE(strategy);
            Probed p({0x8a, 0x04, 0x25, 0x10, 0x00, 0x00, 0x00}, 0, strategy); // mov al, [0x10]
            Task& t = p.machine.thread();
            (void)t;
            Addr rip = 0;
            struct Spy : Policy {
                RoundRobin rr;
                Addr* rip;
                Kernel* kernel;
                Choice pick(Scheduler& s) override { return rr.pick(s); }
                bool switch_after_step(Scheduler&, const Task& task, const Event& e) override {
                    if (e.step == Step::aborted) *rip = kernel->get(task, Reg::rip);
                    return false;
                }
            } spy;
            spy.rip = &rip;
            spy.kernel = &p.machine.kernel;
            p.machine.kernel.scheduler().set_policy(spy);
            Outcome o = p.machine.kernel.run();
            CHECK((o.status & 0x7f) == sig::segv);
            CHECK(rip == kCode);
            CHECK(p.truth().executions == 0);
            CHECK(p.truth().hits == 1);
            CHECK(adds_up(p.truth()));
        }
    }

    TEST_CASE("a system call under a step is served once, and then the step ends") {
        // mov eax, 24 (sched_yield); syscall; mov edi, eax; exit
        for (const char* strategy : kStepping) {
            CAPTURE(strategy);
            Probed p(code({{0xb8, 24, 0, 0, 0}, {0x0f, 0x05}, {0x89, 0xc7}, kExit}), 5, strategy, "fixed");
            REQUIRE(p.error == 0);
            p.machine.thread();
            CHECK(p.machine.kernel.run().kind == Outcome::Kind::exited);
            REQUIRE(p.machine.results.size() == 1);
            CHECK(p.machine.results[0] == 0);
            CHECK(p.uprobes.counters.step_traps == 1);
            CHECK(p.truth().executions == 1);
            CHECK(adds_up(p.truth()));
        }
    }

    TEST_CASE("registration errors are those of the kernel that is imitated") {
        Probed first(loop_over({0xff, 0xc0}, 3), 5, "xol", "uprobes-2010");
        Consumer second;
        CHECK(first.uprobes.add_now(second, first.machine.file, 5) == -EBUSY);
        CHECK(first.uprobes.add_now(second, first.machine.file, 0x4000 + 1) == -EINVAL);
        Probed shared(loop_over({0xff, 0xc0}, 3), 5, "xol");
        CHECK(shared.uprobes.add_now(second, shared.machine.file, 5) == 0);
        Probed lock(loop_over({0xf0, 0xff, 0x04, 0x25, 0, 0, 0x60, 0}, 3), 5, "xol"); // lock inc dword [0x600000]
        CHECK(lock.error == -524);
        Probed own({0xcc, 0x90}, 0, "xol");
        CHECK(own.error == -524);
        Probed bad({0x06, 0x90}, 0, "xol");
        CHECK(bad.error == -524);
    }
}
