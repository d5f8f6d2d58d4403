#include "emu/kernel/cost.hpp"

#include <array>

namespace trapline {
namespace {
// 3 GHz: 0.31 us = 930 cycles = 640 trap + 150 lookup + 140 handler; stepping out of line adds 0.60 us = 1,800 cycles
// = 1,500 step trap + 3 times 100 for the slot.
constexpr std::array kProfiles = {
    CostProfile{"bare-metal", "nop5 series v4 (July 2025), a model", 3'000'000'000, 640, 1500, 1200, 210, 150, 140, 100,
                900, 300, 1500},
};
} // namespace

std::span<const CostProfile> cost_profiles() { return kProfiles; }

const CostProfile* cost_profile(std::string_view name) {
    for (const CostProfile& p : kProfiles)
        if (p.name == name) return &p;
    return nullptr;
}

} // namespace trapline
