// What kernels emulate. Where it is said to be wrong, a live 6.18.44 was seen doing it (tests/live) or the code of 6.18
// says so.
#include "decoder/emulated.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

Emulation ask(const std::string& hex, RuleSet rules = RuleSet::linux_6_18) { return emulated_by(bytes(hex), rules); }
std::string kind(const std::string& hex, RuleSet rules = RuleSet::linux_6_18) {
    return std::string(name(ask(hex, rules).kind));
}

TEST_CASE("the byte 90 is a nop under any prefix, and 6.18 knows the kernel's own nops of 3 to 8 bytes") {
    for (const RuleSet r : {RuleSet::linux_6_12, RuleSet::linux_6_18})
        for (const std::string hex : {"90", "66 90", "f3 90", "48 90", "66 66 66 90", "f2 90", "64 90", "67 90"}) {
            CHECK_MESSAGE(kind(hex, r) == "nop", hex);
            CHECK_MESSAGE(ask(hex, r).right(), hex);
        }
    for (const std::string hex : {"0f 1f 00", "0f 1f 40 00", "0f 1f 44 00 00", "66 0f 1f 44 00 00",
                                  "0f 1f 80 00 00 00 00", "0f 1f 84 00 00 00 00 00"}) {
        CHECK_MESSAGE(kind(hex) == "nop", hex);
        CHECK_MESSAGE(ask(hex).length == bytes(hex).size(), hex);
        CHECK_MESSAGE(kind(hex, RuleSet::linux_6_12) == "", hex);
    }
    // Stepped: other nops of the same effect. Facts 4b, measured.
    for (const std::string hex : {"f3 0f 1e fa", "0f 1f c0", "64 0f 1f 00", "48 8d 36", "87 c0", "0f 1f 44 00 01",
                                  "66 0f 1f 84 00 00 00 00 00"})
        CHECK_MESSAGE(kind(hex) == "", hex);
}

TEST_CASE("around 2010 there was one nop of one byte") {
    CHECK(kind("90", RuleSet::uprobes_2010) == "nop");
    for (const std::string hex : {"66 90", "f3 90", "eb 00", "55", "e8 00 00 00 00", "74 00"})
        CHECK_MESSAGE(kind(hex, RuleSet::uprobes_2010) == "", hex);
}

TEST_CASE("relative branches are emulated, with what they need") {
    CHECK(kind("eb fe") == "jmp");
    CHECK(ask("eb fe").displacement == -2);
    CHECK(ask("e9 78 56 34 12").displacement == 0x12345678);
    CHECK(ask("e9 78 56 34 12").length == 5);
    CHECK(kind("e8 ff ff ff ff") == "call");
    CHECK(ask("e8 ff ff ff ff").displacement == -1);
    CHECK(ask("7f 10").condition == 0xf);
    CHECK(ask("74 80").displacement == -128);
    CHECK(kind("0f 85 00 01 00 00") == "jcc");
    CHECK(ask("0f 85 00 01 00 00").condition == 5);
    CHECK(ask("0f 85 00 01 00 00").displacement == 256);
    CHECK(kind("f2 e9 00 00 00 00") == "jmp"); // bnd jmp
    for (const std::string hex :
         {"e3 00", "e2 00", "ff d0", "ff e0", "c3", "66 e8 00 00 00 00", "3e 74 00", "0f 05", "cc"})
        CHECK_MESSAGE(kind(hex) == "", hex);
}

TEST_CASE("push of a register is emulated in its shortest encodings") {
    CHECK(kind("50") == "push");
    CHECK(ask("54").reg == 4);
    CHECK(ask("57").reg == 7);
    CHECK(ask("41 50").reg == 8);
    CHECK(ask("41 57").reg == 15);
    for (const std::string hex :
         {"48 50", "66 50", "40 50", "42 50", "ff f0", "6a 00", "68 00 00 00 00", "58", "f3 50"})
        CHECK_MESSAGE(kind(hex) == "", hex);
}

TEST_CASE("in 32-bit tasks 40 to 4f are no prefixes, and the same is emulated") {
    const auto kind = [](const char* hex) {
        return std::string(name(emulated_by(bytes(hex), RuleSet::linux_6_18, Mode::k32).kind));
    };
    CHECK(kind("90") == "nop");
    CHECK(kind("55") == "push");
    CHECK(kind("41 50") == ""); // inc ecx
    CHECK(kind("e8 00 00 00 00") == "call");
    CHECK(kind("74 10") == "jcc");
    CHECK(kind("40 90") == "");
}

TEST_CASE("what Linux takes for something else is named") {
    // Facts 4b, measured: the registers are not exchanged.
    for (const std::string hex : {"41 90", "49 90", "4d 90", "66 41 90"}) {
        CHECK_MESSAGE(kind(hex) == "nop", hex);
        CHECK_MESSAGE(ask(hex).defect == "xchg with r8, taken for a nop", hex);
    }
    CHECK(kind("c5 f9 eb c1") == "jmp");    // vpor
    CHECK(kind("c5 f1 74 c2") == "jcc");    // vpcmpeqb
    CHECK(kind("c5 f9 70 c0 1b") == "jcc"); // vpshufd, as jo +27
    CHECK(ask("c5 f9 70 c0 1b").displacement == 27);
    CHECK(ask("c5 f9 70 c0 1b").length == 5);
    CHECK(kind("c5 f1 e8 c2") == "call"); // vpsubsb
    CHECK(ask("c5 f1 e8 c2").displacement == 0);
    CHECK(kind("c5 f8 77") == "jcc");             // vzeroupper
    CHECK(kind("c5 f8 90 c1") == "nop");          // kmovw
    CHECK(kind("c4 e2 69 90 04 08") == "nop");    // vpgatherdd
    CHECK(kind("62 f1 7d 48 70 c0 1b") == "jcc"); // vpshufd of 512 bits
    CHECK(kind("c5 f9 e9 c1") == "jmp");          // vpsubsw
    for (const std::string hex : {"c5 f9 eb c1", "c5 f1 74 c2", "c5 f9 70 c0 1b", "c5 f1 e8 c2", "c5 f8 77",
                                  "c5 f8 90 c1", "c4 e2 69 90 04 08", "62 f1 7d 48 70 c0 1b", "c5 f9 e9 c1"})
        CHECK_MESSAGE(!ask(hex).right(), hex);
    // The non-VEX forms of the same instructions are stepped.
    for (const std::string hex : {"66 0f eb c1", "66 0f 74 c2", "66 0f 70 c0 1b", "66 0f e8 c2"})
        CHECK_MESSAGE(kind(hex) == "", hex);
    CHECK(kind("c5 f8 28 c1") == ""); // vmovaps
}

TEST_CASE("what is refused is not emulated, and missing bytes count as zeros") {
    CHECK(kind("66 eb 00") == "");
    CHECK(kind("2e 74 00") == "");
    CHECK(kind("eb") == "jmp");
    CHECK(ask("eb").displacement == 0);
    CHECK(kind("") == "");
}

} // namespace
} // namespace trapline::test
