// What a hit takes in virtual time, measured in the machine: seed 004 section 6 as a run. The benchmark there hits one
// probe 100,000 times with a simple handler, in interrupt and in task context; the expected numbers are its table.
#include "boost/catalogue.hpp"
#include "probes/register.hpp"
#include "tests/emu/code.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

constexpr std::uint32_t kRounds = 100'000;

/// Microseconds that one hit adds to a round of the loop, with the instruction itself left out.
double overhead(std::string_view profile, std::string_view strategy, bool in_interrupt,
                const std::vector<std::uint8_t>& two_bytes = {0xff, 0xc0}) {
    const auto cycles = [&](bool probed) {
        // mov ecx, rounds; L: inc eax, or what else; dec ecx; jnz L; mov edi, 0; exit
        CodeMachine m(code({{0xb9, kRounds & 0xff, kRounds >> 8 & 0xff, kRounds >> 16, 0},
                            two_bytes,
                            {0xff, 0xc9},
                            {0x75, 0xfa},
                            {0xbf, 0, 0, 0, 0},
                            kExit}),
                      1, nullptr, cost_profile(profile));
        Uprobes uprobes(m.kernel, *dialect("uprobes-2010"), *strategy_info(strategy));
        uprobes.mapped(*m.process->mm, m.process->mm->vmas().at(kCode));
        UserProbe probe;
        std::uint64_t hits = 0;
        probe.pid = m.process->pid;
        probe.vaddr = kCode + 5;
        probe.handler_in_interrupt = in_interrupt;
        probe.handler = [&](UserProbe&, HitContext&) { ++hits; };
        if (probed) CHECK(register_uprobe(uprobes, probe) == 0);
        m.thread();
        CHECK(m.kernel.run().kind == Outcome::Kind::exited);
        CHECK(hits == (probed ? kRounds : 0));
        return static_cast<double>(m.kernel.latest());
    };
    return (cycles(true) - cycles(false)) / kRounds / static_cast<double>(cost_profile(profile)->hz) * 1e6;
}

} // namespace

TEST_SUITE("probes/cost") {
    TEST_CASE("100,000 hits on the machines of seed 004 take what its table says") {
        const auto is = [](double us, double published) {
            CAPTURE(us);
            CHECK(us == doctest::Approx(published).epsilon(1e-5)); // the page copy and a fault, once in 100,000 hits
        };
        is(overhead("i686-2010", "xol", true), 3.401240);
        is(overhead("i686-2010", "xol", false), 3.649390);
        is(overhead("x86_64-2010", "xol", true), 1.199010);
        is(overhead("x86_64-2010", "xol", false), 1.302170);
    }

    TEST_CASE("a hit out of line takes 0.91 us on bare metal") {
        CHECK(overhead("bare-metal", "xol", false) == doctest::Approx(0.91).epsilon(1e-5));
    }

    TEST_CASE("an emulated nop takes 0.31 us on bare metal") { // a cycle less: the nop itself is never executed
        CHECK(overhead("bare-metal", "emulate", false, {0x90, 0x90}) == doctest::Approx(0.31).epsilon(2e-3));
    }
}
