// emu/kernel/cost.hpp: what the kernel's work costs in virtual time.
//
// Virtual time is instructions retired plus a price for every kernel step. The pieces of work that have a price are
// prices.inc, a table with a column for each machine that is built in; which piece a step pays for is a column of
// steps.inc. A profile is such a column, or a file (cost_file.hpp) written by hand or by `trapline calibrate`. Prices
// are nanoseconds; the machine adds them up in parts of a cycle, so that ten thousand hits cost what the sum of their
// prices says. Predictions made from a profile are labelled as such. Read next: prices.inc, docs/costs.md.
#pragma once

#include "emu/types.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace trapline {

/// A piece of kernel work that costs time.
enum class Price : std::uint8_t {
#define PRICE(id, name, a, b, c, doc) id,
#include "emu/kernel/prices.inc"
#undef PRICE
    count_,
    none = count_,
};
inline constexpr std::size_t kPrices = static_cast<std::size_t>(Price::count_);

struct PriceInfo {
    std::string_view name;
    std::string_view doc;
};
const PriceInfo& price_info(Price p);
std::optional<Price> price_by_name(std::string_view name);

/// What a step pays: one piece of work, and another for each further CPU of the machine.
struct Charge {
    Price once = Price::none;
    Price each_other_cpu = Price::none;
};

/// Work is counted in parts of a cycle, so that rounding does not add up.
inline constexpr unsigned kPartBits = 20;
using CycleParts = std::uint64_t;

struct CostProfile {
    std::string name;
    std::string source;
    std::uint64_t hz = 0;                             ///< cycles a second, to turn cycles into time
    std::array<std::uint64_t, kPrices> picoseconds{}; ///< by Price

    [[nodiscard]] std::uint64_t of(Price p) const {
        return p == Price::none ? 0 : picoseconds[static_cast<std::size_t>(p)];
    }
    [[nodiscard]] CycleParts parts(std::uint64_t ps) const;
    /// What a step with this charge costs on a machine with so many CPUs.
    [[nodiscard]] CycleParts parts(const Charge& c, unsigned cpus) const;
};

/// The machines that are built in; the first is the default.
std::span<const CostProfile> cost_profiles();
const CostProfile* cost_profile(std::string_view name);

} // namespace trapline
