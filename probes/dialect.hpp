// probes/dialect.hpp: which kernel is being imitated, as data.
//
// The hit path and the strategies are one; what differs between the 2010 interface and today's kernels is which
// registrations are refused and how, what fork and exec do to probes, and what becomes of a page when its last probe
// goes (Linux 3.5 to 6.18). `fixed` is the newest kernel without its known defects.
#pragma once

#include "decoder/boostable.hpp"
#include "decoder/rules.hpp"
#include "probes/xol_area.hpp"

#include <span>
#include <string_view>

namespace trapline {

/// How a function that has returned into the trampoline gets into the kernel.
enum class ReturnTrap : std::uint8_t { breakpoint, system_call };

struct Dialect {
    std::string_view name;
    std::string_view source;
    RuleSet rules;
    /// One consumer per address; a second registration is EBUSY. Otherwise consumers share the uprobe.
    bool one_per_address;
    /// A probe belongs to one process: fork removes it in the child, exec and exit forget it.
    bool per_process;
    /// The probed place must be mapped when it is registered (EINVAL); otherwise the probe waits for a mapping.
    bool needs_mapping;
    /// After the last probe of a page, the page-cache frame is mapped again; otherwise the copy stays (seed 004 section
    /// 5).
    bool drops_copies;
    /// Writable private mappings are not probed (Linux: valid_vma).
    bool skips_writable;
    /// What an existing int3 in the *file* means: -524 today, EEXIST in 2010 ("refuse ... where a breakpoint already
    /// exists").
    int breakpoint_error;
    /// An int3 that somebody else wrote is taken for a probe's, where the file has one at that place (measured on
    /// Linux 6.18.44).
    bool adopts_breakpoints;
    /// pushf and syscall show the TF and the address of a step to the program (Linux up to 6.18 does not fix it).
    bool leaks_step;
    /// The step trap of a system call comes one instruction late (the kernel leaves by iret, which lets one instruction
    /// go before TF acts), so what stands behind the copy runs there, too. Measured on Linux 6.18.44.
    bool late_syscall_step;
    /// The XOL area is not in /proc/PID/maps: "simply not exporting the information" (seed 001).
    bool hides_area = false;
    [[nodiscard]] XolArea::Place area_place() const {
        return hides_area ? XolArea::Place::hidden_vma : XolArea::Place::vma;
    }
    /// Some instructions are emulated as what they are not (decoder/emulated.hpp).
    bool misreads_opcodes;

    // Return probes (returns.hpp).
    ReturnTrap return_trap;
    /// Pending returns of a thread; one more is silently not seen. 0: no limit.
    unsigned most_returns;
    /// Pending returns are found by the place of the return address, for all threads, and not by a thread's call order.
    bool returns_by_place;
    /// A consumer that registers while a call is open hears of its return, too.
    bool late_consumers;
    /// What a kernel of that time boosts (decoder/boostable.hpp); and whether kernel code can be preempted, where no
    /// kernel boosts (Linux 6.12: not when preemption is on).
    BoostRules boost;
    bool preemptible;
    /// fork gives the child the trampoline page that its text may call (6.18 does not: measured on Linux 6.18.44).
    bool copies_trampoline = false;
    /// What a handler does to RIP is ignored where a jump has replaced the breakpoint (kprobes: Documentation/trace).
    bool detour_keeps_rip = true;
    /// inline-hwbp waits until the debug register of every CPU is programmed before it lifts the int3.
    bool registers_first = false;
    /// Fetch arguments show every fault; otherwise numbers are 0, and some strings are those of other arguments.
    bool shows_faults = false;
};

std::span<const Dialect> dialects();
const Dialect* dialect(std::string_view name);

} // namespace trapline
