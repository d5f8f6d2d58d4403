// The reduction on the real machine, against all orders; and tokens of a search, against ordinary runs.
#include "boost/catalogue.hpp"
#include "scenarios/explore/machine_space.hpp"
#include "scenarios/explore/search.hpp"
#include "tests/explore/race.hpp"

#include <array>
#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace trapline;

namespace {

/// What each task went through, as a number: its own steps in order, whatever came between them.
struct Histories {
    std::array<std::uint64_t, 64> of{};
    void note(const Event& e) {
        std::uint64_t& h = of[e.task % of.size()];
        // Numbers that are handed out in the order of asking (hits, frames) are left out: two orders that differ in
        // nothing else are the same to every task.
        const bool counted = e.step == Step::handler || e.step == Step::return_handler;
        for (std::uint64_t v : {static_cast<std::uint64_t>(e.step), counted ? 0 : e.object})
            h = (h ^ v) * 0x100000001b3 + 0x9e3779b9;
    }
    std::uint64_t sum() const {
        std::uint64_t s = 0;
        for (std::uint64_t h : of) s = s * 0x9e3779b97f4a7c15 + h;
        return s;
    }
};

class Watched final : public SearchSpace {
  public:
    Watched(RunRequest request, ExploreSection section) : request_(std::move(request)), section_(std::move(section)) {
        request_.log = [this](const Event& e, const Kernel&) { histories_.note(e); };
        auto built = MachineSpace::build(request_, section_);
        REQUIRE_MESSAGE(built, (built ? std::string() : built.error().text()));
        space_ = std::move(*built);
        restart();
    }
    void restart() override {
        space_->restart();
        histories_ = {};
    }
    TaskSet ready() override { return space_->ready(); }
    unsigned holder() const override { return space_->holder(); }
    void advance(unsigned task, Stretch* record) override { space_->advance(task, record); }

    /// How the run ended and what every task went through.
    std::uint64_t state() { return space_->fingerprint() ^ histories_.sum(); }
    MachineSpace& machine() { return *space_; }

  private:
    RunRequest request_;
    ExploreSection section_;
    std::unique_ptr<MachineSpace> space_;
    Histories histories_;
};

struct Found {
    std::set<std::uint64_t> states;
    SearchCounts counts;
    bool misses = false;
};

Found search(Watched& space, Reduction reduction, std::uint64_t runs) {
    space.restart();
    SearchLimits limits;
    limits.runs = runs;
    limits.longest = 2'000;
    Found found;
    Search s(space, reduction, limits);
    found.counts = s.go({}, [&](Search::Run run, const Search&) {
        if (run != Search::Run::complete) return true;
        if (found.states.insert(space.state()).second)
            for (const ProbeReport& p : space.machine().report().probes) found.misses |= p.truth.missed > 0;
        return true;
    });
    return found;
}

ExploreSection from(const std::string& event) {
    ExploreSection section;
    if (!event.empty()) section.from = parse_schedule_event(event).value();
    return section;
}

} // namespace

TEST_CASE("the reduction reaches every state that any order reaches, on small scenarios") {
    struct Small {
        std::string guest, kernel, from;
        std::vector<std::string> operations;
    };
    const std::vector<Small> kinds = {
        {"one-hit", "uprobes-2010", "", {"unregister"}}, {"one-hit", "uprobes-2010", "", {"register"}},
        {"one-hit", "linux-6.18", "", {"unregister"}},   {"one-hit", "linux-6.18", "", {"register"}},
        {"two-threads", "uprobes-2010", "resumed", {}},
    };
    constexpr std::uint64_t kMost = 4'000; // orders: what has more is not small
    std::uint64_t scenarios = 0, orders = 0, classes = 0;
    const std::vector<std::string> names = {"inline",
                                            "inline-stop",
                                            "inline-hwbp",
                                            "inline-hwbp-lazy",
                                            "stack",
                                            "stack-as-posted",
                                            "xol",
                                            "xol-owned",
                                            "xol-page",
                                            "xol-int3",
                                            "emulate",
                                            "kernel-exec",
                                            "boosted",
                                            "boosted-as-posted",
                                            "fasttrap",
                                            "jump",
                                            "jump-as-posted",
                                            "nop5",
                                            "nop10"};
    for (const std::string& strategy : names)
        for (const Small& small : kinds) {
            CAPTURE(strategy);
            CAPTURE(small.guest);
            CAPTURE(small.kernel);
            CAPTURE(small.operations);
            Watched space(race(small.guest, strategy, small.kernel, small.operations), from(small.from));
            const Found reduced = search(space, Reduction::classes, kMost);
            const Found all = search(space, Reduction::none, kMost);
            MESSAGE(strategy << " " << small.guest << " " << small.kernel << ": " << all.counts.complete << " "
                             << reduced.counts.complete << " " << all.states.size());
            if (!all.counts.exhausted) continue;
            CHECK(reduced.counts.exhausted);
            CHECK(reduced.states == all.states);
            CHECK(reduced.misses == all.misses);
            ++scenarios;
            orders += all.counts.complete;
            classes += reduced.counts.complete;
        }
    MESSAGE(scenarios << " scenarios, " << orders << " orders, " << classes << " classes");
    CHECK(scenarios >= 30);
    CHECK(classes * 4 < orders); // otherwise nothing was reduced
}
