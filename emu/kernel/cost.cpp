#include "emu/kernel/cost.hpp"

#include <algorithm>

namespace trapline {
namespace {

constexpr std::array kInfos = {
#define PRICE(id, name, a, b, c, doc) PriceInfo{name, doc},
#include "emu/kernel/prices.inc"
#undef PRICE
};
static_assert(kInfos.size() == kPrices);

/// Prices are written as nanoseconds with up to three decimals.
constexpr std::uint64_t picoseconds(double ns) { return static_cast<std::uint64_t>(ns * 1000 + 0.5); }

using Column = std::array<std::uint64_t, kPrices>;
constexpr Column kI686 = {
#define PRICE(id, name, a, b, c, doc) picoseconds(a),
#include "emu/kernel/prices.inc"
#undef PRICE
};
constexpr Column kX86_64 = {
#define PRICE(id, name, a, b, c, doc) picoseconds(b),
#include "emu/kernel/prices.inc"
#undef PRICE
};
constexpr Column kBareMetal = {
#define PRICE(id, name, a, b, c, doc) picoseconds(c),
#include "emu/kernel/prices.inc"
#undef PRICE
};

} // namespace

const PriceInfo& price_info(Price p) { return kInfos[static_cast<std::size_t>(p)]; }

std::optional<Price> price_by_name(std::string_view name) {
    for (std::size_t i = 0; i < kInfos.size(); ++i)
        if (kInfos[i].name == name) return static_cast<Price>(i);
    return std::nullopt;
}

CycleParts CostProfile::parts(std::uint64_t ps) const {
    __extension__ using Wide = unsigned __int128;
    constexpr Wide kSecond = 1'000'000'000'000;
    return static_cast<CycleParts>(((static_cast<Wide>(ps) * hz << kPartBits) + kSecond / 2) / kSecond);
}

CycleParts CostProfile::parts(const Charge& c, unsigned cpus) const {
    return parts(of(c.once)) + parts(of(c.each_other_cpu)) * (cpus - 1);
}

std::span<const CostProfile> cost_profiles() {
    static const std::array profiles = {
        CostProfile{"bare-metal", "nop5 series v4 (July 2025), a model", 3'000'000'000, kBareMetal},
        CostProfile{"i686-2010", "seed 004 section 6: Xeon 2.40 GHz, i686", 2'400'000'000, kI686},
        CostProfile{"x86_64-2010", "seed 004 section 6: Xeon X7350 2.93 GHz, x86_64", 2'930'000'000, kX86_64},
    };
    return profiles;
}

const CostProfile* cost_profile(std::string_view name) {
    const auto all = cost_profiles();
    const auto found = std::find_if(all.begin(), all.end(), [&](const CostProfile& p) { return p.name == name; });
    return found == all.end() ? nullptr : &*found;
}

} // namespace trapline
