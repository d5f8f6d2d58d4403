// scenarios/explore/space.hpp: what a search needs of the thing that it searches.
//
// A space is a machine at its start, with tasks that can be advanced one stretch at a time, and taken back to its
// start. Its behaviour depends on nothing but the order in which tasks are advanced.
// scenarios/explore/machine_space.hpp is the real one; tests search small ones that are written down, where every order
// can be enumerated. Read next: search.hpp.
#pragma once

#include "scenarios/explore/footprint.hpp"

#include <cstdint>

namespace trapline {

/// Tasks by number, 0 to 63, one bit each.
using TaskSet = std::uint64_t;
constexpr TaskSet only(unsigned task) { return TaskSet{1} << task; }

/// What advancing a task came to.
struct Stretch {
    Footprint footprint;    ///< sealed
    TaskSet made_ready = 0; ///< tasks that could not go on before and can now: what they do comes after this
};

class SearchSpace {
  public:
    virtual ~SearchSpace() = default;
    /// Back to the start.
    virtual void restart() = 0;
    /// The tasks that can go on; none: the run is over.
    virtual TaskSet ready() = 0;
    /// The task that ran last before the start, 64 for none: to go on with another is a preemption.
    [[nodiscard]] virtual unsigned holder() const { return 64; }
    /// Advances a ready task by one stretch; `record`, if not null and empty, receives what it came to.
    virtual void advance(unsigned task, Stretch* record) = 0;
};

} // namespace trapline
