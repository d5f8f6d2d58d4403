// probes/space.hpp: what uprobes keeps for one address space.
#pragma once

#include "probes/open_calls.hpp"
#include "probes/returns.hpp"
#include "probes/text_page.hpp"
#include "probes/uprobe.hpp"
#include "probes/xol_area.hpp"

#include <map>
#include <memory>
#include <unordered_map>

namespace trapline {

struct Space {
    Mm* mm = nullptr;
    std::unordered_map<Addr, Site> sites;
    Site* last = nullptr; ///< the site that was asked for last; forgotten when sites change
    std::map<Addr, std::unique_ptr<TextPage>> pages;
    std::vector<Uprobe*> uncounted; ///< armed, and where their counters will be nothing is mapped yet

    // Return probes.
    Addr trampoline = 0;                ///< where functions return to instead; 0: not set up
    std::unique_ptr<XolArea> area;      ///< for the trampoline, when the strategy has none
    std::vector<PendingReturn> pending; ///< in a dialect that keys them by place
    OpenCalls calls;
};

} // namespace trapline
