// two_runs: one process runs the same request again and again, and another in between; nothing may be left over.
//
//     two_runs ROOT PROGRAM PROBE
//
// What the guest sees must come from the request alone. A counter, a cache or an engine that survives a run would show
// here and in no test that starts a process for each run. Prints the hash of the log; exit code 1 when runs differ that
// should not, or do not differ although their schedules do.
#include "scenarios/run.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using namespace trapline;

RunReport must_run(const RunRequest& request) {
    Result<RunReport> report = run_program(request);
    if (report) return std::move(*report);
    std::fprintf(stderr, "two_runs: %s\n", report.error().text().c_str());
    std::exit(2);
}

int differences = 0;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAIL %s\n", what);
    ++differences;
}

void expect_same(const RunReport& a, const RunReport& b, const char* what) {
    expect(a.log_hash == b.log_hash && a.events == b.events, what);
    expect(a.instructions == b.instructions && a.virtual_cycles == b.virtual_cycles && a.token == b.token &&
               a.syscalls == b.syscalls && a.standard_output == b.standard_output,
           what);
    for (std::size_t i = 0; i < a.probes.size(); ++i)
        expect(a.probes[i].address == b.probes[i].address && a.probes[i].truth.hits == b.probes[i].truth.hits, what);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    RunRequest request;
    request.root = argv[1];
    request.program = argv[2];
    request.environment = {"PATH=/usr/bin:/bin", "HOME=/"};
    request.working_directory = "/";
    request.capture_output = true;
    request.cpus = 4;
    auto spec = parse_probe_spec(argv[3]);
    if (!spec) return 2;
    request.probes.push_back({std::move(*spec), true, 0});

    const RunReport first = must_run(request);
    expect(first.outcome == Outcome::Kind::exited && first.exit_code == 0, "the program ends with 0");
    expect(first.leaked_frames == 0, "no frame is in use when everything is gone");
    expect_same(first, must_run(request), "a second run in the same process is the first again");

    RunRequest other = request;
    other.strategy = "inline";
    other.schedule = SchedulePolicy(policy::Random{7});
    other.seed = 7;
    const RunReport in_between = must_run(other);
    expect(in_between.log_hash != first.log_hash, "another schedule gives another log");
    expect_same(first, must_run(request), "a run after a different one is the first again");
    expect_same(in_between, must_run(other), "the different one is itself again");
    std::printf("%016llx\n", static_cast<unsigned long long>(first.log_hash));
    return differences == 0 ? 0 : 1;
}
