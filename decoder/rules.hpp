// decoder/rules.hpp: which instructions a kernel refuses to probe, and with which error.
//
// A probe is refused when the kernel's own decoder does not know the instruction, or when its tables say that a copy of
// it must not run out of line. The tables are data (decoder/refusals.hpp); here is the order in which they are asked.
// Some refusals are surprising and true: `lock cmpxchg`, `notrack jmp` and the long nops of compilers have a prefix
// that is refused, and so are some AVX loads.
#pragma once

#include "decoder/linux_insn.hpp"
#include "decoder/why.hpp"

namespace trapline {

enum class RuleSet : uint8_t { uprobes_2010, linux_6_12, linux_6_18 };

/// Errors as a kernel returns them. ENOTSUPP is a number of the kernel's own that user space has no name for.
inline constexpr int enotsupp = -524, enoexec = -8, eperm = -1;

/// The answer for one instruction: 0, or a negative errno with the reason, whose words fit after "refused: ".
struct Verdict {
    int error = 0;
    Why why = Why::none;
    std::string_view reason;
};

/// May the instruction at the start of `bytes` be probed in a task of that width? Kernels look at 15 bytes or more:
/// what is missing at the end of a file counts as zeros. A kernel asks once for each uprobe, in the width of the task
/// that maps it first. Source: facts of Linux 6.12's source and scans of 6.18.44, in tasks of both widths.
Verdict may_probe(std::span<const uint8_t> bytes, RuleSet rules, Mode mode = Mode::k64);
Verdict may_probe(const KernelCopy& copy, RuleSet rules);

} // namespace trapline
