#include "decoder/strategies.hpp"

#include "decoder/boostable.hpp"
#include "decoder/computed.hpp"
#include "decoder/emulated.hpp"
#include "decoder/fixup.hpp"
#include "decoder/flow.hpp"
#include "decoder/kernel_exec.hpp"

#include <algorithm>
#include <bit>

namespace trapline {
namespace {

constexpr uint8_t pushf = 1, syscall = 2, rep_string = 4, transaction = 8, rip_relative = 16, transfer = 32;
constexpr uint8_t emulated_2010 = 1, emulated_6_12 = 2, emulated_6_18 = 4, emulated_wrongly = 8, emulated_most = 16;
constexpr uint64_t page = 4096;

/// Whoever shifts the instruction pointer by the distance of the copy, and nothing else, puts these in a wrong place.
bool is_shifted_wrongly(Flow flow) {
    return flow == Flow::call || flow == Flow::call_indirect || flow == Flow::jump_indirect || flow == Flow::ret;
}

uint8_t quirks_of(const Outline& insn) {
    uint8_t out = 0;
    if (is_shifted_wrongly(flow(insn))) out |= transfer;
    if (insn.rip_relative) out |= rip_relative;
    if (insn.rep_string) out |= rep_string;
    if (insn.vector()) return out;
    if (insn.map == map::one_byte && insn.opcode == 0xc7 && insn.modrm == 0xf8) out |= transaction;
    const StepShows shows = step_shows(insn);
    if (shows == StepShows::in_pushed_flags) out |= pushf;
    if (shows == StepShows::after_syscall) out |= syscall;
    return out;
}

uint8_t emulated_bits(const KernelCopy& copy) {
    uint8_t out = 0;
    if (copy.bytes[0] == 0x90) out |= emulated_2010;
    const Emulation latest = emulated_by(copy, RuleSet::linux_6_18);
    if (latest.kind == Emulated::none) return out;
    out |= emulated_6_18;
    if (!latest.right()) out |= emulated_wrongly;
    if (latest.kind != Emulated::nop || emulated_by(copy, RuleSet::linux_6_12).kind != Emulated::none)
        out |= emulated_6_12;
    return out;
}

/// kprobes since 5.13: whatever changes ip is emulated, except where the target is in memory or in another segment.
/// Source: kprobes of 6.12.
Why copy_and_int3(const Outline& insn) {
    switch (flow(insn)) {
    case Flow::interrupt:
        return Why::leaves_the_copy;
    case Flow::jump_indirect:
    case Flow::call_indirect:
        return insn.opcode == 0xff && insn.mod() == 3 ? Why::none : Why::leaves_the_copy;
    case Flow::system: // comes back behind the copy; sysret and sysexit are privileged
    default:
        return Why::none;
    }
}

/// Source: DTrace's fasttrap for x86: it shares int3 with debuggers, and fears interrupts that return late.
Why fasttrap(const Outline& insn, bool two_segments) {
    if (two_segments) return Why::two_segments;
    const bool interrupt = insn.map == map::one_byte && !insn.vector() && (insn.opcode == 0xcc || insn.opcode == 0xcd);
    return interrupt ? Why::breakpoint : Why::none;
}

bool has_two_segments(uint16_t prefixes) {
    constexpr uint16_t segments = prefix::es | prefix::cs | prefix::ss | prefix::ds | prefix::fs | prefix::gs;
    return std::popcount(static_cast<uint16_t>(prefixes & segments)) > 1;
}

Why in_one_page(uint64_t address, uint64_t size) {
    return page - address % page < size ? Why::crosses_page : Why::none;
}

/// Source: uprobes of 6.18 takes any nop of five bytes: opcode 90 under prefixes, or 0f 1f /0.
Why nop5(const LinuxInsn& insn, uint64_t address) {
    const bool nop = insn.opcode_bytes == 1 && insn.first == 0x90;
    const bool long_nop = insn.opcode_bytes == 2 && insn.second == 0x1f && insn.shape.reg() == 0;
    if (insn.shape.length != 5 || !(nop || long_nop)) return Why::not_a_nop5;
    return in_one_page(address, 5);
}

/// Source: uprobes of 2026: the nop of assemblers alone, 66 2e 0f 1f 84 and its operand, which is what -0x80(%rsp) and
/// a call fit into.
Why nop10(const KernelCopy& copy, uint64_t address) {
    constexpr uint8_t head[] = {0x66, 0x2e, 0x0f, 0x1f, 0x84};
    if (copy.insn->shape.length != 10 || !std::equal(std::begin(head), std::end(head), copy.bytes.begin()))
        return Why::not_a_nop10;
    return in_one_page(address, 10);
}

Why always(const Facts&, RuleSet) { return Why::none; }
Why emulate(const Facts& f, RuleSet rules) {
    const uint8_t bit = rules == RuleSet::uprobes_2010 ? emulated_2010
                        : rules == RuleSet::linux_6_12 ? emulated_6_12
                                                       : emulated_6_18;
    return f.emulated & bit ? Why::none : Why::not_emulated;
}
Why emulate_most(const Facts& f, RuleSet) { return f.emulated & emulated_most ? Why::none : Why::not_emulated; }
Why boosted(const Facts& f, RuleSet rules) {
    return rules == RuleSet::uprobes_2010 ? f.boosted_2_6_32 : f.boosted_6_12;
}
Why as_posted(const Facts& f, RuleSet) { return f.quirks & rip_relative ? Why::rip_relative : Why::none; }

constexpr StrategyNeeds rows[] = {
    {"inline", always, true, false, false},
    {"inline-stop", always, true, false, false},
    {"inline-hwbp", always, true, false, false},
    {"inline-hwbp-lazy", always, true, false, false},
    {"stack", always, true, true, false},
    {"stack-as-posted", as_posted, true, true, false},
    {"xol", always, true, true, false},
    {"xol-owned", always, true, true, false},
    {"xol-page", always, true, true, false},
    {"xol-int3", [](const Facts& f, RuleSet) { return f.copy_and_int3; }, false, true, false},
    {"emulate", emulate, false, false, true},
    {"emulate-most", emulate_most, false, false, false},
    {"kernel-exec", [](const Facts& f, RuleSet) { return f.kernel_exec; }, false, false, false},
    {"kernel-exec-unchecked", [](const Facts& f, RuleSet) { return f.kernel_exec_unchecked; }, false, false, false},
    {"kernel-exec-cpl2", [](const Facts& f, RuleSet) { return f.kernel_exec_cpl2; }, false, false, false},
    {"boosted", boosted, false, true, false},
    {"fasttrap", [](const Facts& f, RuleSet) { return f.fasttrap; }, false, true, false},
    {"jump", [](const Facts& f, RuleSet) { return f.jump; }, false, true, false},
    {"nop5", [](const Facts& f, RuleSet) { return f.nop5; }, false, false, false},
    {"nop10", [](const Facts& f, RuleSet) { return f.nop10; }, false, false, false},
};

} // namespace

std::span<const StrategyNeeds> strategy_needs() { return rows; }

const StrategyNeeds* strategy_needs(std::string_view name) {
    for (const StrategyNeeds& row : rows)
        if (row.name == name) return &row;
    return nullptr;
}

Facts facts_of(const KernelCopy& copy, uint64_t address) {
    Facts out;
    out.refused_2010 = may_probe(copy, RuleSet::uprobes_2010).why;
    out.refused_linux = may_probe(copy, RuleSet::linux_6_18).why; // 6.12 refuses the same
    out.boosted_2_6_32 = boostable(copy, BoostRules::linux_2_6_32).refused;
    out.boosted_6_12 = boostable(copy, BoostRules::linux_6_12).refused;
    if (!copy.insn) return out;
    const Outline& insn = copy.insn->shape;
    out.emulated = emulated_bits(copy);
    if (computed(insn, copy.bytes) != Computed::none) out.emulated |= emulated_most;
    out.kernel_exec = kernel_exec(insn, KernelRing::ring0);
    out.kernel_exec_unchecked = kernel_exec(insn, KernelRing::ring0_unchecked);
    out.kernel_exec_cpl2 = kernel_exec(insn, KernelRing::ring2);
    out.copy_and_int3 = copy_and_int3(insn);
    out.fasttrap = fasttrap(insn, has_two_segments(insn.prefixes));
    out.nop5 = nop5(*copy.insn, address);
    out.nop10 = nop10(copy, address);
    out.quirks = quirks_of(insn);
    return out;
}

Why refused(const StrategyNeeds& strategy, const KernelRules& kernel, const Facts& facts) {
    const Why why = kernel.rules == RuleSet::uprobes_2010 ? facts.refused_2010 : facts.refused_linux;
    if (why != Why::none) {
        // The kernel that has nop10 lets this one instruction with a cs prefix pass.
        if (strategy.name != "nop10" || facts.nop10 != Why::none) return why;
    }
    const bool wrongly = facts.emulated & emulated_wrongly && kernel.rules != RuleSet::uprobes_2010;
    if (strategy.emulates && wrongly && !kernel.defects) return Why::not_emulated;
    return strategy.serves(facts, kernel.rules);
}

Why altered(const StrategyNeeds& strategy, const KernelRules& kernel, const Facts& facts) {
    if (strategy.emulates) {
        const bool wrongly = facts.emulated & emulated_wrongly && kernel.rules != RuleSet::uprobes_2010;
        return wrongly && kernel.defects ? Why::emulated_wrongly : Why::none;
    }
    // "TODO: need to fixup special instructions" (seed 003).
    if (facts.quirks & transfer && strategy.serves == as_posted) return Why::transfer_goes_astray;
    if (facts.quirks & syscall && strategy.copies && kernel.defects) return Why::copy_shows_in_rcx;
    if (facts.quirks & (syscall | pushf) && strategy.steps && kernel.defects) return Why::step_shows_in_flags;
    if (facts.quirks & transaction && strategy.copies) return Why::abort_goes_astray;
    if (facts.quirks & rep_string && strategy.steps) return Why::hit_per_iteration;
    return Why::none;
}

} // namespace trapline
