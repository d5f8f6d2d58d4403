// tools/judge/events.hpp: probes of the live kernel as perf events.
//
// One event for each probe and CPU; an event is a descriptor, and the probe goes when the last one is closed. Closing
// takes the kernel a grace period, some tens of milliseconds, one after the other.
#pragma once

#include "emu/result.hpp"
#include "tools/judge/descriptor.hpp"
#include "tools/judge/live.hpp"

#include <cstdint>
#include <vector>

namespace trapline::judge {

/// The number of the `uprobe` PMU on this kernel.
Result<std::uint32_t> uprobe_pmu();

/// Whether this process may open events at all: 0 or the errno.
int try_event(std::uint32_t pmu);

class Events {
  public:
    Events(std::uint32_t pmu, std::vector<int> cpus, std::size_t probes)
        : pmu_(pmu), cpus_(std::move(cpus)), probes_(probes), hits_before_(probes) {}

    /// Arms probe number `i` at `file`, a path that this process sees. 0 or the errno of its refusal.
    int arm(std::size_t i, const LiveProbe& probe, const std::string& file);
    void disarm(std::size_t i);
    /// Hits of probe number `i` so far.
    [[nodiscard]] std::uint64_t hits(std::size_t i) const;

  private:
    std::uint32_t pmu_;
    std::vector<int> cpus_;
    std::vector<std::vector<Descriptor>> probes_;
    std::vector<std::uint64_t> hits_before_; // it was disarmed
};

} // namespace trapline::judge
