#include "tools/calibrate/fit.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace trapline::calibrate {
namespace {

/// Prices in nanoseconds on their way into a profile.
class Prices {
  public:
    explicit Prices(double scale) : scale_(scale) {
        for (std::size_t i = 0; i < kPrices; ++i) {
            assumed_[i] = true;
            set_scaled(static_cast<Price>(i));
        }
    }
    void measured(Price p, double ns) {
        at(p) = std::max(ns, 0.0);
        assumed_[static_cast<std::size_t>(p)] = false;
    }
    double& at(Price p) { return ns_[static_cast<std::size_t>(p)]; }

    Fit fit() const {
        Fit f;
        for (std::size_t i = 0; i < kPrices; ++i) {
            constexpr double kPicoseconds = 1000;
            f.profile.picoseconds[i] = static_cast<std::uint64_t>(std::llround(ns_[i] * kPicoseconds));
            if (assumed_[i]) f.assumed.emplace_back(price_info(static_cast<Price>(i)).name);
        }
        return f;
    }

  private:
    void set_scaled(Price p) {
        constexpr double kPicoseconds = 1000;
        at(p) = static_cast<double>(cost_profiles().front().of(p)) / kPicoseconds * scale_;
    }
    double scale_;
    std::array<double, kPrices> ns_{};
    std::array<bool, kPrices> assumed_{};
};

} // namespace

Fit fit(const Hits& hits, const Machine& machine) {
    const double bare_call = static_cast<double>(cost_profiles().front().of(Price::syscall)) / 1000;
    Prices p(std::max(hits.system_call, 1.0) / bare_call);
    p.measured(Price::syscall, hits.system_call);

    // Small pieces of a hit must not add up to more than the hit.
    const double small = p.at(Price::lookup) + p.at(Price::task_work) + p.at(Price::emulation);
    const double fits = std::min(1.0, hits.emulated / 3 / small);
    for (const Price piece : {Price::lookup, Price::task_work, Price::emulation}) p.at(piece) *= fits;
    p.measured(Price::handler, std::clamp(hits.twice - hits.emulated, 1.0, hits.emulated / 3));
    p.measured(Price::breakpoint_trap, hits.emulated - p.at(Price::lookup) - p.at(Price::task_work) -
                                           p.at(Price::emulation) - p.at(Price::handler));
    const double slot = 2 * p.at(Price::slot) + p.at(Price::slot_write);
    p.measured(Price::step_trap, hits.stepped - hits.emulated + p.at(Price::emulation) - slot);
    p.measured(Price::trampoline, hits.called - hits.system_call - p.at(Price::lookup) - p.at(Price::handler));
    const double returning = hits.returned - hits.emulated - hits.system_call - p.at(Price::handler);
    const double entry = p.at(Price::return_entry), exit = p.at(Price::return_exit);
    p.measured(Price::return_entry, returning * entry / (entry + exit));
    p.measured(Price::return_exit, returning * exit / (entry + exit));

    p.measured(Price::page_fault, machine.page_fault);
    p.measured(Price::page_copy, machine.page_copy);
    p.measured(Price::tlb_flush, machine.protect / 2 - hits.system_call);
    if (machine.protect_beside > machine.protect)
        p.measured(Price::ipi, (machine.protect_beside - machine.protect) / 2);
    const double stopping = (machine.debugger_step - p.at(Price::step_trap) - 2 * hits.system_call) / 2;
    if (stopping > 0) p.measured(Price::thread_stop, stopping);

    Fit f = p.fit();
    f.profile.name = machine.name;
    f.profile.source = fmt::format("measured {} on {}, Linux {}", machine.date, machine.processor, machine.kernel);
    f.profile.hz = machine.hz;
    return f;
}

} // namespace trapline::calibrate
