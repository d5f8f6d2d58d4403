// tools/hits.hpp: which records belong to one hit: from the trap to the step that sends the thread on.
#pragma once

#include "scenarios/record.hpp"

#include <span>
#include <vector>

namespace trapline {

struct HitSpan {
    std::size_t first = 0, last = 0; ///< indices of the trap and of the last step
    Addr place = 0;
    std::uint32_t serial = 0; ///< of the task
    bool ended = false;       ///< by resumption, restart or abort; false: the thread was taken away in the middle
};

/// In the order in which they began.
[[nodiscard]] std::vector<HitSpan> find_hits(std::span<const Record> records);

} // namespace trapline
