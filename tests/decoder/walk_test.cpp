#include "decoder/walk.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

TEST_CASE("a walk counts instructions and says where the last one starts") {
    // push rbp; mov rbp, rsp; mov eax, [rip+16]; ret
    const Walk w = walk(bytes("55 48 89 e5 8b 05 10 00 00 00 c3"));
    CHECK(w.count == 4);
    CHECK(w.last_offset == 10);
    CHECK(w.first_wanted == -1);
    CHECK_FALSE(w.ends_in_rep);
    CHECK(walk({}).count == 0);
}

TEST_CASE("a walk finds the first instruction of a kind, also one that no CPU has") {
    const auto first = [](const char* hex) {
        return walk(bytes(hex), [](const Outline& insn, std::span<const uint8_t>) { return insn.vector(); })
            .first_wanted;
    };
    CHECK(first("90 c5 f9 fe c1 c5 f8 77") == 1); // nop; vpaddd; vzeroupper
    CHECK(first("c5 f9 fe c1") == 0);
    CHECK(first("90 90 c5 f8 00 c0") == 2);
    CHECK(first("90 62 f1 7c 48 28 00") == 1);
    CHECK(first("90 8f e9 78 80 c1") == 1);
    CHECK(first("90 c5 f9") == 1);  // cut short, and still recognised
    CHECK(first("8f 00 90") == -1); // pop [rax]
}

TEST_CASE("a walk knows whether it ends in a repeated string instruction") {
    CHECK(walk(bytes("90 f3 a4")).ends_in_rep);
    CHECK_FALSE(walk(bytes("f3 a4 90")).ends_in_rep);
    CHECK_FALSE(walk(bytes("90 f3 90")).ends_in_rep);
}

TEST_CASE("what cannot be decoded counts as one instruction and ends the walk") {
    const Walk cut = walk(bytes("90 90 e8 00 00"));
    CHECK(cut.count == 3);
    CHECK(cut.last_offset == 2);
    const Walk bad = walk(bytes("90 c5 f8 00 c0 90 90 90"));
    CHECK(bad.count == 2);
    CHECK(bad.last_offset == 1);
    const Walk missing = walk(bytes("06 90 90")); // push es: 64-bit mode lacks it
    CHECK(missing.count == 1);
}

TEST_CASE("a walk over the largest block stays inside its offsets") {
    const std::vector<uint8_t> nops(70000, 0x90);
    const Walk w = walk(nops);
    CHECK(w.count == 32767);
    CHECK(w.last_offset == 32766);
}

} // namespace
} // namespace trapline::test
