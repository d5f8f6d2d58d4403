// What kernels refuse. The answers for linux-6.18 were given by a kernel (6.18.44), asked through perf's uprobe PMU for
// each encoding, followed by zeros; those of uprobes-2010 were worked out from its tables.
#include "decoder/rules.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

#include <set>

namespace trapline::test {
namespace {

int verdict(const std::string& hex, RuleSet rules = RuleSet::linux_6_18) { return may_probe(bytes(hex), rules).error; }

TEST_CASE("Linux refuses exactly these first opcodes in 64-bit tasks") {
    const std::set<int> refused = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
                                   0x60, 0x61, 0x6c, 0x6d, 0x6e, 0x6f, 0x82, 0x9a, 0xcc, 0xcd, 0xce,
                                   0xcf, 0xd4, 0xd6, 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xed, 0xee,
                                   0xef, 0xf1, 0xf4, 0xfa, 0xfb, 0x26, 0x2e, 0x36, 0x3e, 0xf0};
    const std::set<int> undecodable = {0x62, 0xc4, 0xc5}; // EVEX and VEX with nothing behind them
    for (int op = 0; op < 256; ++op) {
        const uint8_t code[] = {static_cast<uint8_t>(op)};
        for (const RuleSet rules : {RuleSet::linux_6_12, RuleSet::linux_6_18}) {
            const int expected = refused.contains(op) ? enotsupp : undecodable.contains(op) ? enoexec : 0;
            const Verdict v = may_probe(code, rules);
            CHECK_MESSAGE(v.error == expected, "opcode " << op);
            CHECK_MESSAGE(v.reason.empty() == (expected == 0), "opcode " << op);
        }
    }
}

TEST_CASE("Linux refuses exactly these first opcodes in 32-bit tasks") {
    // Asked of 6.18.44 with a 32-bit process that has the opcode at the probed place.
    const std::set<int> refused = {0x07, 0x17, 0x1f, 0x6c, 0x6d, 0x6e, 0x6f, 0xcc, 0xcd, 0xce, 0xcf, 0xe4, 0xe5, 0xe6,
                                   0xe7, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb, 0x26, 0x2e, 0x36, 0x3e, 0xf0};
    for (int op = 0; op < 256; ++op) {
        const uint8_t code[] = {static_cast<uint8_t>(op)};
        for (const RuleSet rules : {RuleSet::linux_6_12, RuleSet::linux_6_18})
            CHECK_MESSAGE(may_probe(code, rules, Mode::k32).error == (refused.contains(op) ? enotsupp : 0),
                          "opcode " << op);
        CHECK(may_probe(std::vector<uint8_t>{0x0f, static_cast<uint8_t>(op)}, RuleSet::linux_6_18, Mode::k32).error ==
              0);
    }
    const auto verdict = [](const char* hex, RuleSet rules) { return may_probe(bytes(hex), rules, Mode::k32).error; };
    CHECK(verdict("8e d0", RuleSet::linux_6_18) == enotsupp);
    CHECK(verdict("66 e8 00 00", RuleSet::linux_6_18) == enotsupp);
    CHECK(verdict("40 cc", RuleSet::linux_6_18) == 0); // inc eax: what follows is another instruction
    CHECK(verdict("c5 f8 77", RuleSet::linux_6_18) == 0);
    CHECK(verdict("c5 f9 6f 00", RuleSet::linux_6_18) == enotsupp); // taken for outs
    CHECK(verdict("40", RuleSet::uprobes_2010) == 0);
    CHECK(verdict("60", RuleSet::uprobes_2010) == 0);
    CHECK(verdict("63 c0", RuleSet::uprobes_2010) == eperm);
    CHECK(verdict("07", RuleSet::uprobes_2010) == eperm);
}

TEST_CASE("Linux probes everything behind 0f, privileged or undefined") {
    for (int op = 0; op < 256; ++op) {
        const uint8_t code[] = {0x0f, static_cast<uint8_t>(op)};
        CHECK_MESSAGE(may_probe(code, RuleSet::linux_6_18).error == 0, "opcode 0f " << op);
    }
}

TEST_CASE("Linux's answers to single encodings are ours") {
    struct {
        int error;
        const char* encodings;
    } const answers[] = {
        // Segment overrides that mean nothing in 64-bit mode, and lock.
        {enotsupp, "2690,2e90,3690,3e90,f00fb10f,f048ff00,3effe0,3eff26,662e0f1f840000000000,2ef4,2ea4,f0a4,3ec3"},
        {0, "6490,6590,6690,6790,f290,f390,64488b042528000000,65e800000000,67e300,f2c3,f3c3,f3a4,f2ae"},
        // Loads of ss hold off traps; other segment registers do not.
        {enotsupp, "8ed0,8e10,8e1500000000,418ed0,668ed0,458ed0,17,6617"},
        {0, "8ed8,8ec0,8ee0,0fa1,0fb200"},
        // 66 on a relative branch.
        {enotsupp, "66e800000000,66e900000000,66eb00,667400,660f8400000000"},
        {0, "66c3,66ffe0,66ff2500000000,f2e900000000,64e900000000,677400"},
        // Too long, or nothing but prefixes.
        {enoexec, "66666666666666666666666666666690,666666666666666666666666666666,66666666666666666666666666660f0b"},
        {0, "666666666666666666666666666690,666666666666666666666666660f0b"},
        {enotsupp, "6666666666666666666666666666f4,6464646464f4,64656667f4"},
        // The decoder takes four different prefixes and one REX; the next prefix is the opcode to it.
        {0, "6465666790,64656667f290,64656667f2f4,64656667f0f4,64656667f2cc,f2f3666765f4,64656667642e90,646566672ef4"},
        {0, "4048f4,48f2f4,48f0f4,4866cc,4848f4,4866f4"},
        {enotsupp, "67f4,48f4,41cc,4f06,2e2e2ef4"},
        // Vector instructions: those that exist, unless their opcode is a refused one of the one-byte map.
        {0, "c5f877,c5fc280500000000,c4e263f60d00000000,62f17c48280500000000,62f27d482600,62f27d483600,40c5f877"},
        {0, "c4e2793e00,c5f82e00,c5f1ebc2,c5f170c01b,8fe878c0c101,c4e2798e08,62f27c48f3c8"},
        {enotsupp,
         "c5f96f00,c5fa6f00,c5f92f00,62f17d486f00,62f1fe486f00,c5f816c0,f0c5f877,2ec5f877,c4e2798e10,8fe878ccc101"},
        {enotsupp, "66c5f877"}, // 77 looks like a conditional jump with a 66 prefix
        {enoexec, "c5f800,62f27e482e00,c4e07810c0,c5f971c0,62f07c4810c0,8fe87800,62f27c48f3c0,8fc8,8fe0,8f10,8f20"},
        {0, "c5f971d0,8f00,8fc0"},
        // Behind REX the first byte of VEX and EVEX is lds, les or bound.
        {enotsupp, "4862f17c482800,4862f17c486f00,4062d46999a560eb,664862f17c486f00"},
        {0, "49c5f96fc1,48c4e27918c1"},
        // Opcodes that exist behind VEX and EVEX alone. The last prefix says which.
        {enoexec, "660f385a00,66480f38ab04,f20f6f00,660f7b00,660f3a514135,f00f38b024,0f3a6600,f2660f385a00"},
        {0, "f20f385a00,66f20f385a00,0f6f00,f30f6f00,660f3a0fc001"},
        // REX2.
        {0, "d50090,d5000f,d58005,d50048,d5006800,d500e800000000,d500c4,66d5000f"},
        {enotsupp, "d500f4,d500cc,d580f4,d500d5,d500d4,d50062,d5006f,48d50090,d5009a,d500ea,66d500e800000000,d5008ed0"},
        {enoexec, "d5089a,d508ea"},
        // Groups are not looked into.
        {0, "ff38,fff8,fe38,fff0,f6c800,c6f800,c7f800000000,0f05,0f34,0f0b,0fb9c0,0fffc0,0f01d0"},
        {enotsupp, "cd80,cd03,cc,f1,f4,d6,82c000,9a000000000000,ea000000000000,cf,48cf"},
    };
    for (const auto& answer : answers) {
        const std::string all = answer.encodings;
        for (size_t at = 0; at < all.size();
             at = all.find(',', at) == std::string::npos ? all.size() : all.find(',', at) + 1) {
            const std::string encoding = all.substr(at, all.find(',', at) - at);
            CHECK_MESSAGE(verdict(encoding) == answer.error, encoding);
        }
    }
}

TEST_CASE("around 2010 the tables counted, also the one behind 0f, and the error was EPERM") {
    const RuleSet old = RuleSet::uprobes_2010;
    for (const char* const hex :
         {"0f 05",       "0f 0b",       "0f 18 00",    "0f 38 00 c1",    "0f 3a 0f c0 01",    "0f ae f0", "f3 0f b8 c0",
          "f2 0f f0 00", "66 0f 7c c0", "c5 f8 77",    "c4 e2 79 00 c0", "62 f1 7c 48 28 00", "f4",       "cc",
          "6c",          "d4 0a",       "f0 0f b1 0f", "2e 90",          "40 48 90",          "48 66 90"})
        CHECK_MESSAGE(verdict(hex, old) == eperm, hex);
    for (const char* const hex :
         {"55", "48 89 e5", "0f 1f 44 00 00", "0f 10 00", "0f a2", "0f 31", "66 0f 6f 05 00 00 00 00", "e8 00 00 00 00",
          "c3", "f3 c3", "ff d0", "ff e0", "8e d0", "66 e9 00 00 00 00", "f3 a4", "9a", "ea"})
        CHECK_MESSAGE(verdict(hex, old) == 0, hex);
    // Calls, returns and everything of opcode ff with a prefix, a REX among them: even inc rax.
    for (const char* const hex :
         {"48 ff c0", "41 ff d4", "48 c3", "66 c3", "f2 e8 00 00 00 00", "66 f3 c3", "f3 c2 00 00"})
        CHECK_MESSAGE(verdict(hex, old) == eperm, hex);
}

TEST_CASE("nothing and prefixes without an end have a verdict") {
    CHECK(may_probe({}, RuleSet::linux_6_18).error == 0); // zeros: add [rax], al
    CHECK(may_probe({}, RuleSet::uprobes_2010).error == 0);
    const std::vector<uint8_t> many(40, 0x66);
    CHECK(may_probe(many, RuleSet::linux_6_18).error == enoexec);
    CHECK(may_probe(many, RuleSet::uprobes_2010).error == eperm);
}

} // namespace
} // namespace trapline::test
