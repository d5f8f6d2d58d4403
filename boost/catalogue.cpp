#include "boost/catalogue.hpp"

#include "boost/boosted.hpp"
#include "boost/emulate_most.hpp"
#include "boost/fasttrap.hpp"
#include "boost/jump.hpp"
#include "boost/kernel_exec.hpp"
#include "boost/nops.hpp"

#include <array>

namespace trapline {
namespace {
constexpr std::array kStrategies = {
    StrategyInfo{"inline", "lift the int3, single-step in place, put it back", "seeds 003 and 004", make_inline},
    StrategyInfo{"inline-stop", "the same with every other thread of the process stopped meanwhile", "seed 000",
                 make_inline_stop},
    StrategyInfo{"inline-hwbp", "in place, with debug registers closing the gap", "seed 001", make_inline_hwbp},
    StrategyInfo{"inline-hwbp-lazy", "the same, and int3 goes back only when the register is needed", "seed 001",
                 make_inline_hwbp_lazy},
    StrategyInfo{"stack", "single-step a copy in the free stack space below the red zone",
                 "seed 003, as its text has it", make_stack},
    StrategyInfo{"stack-as-posted", "the patch of 2005: the copy overwrites what lies above the stack pointer",
                 "seed 003, as its code has it", make_stack_as_posted},
    StrategyInfo{"xol", "single-step a copy in a slot of the XOL area, a slot per hit", "seed 004; Linux since 3.5",
                 make_xol},
    StrategyInfo{"emulate", "the kernel computes what it can of nops, branches and pushes; the rest as xol",
                 "seed 000; Linux since 3.16", make_emulate},
    StrategyInfo{"emulate-most", "the same with moves, arithmetic, strings, branches, and a nested CPU for SSE",
                 "seed 000", make_emulate_most},
    StrategyInfo{"xol-owned", "single-step a copy in a slot of the probe point's own, stolen when all are taken",
                 "seed 004; utrace's uprobes, 2006 to 2012", make_xol_owned},
    StrategyInfo{"xol-page", "single-step a copy in a reserved page that no mapping shows", "seed 001", make_xol_page},
    StrategyInfo{"xol-int3", "run a copy that is followed by int3, without TF",
                 "kprobes of Linux 5.13; for user space new", make_xol_int3},
    StrategyInfo{"kernel-exec", "the kernel runs a copy, if the addresses that it touches are the program's",
                 "seed 000", make_kernel_exec},
    StrategyInfo{"kernel-exec-unchecked", "the same unchecked: a wild pointer reaches the kernel's memory", "seed 000",
                 make_kernel_exec_unchecked},
    StrategyInfo{"kernel-exec-cpl2", "the same in ring 2, which protects no page", "seed 001", make_kernel_exec_cpl2},
    StrategyInfo{"boosted", "a copy that ends in a jump back: no step trap", "seed 002; Linux 2.6.17 for kprobes",
                 make_boosted},
    StrategyInfo{"boosted-as-posted", "the booster of 2005: its list, and a wait that user code walks around",
                 "seed 002", make_boosted_as_posted},
    StrategyInfo{"fasttrap", "emulate the common few, run the rest in scratch space of the thread's own",
                 "DTrace, Solaris 10, 2005", make_fasttrap},
    StrategyInfo{"jump", "a jump to a detour replaces five or more bytes: no trap",
                 "djprobe 2007; Linux 2.6.34 for kprobes", make_jump},
    StrategyInfo{"jump-as-posted", "the same with a wait that user code walks around", "djprobe 2007",
                 make_jump_as_posted},
    StrategyInfo{"nop5", "a nop of five bytes becomes a call and a system call; the rest as emulate", "Linux 6.18",
                 make_nop5},
    StrategyInfo{"nop10", "a longer nop: the call steps over the red zone first", "Linux, July 2026", make_nop10},
};
} // namespace

std::span<const StrategyInfo> strategies() { return kStrategies; }

const StrategyInfo* strategy_info(std::string_view name) {
    for (const StrategyInfo& s : kStrategies)
        if (s.name == name) return &s;
    return nullptr;
}

} // namespace trapline
