// The sums of the built-in prices against the figures that were published. Each expected number is read off its source;
// tests/probes/costs.cpp sees that a hit in the machine really pays these prices.
#include "emu/kernel/cost_file.hpp"
#include "emu/kernel/step.hpp"

#include <doctest/doctest.h>
#include <initializer_list>

using namespace trapline;

namespace {

/// Nanoseconds of a sequence of steps on one CPU.
double sum(const CostProfile& p, std::initializer_list<std::string_view> steps) {
    std::uint64_t ps = 0;
    for (const std::string_view name : steps) {
        const auto step = step_by_name(name);
        REQUIRE(step);
        ps += p.of(step_info(*step).price.once);
    }
    return static_cast<double>(ps) / 1000;
}
double of(const CostProfile& p, Price price) { return static_cast<double>(p.of(price)) / 1000; }

double in_interrupt(const CostProfile& p) {
    return sum(p, {"trap", "lookup", "handler", "slot-taken", "slot-written", "stepped", "slot-freed", "resumed"});
}
double in_task(const CostProfile& p) { return in_interrupt(p) + of(p, Price::task_work); }
double boosted(const CostProfile& p) { return sum(p, {"trap", "lookup", "handler", "resumed"}); }
double optimised(const CostProfile& p) { return of(p, Price::detour) + of(p, Price::handler); }

const CostProfile& profile(std::string_view name) {
    const CostProfile* p = cost_profile(name);
    REQUIRE(p != nullptr);
    return *p;
}

} // namespace

