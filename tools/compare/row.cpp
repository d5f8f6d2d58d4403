#include "tools/compare/row.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

/// Hits and virtual cycles between trap and resumption, over all probes.
std::pair<std::uint64_t, Cycles> hits_of(const RunReport& report) {
    std::pair<std::uint64_t, Cycles> sum{};
    for (const ProbeReport& probe : report.probes) {
        sum.first += probe.truth.hits;
        sum.second += probe.truth.cycles;
    }
    return sum;
}

} // namespace

void Spread::add(double value) {
    least = runs == 0 ? value : std::min(least, value);
    most = runs == 0 ? value : std::max(most, value);
    sum += value;
    ++runs;
}

std::uint64_t CompareRow::per_hit(Count c) const {
    const std::uint64_t hits = total(Count::hits);
    return hits == 0 ? 0 : (total(c) + hits / 2) / hits;
}

void CompareRow::add(const RunReport& report) {
    const auto put = [this](Count c, std::uint64_t value) {
        counts[static_cast<std::size_t>(c)].add(static_cast<double>(value));
    };
    Truth truth;
    for (const ProbeReport& probe : report.probes) {
        truth.executions += probe.truth.executions;
        truth.hits += probe.truth.hits;
        truth.missed += probe.truth.missed;
        truth.repeated += probe.truth.repeated;
        truth.cycles += probe.truth.cycles;
        if (probe.state == ProbeReport::State::refused)
            add_note(fmt::format("{} was refused with errno {}", probe.spec, probe.error_number));
    }
    const ProbeCounters& c = report.counters;
    const std::uint64_t traps = c.breakpoint_traps + c.step_traps;
    put(Count::executions, truth.executions);
    put(Count::hits, truth.hits);
    put(Count::missed, truth.missed);
    put(Count::repeated, truth.repeated);
    put(Count::traps, traps);
    put(Count::cycles, truth.cycles);
    put(Count::text_writes, c.text_writes);
    put(Count::pages, c.pages_copied);
    put(Count::vmas, c.vmas_added);
    put(Count::slots, c.xol_slots_used);
    put(Count::ipis, c.ipis);
    put(Count::restarts, c.restarts);
    put(Count::fallbacks, c.fallbacks);
    put(Count::instructions, report.instructions);
    put(Count::total_cycles, report.virtual_cycles);
    if (truth.hits > 0) {
        traps_per_hit.add(static_cast<double>(traps) / static_cast<double>(truth.hits));
        cycles_per_hit.add(static_cast<double>(truth.cycles) / static_cast<double>(truth.hits));
    }
    if (runs == 0 || (truth.missed > 0 && runs_with_miss == 0)) token = report.token;
    ++runs;
    if (truth.missed > 0) ++runs_with_miss;
    if (truth.repeated > 0) ++runs_with_repeat;
}

void CompareRow::add_cost(const std::string& profile, std::uint64_t hz, const RunReport& report) {
    const auto [hits, cycles] = hits_of(report);
    Spread& cost = nanoseconds_per_hit[profile];
    if (hits > 0) cost.add(static_cast<double>(cycles) * 1e9 / static_cast<double>(hz) / static_cast<double>(hits));
}

void CompareRow::add_note(std::string note) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

void CompareRow::settle(bool diverged, bool limited, bool endless, bool refused) {
    comparable = !diverged && !limited && !endless && !refused && total(Count::executions) > 0;
    const auto seen = [this](std::string_view what, Count count, std::uint64_t in_runs) {
        return runs == 1 ? fmt::format("{} {}", what, total(count))
                         : fmt::format("{} in {} of {}", what, in_runs, runs);
    };
    verdict = diverged                        ? "diverged"
              : limited                       ? "limit reached"
              : endless                       ? "never ends"
              : refused                       ? "refused"
              : runs_with_miss > 0            ? seen("missed", Count::missed, runs_with_miss)
              : runs_with_repeat > 0          ? seen("repeated", Count::repeated, runs_with_repeat)
              : total(Count::executions) == 0 ? "not executed"
                                              : "no miss";
}

} // namespace trapline
