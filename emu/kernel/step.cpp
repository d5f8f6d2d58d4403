#include "emu/kernel/step.hpp"

#include <array>

namespace trapline {
namespace {
using namespace footprint;
using enum Price;

constexpr Charge no_price{};
constexpr Charge pays(Price once, Price each_other_cpu = Price::none) { return {once, each_other_cpu}; }

constexpr std::array kSteps = {
#define STEP(id, name, reads, writes, price, doc) StepInfo{name, reads, writes, price, doc},
#include "emu/kernel/steps.inc"
#undef STEP
};
static_assert(kSteps.size() == static_cast<std::size_t>(Step::count_));
} // namespace

const StepInfo& step_info(Step s) { return kSteps[static_cast<std::size_t>(s)]; }

std::optional<Step> step_by_name(std::string_view name) {
    for (std::size_t i = 0; i < kSteps.size(); ++i)
        if (kSteps[i].name == name) return static_cast<Step>(i);
    return std::nullopt;
}

std::span<const StepInfo> all_steps() { return kSteps; }

} // namespace trapline
