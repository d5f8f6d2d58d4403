// What each strategy needs. Expectations come from the mails, from what kernels and DTrace are known to do, and from
// DESIGN.md's table of names.
#include "decoder/strategies.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

constexpr KernelRules k618{RuleSet::linux_6_18, true}, k612{RuleSet::linux_6_12, true},
    k2010{RuleSet::uprobes_2010, true}, fixed{RuleSet::linux_6_18, false};

std::string why_not(const std::string& strategy, const std::string& hex, KernelRules kernel = k618, uint64_t at = 0) {
    const StrategyNeeds* needs = strategy_needs(strategy);
    REQUIRE_MESSAGE(needs != nullptr, strategy);
    return std::string(key(refused(*needs, kernel, facts_of(KernelCopy(bytes(hex)), at))));
}

std::string shows(const std::string& strategy, const std::string& hex, KernelRules kernel = k618) {
    const StrategyNeeds* needs = strategy_needs(strategy);
    REQUIRE_MESSAGE(needs != nullptr, strategy);
    return std::string(key(altered(*needs, kernel, facts_of(KernelCopy(bytes(hex)), 0))));
}

TEST_CASE("registration comes first, whatever the strategy") {
    for (const StrategyNeeds& s : strategy_needs()) {
        const std::string name(s.name);
        CHECK_MESSAGE(why_not(name, "f0 0f b1 0f") == "prefix", name);
        CHECK_MESSAGE(why_not(name, "c4 e0 78 10 c0") == "undecodable", name);
    }
    CHECK(why_not("xol", "0f 0b") == "");
    CHECK(why_not("xol", "0f 0b", k2010) == "system");
}

TEST_CASE("stepping needs nothing else, but the program may notice") {
    for (const std::string s : {"inline", "inline-stop", "inline-hwbp", "stack", "xol", "xol-owned", "xol-page"}) {
        CHECK_MESSAGE(why_not(s, "48 89 e5") == "", s);
        CHECK_MESSAGE(shows(s, "48 89 e5") == "", s);
        CHECK_MESSAGE(shows(s, "9c") == "step-shows-in-flags", s);
        CHECK_MESSAGE(shows(s, "9c", fixed) == "", s);
        CHECK_MESSAGE(shows(s, "f3 a4") == "hit-per-iteration", s);
    }
    CHECK(shows("xol", "0f 05") == "copy-shows-in-rcx");
    CHECK(shows("inline", "0f 05") == "step-shows-in-flags");
    CHECK(shows("xol", "0f 05", fixed) == "");
    CHECK(shows("xol", "c7 f8 00 00 00 00") == "abort-goes-astray");
    CHECK(why_not("stack-as-posted", "48 8b 05 00 00 00 00") == "rip-relative");
    CHECK(why_not("stack", "48 8b 05 00 00 00 00") == "");
    for (const std::string hex : {"e8 00 00 00 00", "ff d0", "ff e0", "c3", "c2 08 00"}) {
        CHECK_MESSAGE(shows("stack-as-posted", hex) == "transfer-goes-astray", hex);
        CHECK_MESSAGE(shows("stack", hex) == "", hex);
    }
    for (const std::string hex : {"eb 00", "74 00", "e2 00", "55"})
        CHECK_MESSAGE(shows("stack-as-posted", hex) == "", hex);
}

TEST_CASE("an int3 behind the copy does not catch what goes far away") {
    for (const std::string hex : {"ff 10", "ff 25 00 00 00 00", "ff 28"})
        CHECK_MESSAGE(why_not("xol-int3", hex) == "leaves-the-copy", hex);
    for (const std::string hex : {"ff d0", "ff e0", "c3", "e8 00 00 00 00", "74 00", "e2 00", "0f 05"})
        CHECK_MESSAGE(why_not("xol-int3", hex) == "", hex);
}

TEST_CASE("each kernel emulates its own") {
    CHECK(why_not("emulate", "90", k2010) == "");
    CHECK(why_not("emulate", "55", k2010) == "not-emulated");
    CHECK(why_not("emulate", "55", k612) == "");
    CHECK(why_not("emulate", "0f 1f 00", k612) == "not-emulated");
    CHECK(why_not("emulate", "0f 1f 00", k618) == "");
    CHECK(why_not("emulate", "49 90") == "");
    CHECK(shows("emulate", "49 90") == "emulated-wrongly");
    CHECK(why_not("emulate", "49 90", fixed) == "not-emulated");
    CHECK(shows("emulate", "66 90") == "");
}

TEST_CASE("boosting follows 2.6.32 around 2010 and 6.12 later") {
    CHECK(why_not("boosted", "0f 1f 00", k2010) == "not-in-0f-map");
    CHECK(why_not("boosted", "0f 1f 00") == "");
    CHECK(why_not("boosted", "74 00") == "conditional-jump");
}

TEST_CASE("DTrace leaves interrupts alone") {
    CHECK(why_not("fasttrap", "48 89 e5") == "");
    CHECK(why_not("fasttrap", "e8 00 00 00 00") == "");
    CHECK(why_not("fasttrap", "64 65 90") == "two-segments");
}

TEST_CASE("nops that become calls lie in one page") {
    CHECK(why_not("nop5", "0f 1f 44 00 00") == "");
    CHECK(why_not("nop5", "66 66 66 66 90") == "");
    CHECK(why_not("nop5", "0f 1f 40 00") == "not-a-nop5");
    CHECK(why_not("nop5", "b8 00 00 00 00") == "not-a-nop5");
    CHECK(why_not("nop5", "0f 1f 44 00 00", k618, 0x1ffb) == "");
    CHECK(why_not("nop5", "0f 1f 44 00 00", k618, 0x1ffc) == "crosses-page");
    // The kernel that has nop10 takes it in spite of its cs prefix.
    CHECK(why_not("nop10", "66 2e 0f 1f 84 00 00 00 00 00") == "");
    CHECK(why_not("xol", "66 2e 0f 1f 84 00 00 00 00 00") == "prefix");
    CHECK(why_not("nop10", "66 66 66 66 66 66 66 66 66 90") == "not-a-nop10");
}

TEST_CASE("a jump needs a function, and the rest is the region's business") {
    CHECK(why_not("jump", "48 89 e5") == "no-function");
}

} // namespace
} // namespace trapline::test
