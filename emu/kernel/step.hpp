// emu/kernel/step.hpp: the names, footprints and prices of kernel steps, from steps.inc.
//
// Read next: steps.inc, which is the list, and emu/kernel/path.hpp, which says how a kernel path takes a step.
#pragma once

#include "emu/kernel/cost.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace trapline {

/// What a step touches. One bit a kind of object; the event's object (an address, a slot number) tells instances apart.
namespace footprint {
inline constexpr std::uint16_t none = 0, registers = 1, text = 2, uprobes = 4, consumers = 8, slots = 16,
                               slot_text = 32, frames = 64, memory = 128, everything = 0xffff;
}

enum class Step : std::uint8_t {
#define STEP(id, name, reads, writes, price, doc) id,
#include "emu/kernel/steps.inc"
#undef STEP
    count_,
};

struct StepInfo {
    std::string_view name;
    std::uint16_t reads;
    std::uint16_t writes;
    Charge price;
    std::string_view doc;
};

const StepInfo& step_info(Step s);
std::optional<Step> step_by_name(std::string_view name);
std::span<const StepInfo> all_steps();

/// Raised whenever a step is added, removed or reordered: a token is good for one model only (INTERFACES: tokens).
inline constexpr unsigned kModelVersion = 8;

} // namespace trapline
