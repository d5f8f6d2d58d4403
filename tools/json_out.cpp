#include "tools/json_out.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

std::string written(const Json& document) {
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// A program that was not allowed to end has neither an exit code nor a signal.
Json ending(const RunReport& report) {
    if (report.diverged) return {{"stopped", "diverged"}};
    switch (report.outcome) {
    case Outcome::Kind::limit:
        return {{"stopped", "limit"}};
    case Outcome::Kind::deadlock:
        return {{"stopped", "deadlock"}};
    case Outcome::Kind::stopped:
        return {{"stopped", "interrupted"}};
    case Outcome::Kind::exited:
        break;
    }
    if (report.signal != 0) return {{"signal", report.signal}};
    return {{"code", report.exit_code}};
}

} // namespace

std::string_view to_string(ProbeReport::State state) {
    switch (state) {
    case ProbeReport::State::armed:
        return "armed";
    case ProbeReport::State::pending:
        return "pending";
    case ProbeReport::State::refused:
        break;
    }
    return "refused";
}

std::string json_string(std::string_view text) {
    return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string run_json(const RunRequest& request, const std::string& schedule, const RunReport& report) {
    Json document = {{"schema", 1},
                     {"command", "run"},
                     {"program", report.program},
                     {"strategy", request.strategy},
                     {"kernel", request.kernel},
                     {"cpus", request.cpus},
                     {"seed", request.seed},
                     {"schedule", schedule},
                     {"token", report.token},
                     {"log_hash", fmt::format("{:016x}", report.log_hash)},
                     {"exit", ending(report)},
                     {"virtual_cycles", report.virtual_cycles},
                     {"instructions", report.instructions},
                     {"threads", report.threads},
                     {"processes", report.processes},
                     {"probes", Json::array()}};
    for (const ProbeReport& probe : report.probes) {
        document["probes"].push_back({{"spec", probe.spec},
                                      {"address", probe.address},
                                      {"kind", probe.is_return ? "return" : "entry"},
                                      {"executions", probe.truth.executions},
                                      {"hits", probe.truth.hits},
                                      {"missed", probe.truth.missed},
                                      {"repeated", probe.truth.repeated},
                                      {"status", to_string(probe.state)},
                                      {"errno", probe.error_number}});
        if (probe.fetched.empty()) continue;
        Json fetched = Json::array();
        for (const Fetched& f : probe.fetched)
            fetched.push_back({{"tid", f.tid}, {"cpu", f.cpu}, {"nanoseconds", f.nanoseconds}, {"values", f.values}});
        document["probes"].back()["fetched"] = std::move(fetched);
        document["probes"].back()["not_kept"] = probe.not_kept;
    }
    const ProbeCounters& counters = report.counters;
    document["counters"] = {{"breakpoint_traps", counters.breakpoint_traps},
                            {"step_traps", counters.step_traps},
                            {"text_writes", counters.text_writes},
                            {"pages_copied", counters.pages_copied},
                            {"xol_slots_used", counters.xol_slots_used},
                            {"ipis", counters.ipis},
                            {"syscalls", report.syscalls},
                            {"vmas_added", counters.vmas_added},
                            {"restarts", counters.restarts}};
    document["cost"] = request.cost;
    document["events"] = report.events;
    document["leaked_frames"] = report.leaked_frames;
    document["detail"] = report.detail;
    document["warnings"] = report.warnings;
    return written(document);
}

std::string compare_json(const std::vector<CompareRow>& rows) {
    Json document = {{"schema", 1}, {"command", "compare"}, {"rows", Json::array()}};
    for (const CompareRow& row : rows) {
        Json out = {{"strategy", row.strategy},
                    {"executions", row.total(Count::executions)},
                    {"hits", row.total(Count::hits)},
                    {"missed", row.total(Count::missed)},
                    {"repeated", row.total(Count::repeated)},
                    {"verdict", row.verdict},
                    {"traps_per_hit", row.per_hit(Count::traps)},
                    {"cycles_per_hit", row.per_hit(Count::cycles)},
                    {"pages_copied", row.total(Count::pages)},
                    {"vmas_added", row.total(Count::vmas)},
                    {"notes", row.notes},
                    {"traps", row.total(Count::traps)},
                    {"cycles", row.total(Count::cycles)},
                    {"text_writes", row.total(Count::text_writes)},
                    {"ipis", row.total(Count::ipis)},
                    {"restarts", row.total(Count::restarts)},
                    {"fallbacks", row.total(Count::fallbacks)},
                    {"instructions", row.total(Count::instructions)},
                    {"virtual_cycles", row.total(Count::total_cycles)},
                    {"runs", row.runs},
                    {"runs_with_miss", row.runs_with_miss},
                    {"noticed", row.noticed},
                    {"token", row.token}};
        // In millionths, because numbers are whole.
        if (row.probeable) out["probeable_ppm"] = std::llround(*row.probeable * 1e6);
        for (const auto& [profile, cost] : row.nanoseconds_per_hit)
            out["nanoseconds_per_hit"][profile] = std::llround(cost.mean());
        if (row.runs > 1) {
            const auto extremes = [](const Spread& s) {
                return Json::array({std::llround(s.least), std::llround(s.most)});
            };
            out["spread"] = {{"executions", extremes(row[Count::executions])},
                             {"hits", extremes(row[Count::hits])},
                             {"missed", extremes(row[Count::missed])},
                             {"repeated", extremes(row[Count::repeated])},
                             {"traps_per_hit", extremes(row.traps_per_hit)},
                             {"cycles_per_hit", extremes(row.cycles_per_hit)},
                             {"virtual_cycles", extremes(row[Count::total_cycles])}};
        }
        document["rows"].push_back(std::move(out));
    }
    return written(document);
}

} // namespace trapline
