// Several consumers at one probe point, and handlers that sleep, register and unregister.
#include "tests/probes/probed.hpp"

#include <cerrno>
#include <doctest/doctest.h>
#include <string>

using namespace trapline;
using namespace trapline::testing;

namespace {

/// mov ecx, n; L: inc eax; dec ecx; jnz L; mov edi, eax; exit
constexpr std::uint64_t kProbe = 5;
std::vector<std::uint8_t> loop(std::uint8_t n) {
    return code({{0xb9, n, 0, 0, 0}, {0xff, 0xc0}, {0xff, 0xc9}, {0x75, 0xfa}, {0x89, 0xc7}, kExit});
}

std::uint8_t byte_at(Mm& mm, Addr a) {
    std::uint8_t b = 0;
    CHECK(mm.force_read(a, &b, 1));
    return b;
}

/// Sleeps for 10,000 cycles. A free function: GCC 12 destroys what a coroutine lambda has captured too early.
Path<bool> nap(HitContext& h) {
    Kernel& k = h.kernel();
    (void)co_await k.sleep(h.task(), nullptr, k.now(h.task()) + 10'000, false);
    co_return true;
}

Path<bool> unregister(Uprobes& uprobes, Consumer& c, bool& done) {
    co_await uprobes.remove(c);
    done = true;
    co_return true;
}

} // namespace

TEST_SUITE("probes/consumers") {

    TEST_CASE("consumers share one int3, are called newest first, and leave one by one") {
        for (const char* strategy : {"inline", "xol"}) {
            CAPTURE(strategy);
            std::string order;
            Consumer a, b, c;
            ProbedCode p(loop(4), strategy);
            for (auto [consumer, name] : {std::pair{&a, 'a'}, {&b, 'b'}, {&c, 'c'}}) {
                consumer->handler = [&order, name = name](HitContext&) { order += name; };
                REQUIRE(p.add(*consumer, kProbe) == 0);
            }
            CHECK(p.uprobes.counters.text_writes == 1);
            CHECK(p.uprobes.all().size() == 1);
            b.handler = [&](HitContext&) {
                order += 'b';
                if (b.hits == 2) p.uprobes.remove_now(b);
                if (b.hits == 1) p.uprobes.remove_now(c);
            };
            p.machine.thread();
            CHECK(p.run());
            CHECK(p.machine.results.at(0) == 4);
            CHECK(order == "cbabaaa");
            CHECK(a.hits == 4);
            CHECK(b.hits == 2);
            CHECK(c.hits == 1);
            CHECK(p.first().truth.hits == 4); // hits are of the probe point, however many listen
            CHECK(p.first().truth.missed == 0);
            CHECK(byte_at(p.mm(), kCode + kProbe) == 0xcc);
            p.uprobes.remove_now(a);
            CHECK(byte_at(p.mm(), kCode + kProbe) == 0xff);
        }
    }

    TEST_CASE("one consumer for an address is all that 2010 allows") {
        Consumer a, b;
        ProbedCode p(loop(1), "xol", "uprobes-2010");
        CHECK(p.add(a, kProbe) == 0);
        CHECK(p.add(b, kProbe) == -EBUSY); // seed 004, section 5
        p.uprobes.remove_now(a);
        CHECK(p.add(b, kProbe) == 0);
    }

    TEST_CASE("what cannot be is refused") {
        Consumer nothing, both, sleeper;
        nothing.on_entry = false;
        sleeper.in_interrupt = true;
        sleeper.sleeping_handler = nap;
        ProbedCode p(loop(1));
        CHECK(p.add(nothing, kProbe) == -EINVAL);
        CHECK(p.add(sleeper, kProbe) == -EINVAL);
        CHECK(p.add(both, kProbe) == 0);
        CHECK(p.add(both, kProbe) == -EINVAL); // registered already
    }

    TEST_CASE("a consumer that registers from a handler is called at the next hit") {
        Consumer a, b;
        ProbedCode p(loop(5));
        REQUIRE(p.add(a, kProbe) == 0);
        a.handler = [&](HitContext&) {
            if (a.hits == 2) CHECK(p.add(b, kProbe) == 0);
        };
        p.machine.thread();
        CHECK(p.run());
        CHECK(a.hits == 5);
        CHECK(b.hits == 3);
    }

    TEST_CASE("a filter that no longer wants the process gives it its byte back") {
        Consumer c;
        bool wanted = true;
        c.filter = [&](const Process&) { return wanted; };
        ProbedCode p(loop(10));
        REQUIRE(p.add(c, kProbe) == 0);
        c.handler = [&](HitContext&) { wanted = c.hits < 4; };
        p.machine.thread();
        CHECK(p.run());
        CHECK(p.machine.results.at(0) == 10);
        CHECK(c.hits == 4);
        CHECK(byte_at(p.mm(), kCode + kProbe) == 0xff);
        CHECK(c.uprobe != nullptr); // it is registered still
        CHECK(p.first().truth.executions == 4);
    }

    TEST_CASE("while a handler sleeps its thread stays stopped and the others run") {
        for (const char* strategy : {"inline", "xol"}) {
            CAPTURE(strategy);
            Consumer c;
            c.sleeping_handler = nap;
            std::vector<std::uint8_t> bytes = loop(3);
            bytes.resize(64, 0x90);
            for (std::uint8_t b : code({{0xbf, 77, 0, 0, 0}, kExit})) bytes.push_back(b); // a thread that is not probed
            ProbedCode p(bytes, strategy);
            REQUIRE(p.add(c, kProbe) == 0);
            p.machine.thread();
            p.machine.thread(64);
            CHECK(p.run());
            CHECK(p.machine.results == std::vector<std::uint64_t>{77, 3});
            CHECK(p.machine.kernel.latest() > 30'000);
            CHECK(p.first().truth.hits == 3);
            CHECK(adds_up(p.first().truth));
        }
    }

    TEST_CASE("unregistering waits for a handler that sleeps, and no other begins") {
        Consumer c;
        c.sleeping_handler = nap;
        bool done = false;
        ProbedCode p(loop(3));
        REQUIRE(p.add(c, kProbe) == 0);
        p.machine.thread();
        // A tracer that begins when the first handler is asleep.
        struct Later : Policy {
            RoundRobin rr;
            bool waited_for_sleeper = false;
            bool* done = nullptr;
            Choice pick(Scheduler& s) override { return rr.pick(s); }
            bool switch_after_step(Scheduler&, const Task& t, const Event& e) override {
                if (e.step == Step::text_restored && t.is_tracer) waited_for_sleeper = !*done;
                return false;
            }
        } later;
        later.done = &done;
        p.machine.kernel.scheduler().set_policy(later);
        Task& tracer = p.machine.kernel.create_tracer();
        Consumer trigger;
        trigger.handler = [&](HitContext&) {
            if (trigger.hits == 1) p.machine.kernel.start(tracer, unregister(p.uprobes, c, done));
        };
        REQUIRE(p.add(trigger, kProbe + 2) == 0); // the second round's handler is asleep, or about to be
        CHECK(p.run());
        CHECK(done);
        CHECK(c.uprobe == nullptr);
        CHECK(c.running == 0);
        CHECK(c.hits <= 2);
        CHECK(p.machine.results.at(0) == 3);
        CHECK(later.waited_for_sleeper);
        CHECK(byte_at(p.mm(), kCode + kProbe) == 0xff);
    }

    TEST_CASE("a thread that is killed in a handler leaves the consumer free to go") {
        Consumer c;
        c.sleeping_handler = nap;
        std::vector<std::uint8_t> bytes = loop(3);
        bytes.resize(64, 0x90);
        for (std::uint8_t b : {0x0f, 0x0b}) bytes.push_back(b); // ud2 kills the process
        ProbedCode p(bytes);
        REQUIRE(p.add(c, kProbe) == 0);
        p.machine.thread();
        p.machine.thread(64);
        CHECK((p.machine.kernel.run().status & 0x7f) == sig::ill);
        CHECK(c.hits == 1);
        CHECK(c.running == 0);
        CHECK(c.uprobe->running == 0);
        CHECK(adds_up(p.first().truth));
        p.uprobes.remove_now(c);
        CHECK(c.uprobe == nullptr);
    }
}
