// tests/boost/probed.hpp: a machine of a few bytes of code with probes, for strategies with code of their own.
#pragma once

#include "boost/catalogue.hpp"
#include "probes/uprobes.hpp"
#include "tests/emu/code.hpp"

#include <deque>

namespace trapline::testing {

struct Probed {
    Probed(std::vector<std::uint8_t> bytes, std::initializer_list<std::uint64_t> offsets, const char* strategy,
           const char* kernel_name = "linux-6.18", Policy* policy = nullptr)
        : machine(std::move(bytes), 2, policy),
          uprobes(machine.kernel, *dialect(kernel_name), *strategy_info(strategy)) {
        machine.kernel.create_task(*machine.process); // never started: the address space outlives the run
        uprobes.mapped(mm(), mm().vmas().at(kCode));
        for (const std::uint64_t at : offsets) error = add(at) != 0 ? -1 : error;
    }
    int add(std::uint64_t offset) { return uprobes.add_now(consumers.emplace_back(), machine.file, offset); }
    Mm& mm() { return *machine.process->mm; }
    /// Runs to the end; the thread's exit status.
    std::uint64_t run() {
        machine.thread();
        outcome = machine.kernel.run();
        uprobes.settle();
        return machine.results.empty() ? ~0ull : machine.results.front();
    }
    [[nodiscard]] const Truth& truth(std::size_t probe = 0) const { return uprobes.all().at(probe)->truth; }
    [[nodiscard]] const ProbeCounters& counters() const { return uprobes.counters; }
    /// The text that the program sees at `offset`.
    std::vector<std::uint8_t> text(std::uint64_t offset, std::size_t n) {
        std::vector<std::uint8_t> out(n);
        mm().force_read(kCode + offset, out.data(), n);
        return out;
    }

    CodeMachine machine;
    Uprobes uprobes;
    std::deque<Consumer> consumers;
    int error = 0;
    Outcome outcome;
};

inline bool adds_up(const Truth& t) { return t.executions == t.hits - t.repeated + t.missed; }

/// mov ecx, n; L: PROBED; dec ecx; jnz L; mov edi, eax; exit. PROBED stands at offset 5.
inline std::vector<std::uint8_t> loop_over(std::vector<std::uint8_t> probed, std::uint8_t n) {
    const auto back = static_cast<std::uint8_t>(-static_cast<int>(probed.size() + 2 + 2));
    return code({{0xb9, n, 0, 0, 0}, probed, {0xff, 0xc9}, {0x75, back}, {0x89, 0xc7}, kExit});
}

/// Round robin, with a look at every step.
struct Spy : Policy {
    std::function<void(const Task&, const Event&)> look;
    RoundRobin rr;
    Choice pick(Scheduler& s) override { return rr.pick(s); }
    bool switch_after_step(Scheduler&, const Task& t, const Event& e) override {
        if (look) look(t, e);
        return false;
    }
};

} // namespace trapline::testing
