// tests/probes/probed.hpp: a machine of code with one probe, under one strategy and one kernel.
#pragma once

#include "boost/catalogue.hpp"
#include "probes/uprobes.hpp"
#include "tests/emu/code.hpp"

namespace trapline::testing {

/// Consumers of a test stand outside and live longer: whoever is asleep in a handler when the run ends refers to them.
struct ProbedCode {
    explicit ProbedCode(std::vector<std::uint8_t> bytes, const char* strategy = "xol",
                        const char* kernel_name = "linux-6.18")
        : machine(std::move(bytes)), uprobes(machine.kernel, *dialect(kernel_name), *strategy_info(strategy)) {
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

inline bool adds_up(const Truth& t) { return t.executions == t.hits - t.repeated + t.missed; }

} // namespace trapline::testing
