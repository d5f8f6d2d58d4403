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
    Events(std::uint32_t pmu, std::vector<int> cpus) : pmu_(pmu), cpus_(std::move(cpus)) {}

    /// Adds a probe at `file`, a path that this process sees. 0 or the errno of its refusal.
    int add(const LiveProbe& probe, const std::string& file);
    /// Hits of the probe that was added as number `i`.
    [[nodiscard]] std::uint64_t hits(std::size_t i) const;

  private:
    std::uint32_t pmu_;
    std::vector<int> cpus_;
    std::vector<std::vector<Descriptor>> probes_;
};

} // namespace trapline::judge
