// decoder/strategies.hpp: what each probing strategy needs of an instruction.
//
// The names are those of DESIGN.md's table. Every strategy needs that the kernel lets the probe be registered
// (decoder/rules.hpp); the rest is asked here. A strategy that falls back to a step for what it cannot serve itself
// (emulate, boosted, jump, nop5, nop10) is said to serve only what it serves without: that is what one wants to know of
// it. The answers for one instruction are Facts, which fit into two words, so that a program of a million instructions
// has some hundred different ones: count them, then ask. Read next: the table in the .cpp.
#pragma once

#include "decoder/rules.hpp"

#include <bit>
#include <compare>

namespace trapline {

/// A kernel as far as the rules of this room know it.
struct KernelRules {
    RuleSet rules = RuleSet::linux_6_18;
    bool defects = true; ///< those that its releases are known for; the `fixed` dialect has none

    bool operator==(const KernelRules&) const = default;
};

/// What is known of one instruction, without regard to a strategy or a kernel.
struct Facts {
    Why refused_2010 = Why::none, refused_linux = Why::none;
    uint8_t emulated = 0; ///< bit 0: around 2010, 1: 6.12, 2: 6.18; bit 3: by those two wrongly; bit 4: by emulate-most
    Why boosted_2_6_32 = Why::none, boosted_6_12 = Why::none;
    Why kernel_exec = Why::none, kernel_exec_unchecked = Why::none, kernel_exec_cpl2 = Why::none;
    Why copy_and_int3 = Why::none;
    Why fasttrap = Why::none;
    Why nop5 = Why::not_a_nop5, nop10 = Why::not_a_nop10;
    Why jump = Why::no_function; ///< for who knows the function to fill in: FunctionMap::jump_region
    uint8_t quirks = 0;          ///< what shows when it is stepped or copied
    uint16_t unused = 0;

    auto operator<=>(const Facts&) const = default;
};
static_assert(sizeof(Facts) == 16);

/// The facts of the instruction that the kernel would copy from `address` (only its place in the page counts).
Facts facts_of(const KernelCopy& copy, uint64_t address);

/// One row: a strategy, and what it asks of the facts.
struct StrategyNeeds {
    std::string_view name;
    /// Beyond registration: none, or why the strategy does not serve the instruction itself.
    Why (*serves)(const Facts& facts, RuleSet rules);
    bool steps;  ///< with TF, by itself
    bool copies; ///< the instruction runs at another address
    bool emulates;
};

/// In the order of DESIGN.md's table.
std::span<const StrategyNeeds> strategy_needs();
const StrategyNeeds* strategy_needs(std::string_view name);

/// Can the strategy probe the instruction under this kernel? None, or why not: registration first.
Why refused(const StrategyNeeds& strategy, const KernelRules& kernel, const Facts& facts);
/// Of one that it can: what the program would see, or none.
Why altered(const StrategyNeeds& strategy, const KernelRules& kernel, const Facts& facts);

} // namespace trapline
