// probes/dialect.hpp: which kernel is being imitated, as data.
//
// The hit path and the strategies are one; what differs between the 2010 interface and today's kernels is which
// registrations are refused and how, what fork and exec do to probes, and what becomes of a page when its last probe
// goes (facts 3a and 3b). `fixed` is the newest kernel without its known defects.
#pragma once

#include "decoder/rules.hpp"

#include <span>
#include <string_view>

namespace trapline {

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
    /// Writable private mappings are not probed (facts 3a: which VMAs).
    bool skips_writable;
    /// What an existing int3 in the *file* means: -524 today, EEXIST in 2010 ("refuse ... where a breakpoint already
    /// exists").
    int breakpoint_error;
    /// pushf and syscall show the TF and the address of a step to the program (facts 4c: not fixed).
    bool leaks_step;
};

std::span<const Dialect> dialects();
const Dialect* dialect(std::string_view name);

} // namespace trapline
