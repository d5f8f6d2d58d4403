#include "scenarios/outcome.hpp"

#include <fmt/format.h>

namespace trapline {

RunOutcome outcome_of(const RunRequest& request, const RunReport& report) {
    RunOutcome run;
    run.exit_code = report.exit_code;
    run.signal = report.signal;
    run.standard_output = report.standard_output;
    run.preemptions = report.preemptions;
    if (report.diverged) {
        run.status = RunStatus::diverged;
        run.status_detail = report.detail;
    } else if (report.outcome == Outcome::Kind::limit) {
        run.status = RunStatus::limit;
        run.status_detail = fmt::format("reached its limit of {} instructions", request.limit);
    } else if (report.outcome == Outcome::Kind::deadlock) {
        run.status = RunStatus::deadlock;
        run.status_detail = "never ends: " + report.detail;
    } else if (report.outcome != Outcome::Kind::exited) {
        run.status = RunStatus::limit;
        run.status_detail = "was interrupted";
    }
    for (const ProbeReport& probe : report.probes)
        run.probes.push_back(
            {{probe.truth.executions, probe.truth.hits, probe.truth.missed, probe.truth.repeated}, probe.error_number});
    const ProbeCounters& counters = report.counters;
    // In the order of kMetricNames.
    run.counters = {counters.breakpoint_traps,
                    counters.step_traps,
                    counters.text_writes,
                    counters.pages_copied,
                    counters.xol_slots_used,
                    counters.ipis,
                    report.syscalls,
                    run.status == RunStatus::deadlock ? 1u : 0u,
                    report.signal != 0 ? 1u : 0u,
                    report.broken.empty() ? 0u : 1u,
                    report.leaked_frames};
    run.broken = report.broken;
    return run;
}

} // namespace trapline
