// What kernels boost. The sets are written down here a second time as their sources have them: the mail of 2005 as
// ranges, the later kernels as the conditions of facts about their kprobes.
#include "decoder/boostable.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

#include <set>
#include <utility>

namespace trapline::test {
namespace {

bool boosted(const std::string& hex, BoostRules rules, Mode mode = Mode::k64) {
    return boostable(bytes(hex), rules, mode).possible();
}

TEST_CASE("the list of 2005 is the mail's list") {
    // Seed 002, from "0FH (2byte escape)" to "FEH-FFH".
    const std::pair<int, int> list[] = {
        {0x0f, 0x0f}, {0x70, 0x7f}, {0x9a, 0x9a}, {0x9c, 0x9c}, {0xc0, 0xc1}, {0xc6, 0xc7}, {0xcc, 0xce}, {0xd0, 0xd3},
        {0xd6, 0xd6}, {0xd8, 0xdf}, {0xe0, 0xe3}, {0xe8, 0xe8}, {0xf0, 0xf3}, {0xf4, 0xf4}, {0xf6, 0xf7}, {0xfe, 0xff}};
    for (int op = 0; op < 256; ++op) {
        bool listed = false;
        for (const auto& [first, last] : list) listed = listed || (first <= op && op <= last);
        const uint8_t code[] = {static_cast<uint8_t>(op)};
        const Boost b = boostable(code, BoostRules::booster_2005, Mode::k32);
        CHECK_MESSAGE((b.refused == Why::none) == !listed, "opcode " << op);
    }
}

TEST_CASE("in 2005 absolute jumps are boosted by their first step, and relative ones are left to be measured") {
    const BoostRules old = BoostRules::booster_2005;
    for (const std::string hex : {"ff e0", "ff 25 00 00 00 00", "ff 28"}) {
        CHECK_MESSAGE(boosted(hex, old, Mode::k32), hex);
        CHECK_MESSAGE(boostable(bytes(hex), old, Mode::k32).after_one_step, hex);
    }
    CHECK_FALSE(boosted("ff d0", old, Mode::k32));
    CHECK_FALSE(boosted("ff 18", old, Mode::k32));
    CHECK_FALSE(boosted("ff c0", old, Mode::k32)); // inc eax, a reserved neighbour's victim
    CHECK(boosted("eb 00", old, Mode::k32));
    CHECK(boosted("66 90", old, Mode::k32));
    CHECK(boosted("c3", old, Mode::k32));
    CHECK(boosted("40", old, Mode::k32)); // inc eax
    CHECK_FALSE(boosted("40 90", old));   // a REX prefix
    CHECK(boosted("89 e5", old));
}

TEST_CASE("2.6.32 skips prefixes, refuses 2e and 67, and knows two-byte opcodes") {
    const BoostRules r = BoostRules::linux_2_6_32;
    for (const std::string hex : {"48 89 e5",
                                  "66 90",
                                  "f3 a4",
                                  "f0 48 0f b1 0f",
                                  "26 90",
                                  "36 90",
                                  "3e 90",
                                  "64 90",
                                  "9c",
                                  "c6 00 01",
                                  "c7 00 01 00 00 00",

                                  "0f 31",
                                  "0f 44 c1",
                                  "0f af c1",
                                  "c3",
                                  "ea",
                                  "cf",
                                  "d7",
                                  "e4 00",
                                  "ff e0",
                                  "48 ff e0",
                                  "41 ff 28"})
        CHECK_MESSAGE(boosted(hex, r), hex);
    for (const std::string hex :
         {"2e 90",          "67 90",          "70 00", "9a",    "c1 e0 02", "d1 e0",    "d9 00",    "e2 fe",
          "e8 00 00 00 00", "e9 00 00 00 00", "eb 00", "f4",    "cc",       "f1",       "f7 d0",    "48 f7 d0",
          "ff c0",          "ff d0",          "fe c0", "0f 05", "0f 0b",    "0f 10 00", "0f 1f 00", "0f 84 00 00 00 00",
          "0f 38 00 c1",    "0f ba e0 01"})
        CHECK_MESSAGE(!boosted(hex, r), hex);
    CHECK(boosted("40", r, Mode::k32));
    CHECK(boosted("4f", r, Mode::k32));
}

TEST_CASE("6.12 adds the long nop and most of the groups") {
    const BoostRules r = BoostRules::linux_6_12;
    for (const std::string hex :
         {"48 89 e5", "66 90", "f3 a4", "c1 e0 02", "d1 e0", "f7 d0", "48 f7 d0", "ff c0", "ff c8", "ff e0", "fe c0",
          "9c", "0f 1f 00", "0f 1f 44 00 00", "67 0f 1f 00", "c3", "cf", "90"})
        CHECK_MESSAGE(boosted(hex, r), hex);
    for (const std::string hex : {"2e 90",
                                  "67 90",
                                  "70 00",
                                  "c1 f0 02",
                                  "d3 f0",
                                  "f7 c8 00 00 00 00",
                                  "f6 c8 00",
                                  "ff d0",
                                  "ff 28",
                                  "ff 30",
                                  "fe d0",
                                  "d9 00",
                                  "e2 fe",
                                  "e8 00 00 00 00",
                                  "e9 00 00 00 00",
                                  "eb 00",
                                  "f4",
                                  "cc",
                                  "0f 05",
                                  "0f 0b",
                                  "0f 10 00",
                                  "0f 84 00 00 00 00",
                                  "0f 38 00 c1",
                                  "0f 3a 0f c1 01",
                                  "62 f1 7d 48 fe d2"})
        CHECK_MESSAGE(!boosted(hex, r), hex);
}

TEST_CASE("6.12 looks a vector instruction up as if its opcode stood in the one-byte map") {
    const BoostRules r = BoostRules::linux_6_12;
    CHECK(boosted("c5 f8 28 c1", r));       // vmovaps: 28 is sub
    CHECK_FALSE(boosted("0f 28 c1", r));    // movaps: not in the two-byte map
    CHECK_FALSE(boosted("c5 f1 eb c2", r)); // vpor: eb is jmp
    CHECK_FALSE(boosted("c5 f8 77", r));    // vzeroupper: 77 is ja
    CHECK_FALSE(boosted("c5 f9 d8 c0", r)); // vpsubusb: d8 is x87
}

TEST_CASE("the two-byte maps of 2.6.32 and 6.12 allow these opcodes and no others") {
    // Facts 4d: the rows of the kernel's bitmap.
    std::set<int> allowed;
    const auto add = [&allowed](std::initializer_list<int> ops) { allowed.insert(ops); };
    const auto row = [&allowed](int first, int last) {
        for (int op = first; op <= last; ++op) allowed.insert(op);
    };
    add({0x02, 0x03, 0x06, 0x08, 0x09, 0x31});
    row(0x20, 0x23);
    row(0x40, 0x4f);
    row(0x60, 0x6b);
    add({0x6e, 0x6f, 0x74, 0x75, 0x76, 0x77, 0x7e, 0x7f});
    row(0x90, 0x9f);
    add({0xa0, 0xa1, 0xa3, 0xa4, 0xa5, 0xa8, 0xa9, 0xab, 0xac, 0xad, 0xaf});
    row(0xb0, 0xb7);
    row(0xbb, 0xbf);
    add({0xc0, 0xc1});
    row(0xc8, 0xcf);
    for (const int base : {0xd0, 0xe0})
        add({base + 1, base + 2, base + 5, base + 8, base + 9, base + 0xb, base + 0xc, base + 0xd, base + 0xf});
    add({0xd3});
    add({0xf1, 0xf2, 0xf3, 0xf5, 0xf8, 0xf9, 0xfa, 0xfc, 0xfd, 0xfe});
    for (int op = 0; op < 256; ++op) {
        const uint8_t code[] = {0x0f, static_cast<uint8_t>(op)};
        CHECK_MESSAGE(boostable(code, BoostRules::linux_2_6_32).possible() == allowed.contains(op), "0f " << op);
        CHECK_MESSAGE(boostable(code, BoostRules::linux_6_12).possible() == (allowed.contains(op) || op == 0x1f),
                      "0f " << op);
    }
}

TEST_CASE("an instruction must leave room for the jump back in 16 bytes") {
    // mov word fs:[rsp + disp32], imm16 without and with one more prefix: 11 and 12 bytes.
    const std::string eleven = "64 66 c7 84 24 00 00 00 00 01 00";
    const std::string twelve = "64 66 41 c7 84 24 00 00 00 00 01 00";
    CHECK(outline(bytes(eleven))->length == 11);
    CHECK(boosted(eleven, BoostRules::linux_6_12));
    CHECK_FALSE(boosted(eleven, BoostRules::linux_2_6_32));
    CHECK_FALSE(boosted(twelve, BoostRules::linux_6_12));
    CHECK(boosted("66 c7 84 24 00 00 00 00 01 00", BoostRules::linux_2_6_32));
}

TEST_CASE("what cannot be decoded is not boosted, and every refusal has a reason") {
    for (const BoostRules r : {BoostRules::booster_2005, BoostRules::linux_2_6_32, BoostRules::linux_6_12}) {
        CHECK_FALSE(boosted("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66", r));
        CHECK_FALSE(boosted("c4 e0 78 10 c0", r));
        CHECK(boostable({}, r).possible()); // zeros: add [rax], al
    }
}

} // namespace
} // namespace trapline::test
