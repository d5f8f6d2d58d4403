// tests/probes/probed.hpp: a machine of code with probes, under one strategy and one kernel.
#pragma once

#include "boost/catalogue.hpp"
#include "probes/uprobes.hpp"
#include "tests/emu/code.hpp"

namespace trapline::testing {

/// Consumers of a test stand outside and live longer: whoever is asleep in a handler when the run ends refers to them.
struct ProbedCode {
    explicit ProbedCode(std::vector<std::uint8_t> bytes, const char* strategy = "xol",
                        const char* kernel_name = "linux-6.18", Policy* policy = nullptr)
        : machine(std::move(bytes), 2, policy),
          uprobes(machine.kernel, *dialect(kernel_name), *strategy_info(strategy)) {
        uprobes.mapped(mm(), mm().vmas().at(kCode));
    }
    int add(Consumer& c, std::uint64_t offset) { return uprobes.add_now(c, machine.file, offset); }
    Mm& mm() { return *space; }
    const Uprobe& first() { return *uprobes.all().at(0); }
    bool run() { return machine.kernel.run().kind == Outcome::Kind::exited; }

    CodeMachine machine;
    std::shared_ptr<Mm> space = machine.process->mm; ///< also when the process has gone
    Uprobes uprobes;
};

struct OneConsumer {
    Consumer consumer;
};

/// The same with one probe, in place.
struct Probed : OneConsumer, ProbedCode {
    Probed(std::vector<std::uint8_t> bytes, std::uint64_t probe_offset, const char* strategy,
           const char* kernel_name = "linux-6.18", Policy* policy = nullptr)
        : ProbedCode(std::move(bytes), strategy, kernel_name, policy), error(add(consumer, probe_offset)) {}
    const Truth& truth() { return first().truth; }

    int error;
};

inline bool adds_up(const Truth& t) { return t.executions == t.hits - t.repeated + t.missed; }

/// mov ecx, n; L: PROBED; dec ecx; jnz L; mov edi, eax; exit
inline std::vector<std::uint8_t> loop_over(std::vector<std::uint8_t> probed, std::uint8_t n) {
    const auto back = static_cast<std::uint8_t>(-static_cast<int>(probed.size() + 2 + 2));
    return code({{0xb9, n, 0, 0, 0}, probed, {0xff, 0xc9}, {0x75, back}, {0x89, 0xc7}, kExit});
}

/// Strategies that step the instruction, or its copy, with TF.
inline constexpr const char* kTrapFlag[] = {"inline", "inline-stop", "inline-hwbp", "stack",
                                            "xol",    "xol-owned",   "xol-page"};
/// Strategies that serve every instruction, and lose no hit while one thread runs.
inline constexpr const char* kStepping[] = {"inline", "inline-stop", "inline-hwbp", "stack",
                                            "xol",    "xol-owned",   "xol-page",    "xol-int3"};

} // namespace trapline::testing
