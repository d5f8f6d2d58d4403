// Random schedules of a small threaded program: whatever the order of steps and instructions, it computes the same.
//
// TRAPLINE_SCHEDULES in the environment says how many for each strategy and kernel (10,000 by hand; fewer in CI).
#include "scenarios/run.hpp"

#include <array>
#include <cstdlib>
#include <doctest/doctest.h>

using namespace trapline;

namespace {

std::uint64_t schedules() {
    const char* wanted = std::getenv("TRAPLINE_SCHEDULES");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 60;
}

RunRequest mixed_work(const std::string& strategy, const std::string& kernel) {
    RunRequest r;
    r.program = std::string(TRAPLINE_GUESTS_DIR) + "/mixed-work";
    r.capture_output = true;
    r.strategy = strategy;
    r.kernel = kernel;
    r.limit = 10'000'000;
    for (const char* at : {":p_mov", ":p_nop5", ":p_push", ":p_lea", ":p_rip", ":p_call", ":p_nop10", ":p_pair",
                           ":p_test", ":p_jump", ":p_pop", ":p_ret", ":p_entry", ":p_store"}) {
        ScenarioProbe p;
        p.spec = parse_probe_spec(at).value();
        r.probes.push_back(p);
    }
    return r;
}

constexpr std::array kStrategies = {"boosted", "jump", "kernel-exec", "fasttrap", "stack"};
constexpr std::uint64_t kPasses = 12; // of each probe point: three threads, four rounds

void check_unharmed(const RunReport& r) {
    CHECK(r.outcome == Outcome::Kind::exited);
    CHECK(r.exit_code == 0);
    CHECK(r.signal == 0);
    CHECK(r.standard_output == "954\n");
    CHECK(r.leaked_frames == 0);
}

} // namespace

TEST_SUITE("boost/schedules") {

    TEST_CASE("no schedule changes what a probed program computes, and none loses a hit") {
        for (const char* strategy : kStrategies)
            for (const char* kernel : {"linux-6.18", "uprobes-2010"}) {
                RunRequest request = mixed_work(strategy, kernel);
                for (std::uint64_t seed = 1; seed <= schedules(); ++seed) {
                    request.schedule = SchedulePolicy(policy::Random{seed});
                    const Result<RunReport> r = run_program(request);
                    REQUIRE(r.has_value());
                    CAPTURE(r->token);
                    check_unharmed(*r);
                    for (const ProbeReport& p : r->probes) {
                        CAPTURE(p.spec);
                        if (p.state != ProbeReport::State::armed) continue; // what the kernel refuses
                        CHECK(p.truth.executions == kPasses);
                        CHECK(p.truth.missed == 0);
                        CHECK(p.truth.hits - p.truth.repeated == kPasses);
                    }
                }
            }
    }

    TEST_CASE("probes that come and go while the program runs leave it unharmed") {
        for (const char* strategy : kStrategies)
            for (const char* kernel : {"linux-6.18", "uprobes-2010"}) {
                RunRequest request = mixed_work(strategy, kernel);
                // Two tracers, each with probes of its own that it takes out and puts back twice.
                for (std::size_t first : {0u, 1u}) {
                    ScenarioTracer t;
                    for (unsigned round = 0; round < 2; ++round)
                        for (const bool registers : {false, true})
                            for (std::size_t i = first; i < request.probes.size(); i += 2)
                                t.steps.push_back({registers, i, ""});
                    request.tracers.push_back(t);
                }
                for (std::uint64_t seed = 1; seed <= schedules(); ++seed) {
                    request.schedule = SchedulePolicy(policy::Random{seed});
                    const Result<RunReport> r = run_program(request);
                    REQUIRE(r.has_value());
                    CAPTURE(r->token);
                    check_unharmed(*r);
                }
            }
    }
}
