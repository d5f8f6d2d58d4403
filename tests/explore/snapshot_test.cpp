// A machine that is put back does the same again, whatever it did in between.
#include "emu/snapshot/arena.hpp"
#include "emu/snapshot/snapshot.hpp"
#include "scenarios/rig.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include <set>

using namespace trapline;

namespace {

/// Switches after every step, seeded.
class Restless final : public Policy {
  public:
    explicit Restless(std::uint64_t seed) : rng_(seed) {}
    void reseed(std::uint64_t seed) { rng_ = Rng(seed); }
    Choice pick(Scheduler& s) override {
        const Arena::Off off;
        const auto ready = s.ready_tasks();
        return {ready[rng_.below(ready.size())], 1 + rng_.below(200)};
    }
    bool switch_after_step(Scheduler&, const Task&, const Event&) override { return rng_.below(2) == 0; }

  private:
    Rng rng_;
};

/// A machine in the arena that has run until its second task is there.
struct Machine {
    RunRequest request;
    Restless policy{1};
    std::unique_ptr<Rig> rig;

    Machine(const std::string& guest, const std::string& strategy, const std::string& probe = ":hot") {
        request.program = std::string(TRAPLINE_GUESTS_DIR) + "/" + guest;
        request.capture_output = true;
        request.working_directory = "/";
        request.strategy = strategy;
        request.kernel = "uprobes-2010";
        ScenarioProbe p;
        p.spec = parse_probe_spec(probe).value();
        request.probes.push_back(p);
        const Arena::Use use;
        rig = std::make_unique<Rig>(request);
        const auto built = rig->set_up(&policy);
        REQUIRE_MESSAGE(built, (built ? std::string() : built.error().text()));
        while (rig->kernel().tasks().size() < 2) REQUIRE(!rig->kernel().turn());
    }

    /// Everything that one run from here on shows, in one text.
    std::string run(std::uint64_t seed) {
        policy.reseed(seed);
        Outcome outcome;
        {
            const Arena::Use use;
            outcome = rig->kernel().run();
        }
        const RunReport r = rig->report(outcome);
        std::string text = fmt::format("{:x} {} {} {} {} {} {}", r.log_hash, static_cast<int>(r.outcome), r.exit_code,
                                       r.signal, r.standard_output, r.virtual_cycles, r.instructions);
        for (const ProbeReport& p : r.probes) text += fmt::format(" {} {}", p.truth.executions, p.truth.missed);
        return text;
    }
};

std::size_t resident_pages() {
    std::ifstream in("/proc/self/statm");
    std::size_t all = 0, resident = 0;
    in >> all >> resident;
    return resident;
}

} // namespace

TEST_CASE("a machine that is put back runs as a fresh one does") {
    for (const auto& [guest, strategy] :
         {std::pair{"two-threads", "xol"}, {"two-threads", "inline"}, {"fork-hot", "inline"}}) {
        CAPTURE(guest);
        CAPTURE(strategy);
        Machine again(guest, strategy);
        Snapshot snapshot(again.rig->kernel());
        for (std::uint64_t seed = 0; seed < 20; ++seed) {
            const std::string there = again.run(seed);
            snapshot.restore();
            Machine fresh(guest, strategy);
            CHECK(fresh.run(seed) == there);
        }
    }
}

TEST_CASE("thousands of runs from a snapshot are the same the second time, with threads, fork, signals and exec") {
    constexpr std::uint64_t kSeeds = 1000;
    for (const auto& [guest, strategy] : {std::pair{"two-threads", "xol"},
                                          {"two-threads", "inline"},
                                          {"three-threads", "inline"},
                                          {"fork-hot", "xol"},
                                          {"fork-hot", "inline"},
                                          {"threads8", "xol"}}) {
        CAPTURE(guest);
        CAPTURE(strategy);
        const bool big = std::string_view(guest) == "threads8";
        Machine m(guest, strategy, big ? ":main" : ":hot");
        Snapshot snapshot(m.rig->kernel());
        std::vector<std::string> first;
        for (std::uint64_t seed = 0; seed < (big ? 20 : kSeeds); ++seed) {
            first.push_back(m.run(seed));
            snapshot.restore();
        }
        std::uint64_t different = 0;
        for (std::uint64_t seed = first.size(); seed-- > 0;) {
            different += m.run(seed) != first[seed] ? 1 : 0;
            snapshot.restore();
        }
        CHECK(different == 0);
        // The seeds are not all the same schedule.
        CHECK(std::set<std::string>(first.begin(), first.end()).size() > first.size() / 4);
    }
}

TEST_CASE("memory stays flat over many restores") {
    Machine m("two-threads", "inline");
    Snapshot snapshot(m.rig->kernel());
    std::size_t early = 0;
    for (std::uint64_t i = 0; i < 40'000; ++i) {
        m.run(i);
        snapshot.restore();
        if (i == 10'000) early = resident_pages();
    }
    CHECK(resident_pages() < early + 256);
    CHECK(snapshot.pages() < 100);
}