TEST_SUITE("emu/cost") {
    TEST_CASE("the table of seed 004 section 6 is the sum of prices") {
        CHECK(in_interrupt(profile("i686-2010")) == doctest::Approx(3401.240).epsilon(1e-9));
        CHECK(in_task(profile("i686-2010")) == doctest::Approx(3649.390).epsilon(1e-9));
        CHECK(in_interrupt(profile("x86_64-2010")) == doctest::Approx(1199.010).epsilon(1e-9));
        CHECK(in_task(profile("x86_64-2010")) == doctest::Approx(1302.170).epsilon(1e-9));
    }

    TEST_CASE("bare metal: emulated 0.31 us, out of line 0.91, nop5 0.14, a system call 0.07 (nop5 series v4)") {
        const CostProfile& p = profile("bare-metal");
        const double emulated = boosted(p) + of(p, Price::task_work) + of(p, Price::emulation);
        CHECK(emulated == doctest::Approx(310));
        CHECK(in_task(p) == doctest::Approx(910));
        const double nop5 = sum(p, {"syscall", "lookup", "handler"}) + of(p, Price::trampoline);
        CHECK(nop5 == doctest::Approx(140));
        CHECK(sum(p, {"syscall"}) == doctest::Approx(70));
        // uretprobe-nop 2.1 M/s against uprobe-nop 3.19 M/s, and 3.45 against 7.15 when both are optimised
        const double returns = of(p, Price::return_entry) + of(p, Price::return_exit) + sum(p, {"syscall", "handler"});
        CHECK(emulated + returns == doctest::Approx(1000 / 2.1).epsilon(0.02));
        CHECK(nop5 + returns == doctest::Approx(1000 / 3.45).epsilon(0.05));
    }

    // Not fitted: no price was chosen by these. Kprobe handlers run in the trap, so this is interrupt context.
    TEST_CASE("boosted and optimised probes relate to plain ones as the published kprobe tables say, within 25 %") {
        const auto close = [](double ours, double published) {
            CAPTURE(ours);
            CAPTURE(published);
            CHECK(ours / published > 0.75);
            CHECK(ours / published < 1.25);
        };
        const CostProfile& i686 = profile("i686-2010");
        const CostProfile& x86_64 = profile("x86_64-2010");
        close(boosted(i686) / in_interrupt(i686), 0.6 / 1.3);       // LKML 2006-01-30, Pentium 4 3.06 GHz
        close(boosted(i686) / in_interrupt(i686), 0.33 / 0.80);     // kprobes.rst, Xeon E5410, i386
        close(boosted(x86_64) / in_interrupt(x86_64), 0.43 / 0.99); // the same, x86-64
        close(optimised(i686) / in_interrupt(i686), 0.05 / 0.80);
        close(optimised(x86_64) / in_interrupt(x86_64), 0.06 / 0.99);
    }

    TEST_CASE("no price of a built-in machine is missing, and both traps cost more than a system call") {
        for (const CostProfile& p : cost_profiles()) {
            for (std::size_t i = 0; i < kPrices; ++i) CHECK(p.picoseconds[i] > 0);
            CHECK(p.of(Price::breakpoint_trap) > p.of(Price::syscall));
            CHECK(p.of(Price::step_trap) > p.of(Price::syscall));
        }
    }

    TEST_CASE("parts of a cycle add up to what the prices say") {
        const CostProfile& p = profile("i686-2010");
        // 121.240 ns at 2.4 GHz are 290.976 cycles; a thousand of them are no 291,000.
        const CycleParts handler = p.parts(Charge{Price::handler}, 1);
        CHECK(static_cast<double>(handler * 1000) / (1 << kPartBits) == doctest::Approx(290976).epsilon(1e-8));
        CHECK(p.parts(Charge{Price::tlb_flush, Price::ipi}, 4) == p.parts(500'000 + 3 * 2'000'000));
    }

    TEST_CASE("a profile written as a file reads back as it was") {
        for (const CostProfile& p : cost_profiles()) {
            const auto again = parse_cost(cost_text(p), "x.cost");
            REQUIRE(again);
            CHECK(again->name == p.name);
            CHECK(again->source == p.source);
            CHECK(again->hz == p.hz);
            CHECK(again->picoseconds == p.picoseconds);
        }
    }

    TEST_CASE("a file may take what it does not say from a built-in machine") {
        const auto p = parse_cost("name = \"a # b\" # its name\nhz = 1_000_000_000\nbase = \"bare-metal\"\n"
                                  "step-trap = 12_000.25\n\n",
                                  "x.cost");
        REQUIRE(p);
        CHECK(p->name == "a # b");
        CHECK(p->of(Price::step_trap) == 12'000'250);
        CHECK(p->of(Price::handler) == profile("bare-metal").of(Price::handler));
    }

    TEST_CASE("what is wrong with a file is said with its line") {
        const auto error = [](std::string_view text) {
            const auto p = parse_cost(text, "x.cost");
            REQUIRE_FALSE(p);
            CHECK(p.error().file == "x.cost");
            return std::to_string(p.error().line) + ": " + p.error().what;
        };
        CHECK(error("hz = 1\n") == "0: the profile has no name");
        CHECK(error("name = \"a\"\n") == "0: hz is missing: how many cycles a second are");
        CHECK(error("name = \"a\"\nhz = 1\n") == "0: breakpoint-trap has no price");
        CHECK(error("\nname = a\n") == "2: a text stands in quotation marks");
        CHECK(error("hz = 1.5\n") == "1: hz must be a whole number of cycles a second");
        CHECK(error("hz = -1\n") == "1: hz must be a whole number of cycles a second");
        CHECK(error("trap = 1\n") == "1: there is no price `trap`");
        CHECK(error("slot = 1.2345\n") == "1: slot must be nanoseconds, with up to three decimals");
        CHECK(error("slot = 99999999999999999999999\n") == "1: slot must be nanoseconds, with up to three decimals");
        CHECK(error("slot = 9999999999999\n") == "1: slot must be nanoseconds, with up to three decimals");
        CHECK(error("slot = \n") == "1: slot must be nanoseconds, with up to three decimals");
        CHECK(error("slot\n") == "1: a line is NAME = VALUE");
        CHECK(error("base = \"none\"\n") == "1: there is no profile `none`");
    }
}
