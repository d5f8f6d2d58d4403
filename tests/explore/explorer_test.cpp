#include "scenarios/explore/explorer.hpp"
#include "tests/explore/race.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

std::uint64_t missed(const Finding& f) {
    return f.outcome.probes.at(0).counts[static_cast<std::size_t>(Metric::missed)];
}

/// The simplest finding that misses, or nullptr.
const Finding* simplest_miss(const Explored& e) {
    const Finding* best = nullptr;
    for (const Finding& f : e.result.findings)
        if (missed(f) > 0 && (best == nullptr || f.simpler(best->outcome.preemptions, best->switches))) best = &f;
    return best;
}

Explored search(const RunRequest& request, const ExploreSection& section = {}, unsigned jobs = 1) {
    SweepOptions options;
    options.jobs = jobs;
    auto e = explore(request, section, options);
    REQUIRE_MESSAGE(e, (e ? std::string() : e.error().text()));
    CHECK(e->lost == "");
    return *e;
}

/// All that a report would say.
std::string text(const Explored& e) {
    return to_json(e.result) + (e.complete ? " complete" : "") + (e.budget_ran_out ? " budget" : "") +
           std::to_string(e.covered) + " " + std::to_string(e.simplifying);
}

} // namespace

TEST_CASE("stepping inline misses with one preemption, and out of line never does") {
    // Seed 004, section 1.1: "another thread could sail right past the probepoint".
    const RunRequest request = race("two-threads", "inline", "uprobes-2010");
    const Explored in_place = search(request);
    CHECK(in_place.complete);
    const Finding* miss = simplest_miss(in_place);
    REQUIRE(miss != nullptr);
    CHECK(miss->outcome.preemptions == 1);
    CHECK(in_place.covered >= 1); // no order without preemption misses: they were all run

    const Explored copy = search(race("two-threads", "xol", "uprobes-2010"));
    CHECK(copy.complete);
    CHECK(simplest_miss(copy) == nullptr);
    CHECK(copy.result.findings.size() > 1);
}

TEST_CASE("every witness of a search replays: an ordinary run of its token ends the same") {
    for (const auto& [guest, strategy, kernel] :
         {std::array{"two-threads", "inline", "uprobes-2010"}, std::array{"two-threads", "xol", "linux-6.18"},
          std::array{"fork-hot", "xol", "linux-6.18"}}) {
        CAPTURE(guest);
        CAPTURE(strategy);
        RunRequest request = race(guest, strategy, kernel);
        const Explored e = search(request);
        CHECK_FALSE(e.result.findings.empty());
        for (const Finding& f : e.result.findings) {
            CAPTURE(f.token);
            request.schedule = parse_token(f.token).value();
            const auto report = run_program(request);
            REQUIRE(report);
            CHECK(report->detail == "");
            CHECK(report->token == f.token);
            CHECK(report->probes.at(0).truth.missed == missed(f));
            CHECK(report->probes.at(0).truth.hits ==
                  f.outcome.probes.at(0).counts[static_cast<std::size_t>(Metric::hits)]);
            CHECK(report->standard_output == f.outcome.standard_output);
            CHECK(report->exit_code == f.outcome.exit_code);
        }
    }
}

TEST_CASE("the result does not depend on how many processes searched") {
    // Large enough to be cut, twice: three threads.
    const RunRequest request = race("three-threads", "xol", "uprobes-2010");
    ExploreSection section;
    section.schedules = 12'000;
    const Explored alone = search(request, section, 1);
    CHECK(alone.budget_ran_out);
    CHECK_FALSE(alone.complete);
    CHECK(alone.result.runs() == 12'000);
    CHECK(text(search(request, section, 3)) == text(alone));

    const RunRequest smaller = race("two-threads", "inline", "linux-6.18", {"unregister"});
    section.preemptions = 3;
    const Explored bounded = search(smaller, section, 1);
    CHECK(bounded.result.runs() > 2'000); // otherwise it would not be cut
    CHECK(text(search(smaller, section, 2)) == text(bounded));

    section = {};
    section.method = ExploreSection::Method::random;
    section.runs = 2'500;
    CHECK(text(search(request, section, 2)) == text(search(request, section, 1)));
}

TEST_CASE("what was done is not done again, and shards come together to the whole") {
    const RunRequest request = race("two-threads", "inline", "linux-6.18", {"unregister"});
    ExploreSection section;
    section.preemptions = 3;
    const Explored whole = search(request, section);

    PartStore all;
    for (unsigned shard = 0; shard < 3; ++shard) {
        PartStore store;
        SweepOptions options;
        options.shard = shard;
        options.shards = 3;
        options.store = &store;
        const auto part = explore(request, section, options);
        REQUIRE(part);
        CHECK_FALSE(part->complete);
        CHECK(part->not_mine);
        const auto read = PartStore::read(store.json()); // as if it came from another machine
        REQUIRE(read);
        all.take(*read);
    }
    std::uint64_t done = 0;
    SweepOptions options;
    options.store = &all;
    options.part_done = [&] { ++done; };
    const auto joined = explore(request, section, options);
    REQUIRE(joined);
    CHECK(text(*joined) == text(whole));
    CHECK(done == 3); // the orders with no, one and two preemptions, which no shard has run
    done = 0;
    CHECK(text(*explore(request, section, options)) == text(whole));
    CHECK(done == 0);
}

TEST_CASE("a word that the kernel writes and the program reads is one word") {
    // A thread's exit clears the word that the other looks at before it waits: whether it makes the call depends on it.
    RunRequest request = race("returns", "xol", "fixed");
    request.args = {"migrate"};
    request.probes.front().spec = parse_probe_spec("r :half").value();
    const Explored e = search(request);
    CHECK(e.complete);
    CHECK(e.result.findings.size() == 2);
}

TEST_CASE("a program with one thread has one order") {
    const Explored e = search(race("one-hit", "inline", "linux-6.18"));
    CHECK(e.complete);
    CHECK(e.result.runs() == 1);
}

TEST_CASE("a search that cannot start says so") {
    ExploreSection section;
    section.from = parse_schedule_event("syscall mount").value();
    const RunRequest request = race("two-threads", "xol", "linux-6.18");
    const auto e = explore(request, section, {});
    REQUIRE_FALSE(e);
    CHECK(e.error().what.find("before the search could start") != std::string::npos);
}
