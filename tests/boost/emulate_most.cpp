// What `emulate-most` computes: that it does not step it. That it computes it rightly is tests/differential's to say.
#include "tests/boost/probed.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

using namespace trapline;
using namespace trapline::testing;

namespace {

struct Counts {
    std::uint64_t fallbacks = 0, step_traps = 0, executions = 0, hits = 0;
};

/// rbx, rsi and rdi lead to data, rcx is 3; then PROBED; then the end.
Counts run(const std::string& probed) {
    const std::vector<std::uint8_t> at_data = test::bytes("48 c7 c3 00 00 00 00"); // mov rbx, DATA
    std::vector<std::uint8_t> bytes;
    for (const std::uint8_t modrm : {0xc3, 0xc6, 0xc7}) {
        std::vector<std::uint8_t> load = at_data;
        load[2] = modrm;
        for (unsigned i = 0; i < 4; ++i) load[3 + i] = static_cast<std::uint8_t>((kData + 0x800) >> 8 * i);
        bytes.insert(bytes.end(), load.begin(), load.end());
    }
    const auto count = test::bytes("b9 03 00 00 00"), insn = test::bytes(probed), end = code({kExit});
    bytes.insert(bytes.end(), count.begin(), count.end());
    const std::uint64_t at = bytes.size();
    bytes.insert(bytes.end(), insn.begin(), insn.end());
    bytes.insert(bytes.end(), end.begin(), end.end());
    Probed p(bytes, {at}, "emulate-most", "fixed");
    REQUIRE_MESSAGE(p.error == 0, probed);
    p.run();
    return {p.counters().fallbacks, p.counters().step_traps, p.truth().executions, p.truth().hits};
}

} // namespace

TEST_SUITE("boost/emulate-most") {

    TEST_CASE("moves, arithmetic, strings, branches, the stack and SSE registers take no step") {
        for (const char* const probed : {"48 8b 03",
                                         "89 43 08",
                                         "8a 63 01",
                                         "48 8d 44 8b 10",
                                         "48 87 03",
                                         "0f 44 03",
                                         "0f 95 03",
                                         "0f b6 03",
                                         "48 63 03",
                                         "b8 01 00 00 00",
                                         "c7 03 01 00 00 00",
                                         "48 98",
                                         "48 99",
                                         "91",
                                         "48 01 03",
                                         "83 2b 05",
                                         "0f c0 c8",
                                         "ff 03",
                                         "f7 1b",
                                         "f6 13",
                                         "48 85 03",
                                         "f5",
                                         "fd",
                                         "f3 a4",
                                         "f3 48 ab",
                                         "a6",
                                         "f2 ae",
                                         "74 00",
                                         "e2 00",
                                         "53",
                                         "6a 05",
                                         "ff 33",
                                         "0f 58 c1",
                                         "66 0f fe c1",
                                         "66 0f 38 01 c1",
                                         "d3 e0",
                                         "0f af c3",
                                         "f7 e3"}) {
            const Counts n = run(probed);
            CHECK_MESSAGE((n.fallbacks == 0 && n.step_traps == 0 && n.executions == 1 && n.hits == 1), probed);
        }
    }

    TEST_CASE("the rest is stepped, and counted") {
        for (const char* const probed : {"0f 58 03", "d3 23", "d9 e8", "9c", "f3 0f 1e fa"}) {
            const Counts n = run(probed);
            CHECK_MESSAGE((n.fallbacks == 1 && n.step_traps == 1 && n.executions == 1), probed);
        }
    }
}
