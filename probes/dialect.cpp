#include "probes/dialect.hpp"

#include <array>
#include <cerrno>

namespace trapline {
namespace {

constexpr Dialect k2010 = {
    .name = "uprobes-2010",
    .source = "seed 004, sections 4 and 5",
    .rules = RuleSet::uprobes_2010,
    .one_per_address = true,
    .per_process = true,
    .needs_mapping = true,
    .drops_copies = false,
    .skips_writable = false,
    .breakpoint_error = -EEXIST,
    .adopts_breakpoints = false,
    .leaks_step = true,
    .late_syscall_step = false,
    .misreads_opcodes = true,
    // Return probes are item d of its list of things to do; this is how utrace's uprobes had them.
    .return_trap = ReturnTrap::breakpoint,
    .most_returns = 64,
    .returns_by_place = false,
    .late_consumers = true,
    .boost = BoostRules::linux_2_6_32,
    .preemptible = false,
};

constexpr Dialect kLinux6_12 = {
    .name = "linux-6.12",
    .source = "Linux 6.12.117",
    .rules = RuleSet::linux_6_12,
    .one_per_address = false,
    .per_process = false,
    .needs_mapping = false,
    .drops_copies = true,
    .skips_writable = true,
    .breakpoint_error = enotsupp,
    .adopts_breakpoints = true,
    .leaks_step = true,
    .late_syscall_step = true,
    .misreads_opcodes = true,
    .return_trap = ReturnTrap::system_call,
    .most_returns = 64,
    .returns_by_place = false,
    .late_consumers = true,
    .boost = BoostRules::linux_6_12,
    .preemptible = true, // PREEMPT_DYNAMIC, as distributions build it
};

constexpr Dialect linux_6_18() {
    Dialect d = kLinux6_12;
    d.name = "linux-6.18";
    d.source = "Linux 6.18.44, measured";
    d.rules = RuleSet::linux_6_18;
    d.late_consumers = false;
    return d;
}

constexpr Dialect fixed() {
    Dialect d = linux_6_18();
    d.name = "fixed";
    d.source = "linux-6.18 without its known defects";
    d.adopts_breakpoints = false;
    d.leaks_step = false;
    d.late_syscall_step = false;
    d.misreads_opcodes = false;
    // A breakpoint and not a call: between the instructions that lead to a call, signals would show the trampoline.
    d.return_trap = ReturnTrap::breakpoint;
    d.most_returns = 0;
    d.returns_by_place = true;
    d.copies_trampoline = true;
    d.detour_keeps_rip = false;
    d.registers_first = true;
    d.shows_faults = true;
    return d;
}

constexpr Dialect hidden_2010() {
    Dialect d = k2010;
    d.name = "uprobes-2010-hidden";
    d.source = "seed 001: the same with the XOL area kept out of /proc";
    d.hides_area = true;
    return d;
}

constexpr std::array kDialects = {k2010, hidden_2010(), kLinux6_12, linux_6_18(), fixed()};

} // namespace

std::span<const Dialect> dialects() { return kDialects; }

const Dialect* dialect(std::string_view name) {
    for (const Dialect& d : kDialects)
        if (d.name == name) return &d;
    return nullptr;
}

} // namespace trapline
