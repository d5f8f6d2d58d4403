#include "probes/dialect.hpp"

#include <array>
#include <cerrno>

namespace trapline {
namespace {
constexpr std::array kDialects = {
    Dialect{"uprobes-2010", "seed 004, sections 4 and 5", RuleSet::uprobes_2010, true, true, true, false, false,
            -EEXIST, true},
    Dialect{"linux-6.12", "Linux 6.12.117", RuleSet::linux_6_12, false, false, false, true, true, enotsupp, true},
    Dialect{"linux-6.18", "Linux 6.18.44, measured", RuleSet::linux_6_18, false, false, false, true, true, enotsupp,
            true},
    Dialect{"fixed", "linux-6.18 without its known defects", RuleSet::linux_6_18, false, false, false, true, true,
            enotsupp, false},
};
} // namespace

std::span<const Dialect> dialects() { return kDialects; }

const Dialect* dialect(std::string_view name) {
    for (const Dialect& d : kDialects)
        if (d.name == name) return &d;
    return nullptr;
}

} // namespace trapline
