// Jump-optimised probes: what handlers see and may change, what is refused, and what is left when the probe goes.
#include "boost/catalogue.hpp"
#include "scenarios/rig.hpp"

#include <deque>
#include <doctest/doctest.h>

using namespace trapline;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A guest with a probe on `hot`, ready to run.
struct Guest {
    explicit Guest(const char* program, const char* kernel = "linux-6.18", const char* at = ":hot") {
        request.program = std::string(TRAPLINE_GUESTS_DIR) + "/" + program;
        request.capture_output = true;
        request.strategy = "jump";
        request.kernel = kernel;
        request.cpus = 1;
        ScenarioProbe probe;
        probe.spec = parse_probe_spec(at).value();
        request.probes.push_back(probe);
        rig = std::make_unique<Rig>(request);
        REQUIRE(rig->set_up().has_value());
    }
    /// Another consumer of the same probe.
    Consumer& handler(std::function<void(HitContext&)> f) {
        Consumer& c = consumers.emplace_back();
        c.handler = std::move(f);
        const Uprobe& u = *rig->uprobes().all().at(0);
        CHECK(rig->uprobes().add_now(c, u.inode, u.offset) == 0);
        return c;
    }
    std::string run() {
        const RunReport r = rig->report(rig->kernel().run());
        truth = r.probes.at(0).truth;
        counters = r.counters;
        return r.standard_output;
    }

    RunRequest request;
    std::deque<Consumer> consumers;
    std::unique_ptr<Rig> rig;
    Truth truth;
    ProbeCounters counters;
};

} // namespace

TEST_SUITE("boost/jump") {

    TEST_CASE("a handler sees the registers of the probe point and changes them, by int3 and by jump") {
        Guest g("jump-text");
        std::vector<std::uint64_t> stack;
        g.handler([&](HitContext& c) {
            CHECK(c.get(Reg::rip) == c.address);
            std::uint64_t caller = 0;
            CHECK(c.memory().get(c.get(Reg::rsp), caller)); // the return address: in the guest's text
            CHECK(caller > c.address);
            stack.push_back(c.get(Reg::rsp));
            c.set(Reg::rdi, c.get(Reg::rdi) + 100);
        });
        CHECK(g.run() == "cc\ne9\ne9\n106 107\n");
        CHECK(g.truth.hits == 2);
        CHECK(g.truth.executions == 2);
        REQUIRE(stack.size() == 2);
        CHECK(stack[0] == stack[1]);
        CHECK(g.counters.breakpoint_traps == 1);
        CHECK(g.counters.step_traps == 0);
        CHECK(g.counters.fallbacks == 0);
    }

    TEST_CASE("where the thread goes on is the detour's, except in the dialect that has no defects") {
        for (const bool fixed : {false, true}) {
            CAPTURE(fixed);
            Guest g("jump-text", fixed ? "fixed" : "linux-6.18");
            g.handler([&](HitContext& c) {
                if (g.consumers[0].hits == 2) c.set(Reg::rip, c.address + 2); // skips mov %edi, %eax
                c.set(Reg::rax, 40);
            });
            CHECK(g.run() == (fixed ? "cc\ne9\ne9\n6 45\n" : "cc\ne9\ne9\n6 7\n"));
        }
    }

    TEST_CASE("a handler may unregister the probe in the detour, and the text is what it was") {
        Guest g("jump-text");
        g.handler([&](HitContext&) {
            if (g.consumers[0].hits < 2) return;
            g.rig->uprobes().remove_now(g.consumers[0]);
            const Uprobe& u = *g.rig->uprobes().all().at(0);
            for (Consumer* c : std::vector<Consumer*>(u.consumers))
                if (c != nullptr) g.rig->uprobes().remove_now(*c);
        });
        CHECK(g.run() == "cc\ne9\n89\n6 7\n");
        CHECK(g.rig->uprobes().all().at(0)->truth.hits == 2);
        CHECK(g.truth.missed == 0);
    }

    TEST_CASE(
        "no function, a call, a jump into the region: the hits are stepped out of line and counted as fallbacks") {
        // A relative call is no instruction that may move; `add` at the end of `behind` leaves no five bytes.
        Guest call("mixed-work", "linux-6.18", ":p_call");
        CHECK(call.run() == "954\n");
        CHECK(call.truth.hits == 12);
        CHECK(call.counters.fallbacks == 12);
        CHECK(call.counters.breakpoint_traps == 12);
        Guest into("mixed-work", "linux-6.18", ":p_jump"); // a conditional jump, and its target is near
        CHECK(into.run() == "954\n");
        CHECK(into.counters.fallbacks == 12);
        Guest pair("mixed-work", "linux-6.18", ":p_pair");
        CHECK(pair.run() == "954\n");
        CHECK(pair.counters.fallbacks == 0);
        CHECK(pair.truth.hits == 12);
    }

    TEST_CASE("a call returns through the detour's return probe") {
        Guest g("jump-text");
        Consumer& c = g.consumers.emplace_back();
        std::vector<std::uint64_t> results;
        c.on_return = true;
        c.handler = [&](HitContext& h) {
            if (h.returning) results.push_back(h.get(Reg::rax));
        };
        const Uprobe& u = *g.rig->uprobes().all().at(0);
        REQUIRE(g.rig->uprobes().add_now(c, u.inode, u.offset) == 0);
        CHECK(g.run() == "cc\ne9\ne9\n6 7\n");
        CHECK(results == std::vector<std::uint64_t>{6, 7});
    }
}
