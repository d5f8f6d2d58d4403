// Which instructions a jump may replace, on functions written down byte by byte.
#include "decoder/region.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

Region region(const std::string& hex, uint32_t offset = 0) { return FunctionMap(bytes(hex)).jump_region(offset); }
std::string refusal(const std::string& hex, uint32_t offset = 0) {
    return std::string(key(region(hex, offset).refused));
}

TEST_CASE("a jump replaces whole instructions of five bytes or more") {
    // mov eax, 1; ret
    CHECK(region("b8 01 00 00 00 c3").refused == Why::none);
    CHECK(region("b8 01 00 00 00 c3").length == 5);
    CHECK(region("b8 01 00 00 00 c3").instructions == 1);
    // push rbp; mov rbp, rsp; sub rsp, 16; ret
    const std::string prologue = "55 48 89 e5 48 83 ec 10 c3";
    CHECK(region(prologue).length == 8);
    CHECK(region(prologue).instructions == 3);
    CHECK(region(prologue, 1).length == 7);
    // push rax, four times and mov rax, imm64: one and eighteen bytes are possible
    CHECK(region("50 50 50 50 48 b8 00 00 00 00 00 00 00 00 c3").length == 14);
}

TEST_CASE("a region stays inside its function") {
    CHECK(refusal("55 48 89 e5 c3", 1) == "function-end");
    CHECK(refusal("90 90 90 90 c3") == ""); // exactly five
    CHECK(refusal("90 90 90 c3") == "function-end");
    CHECK(refusal("90 90 90 c3 cc cc cc") == "function-end"); // padding does not move
    CHECK(refusal("90 90 90 90 c3 cc cc") == "");
}

TEST_CASE("nobody may jump into the region, in whatever way") {
    const std::string body = "48 89 f8 48 ff c0";       // mov rax, rdi; inc rax
    CHECK(refusal(body + "eb f8", 0) == "");            // back to the probed instruction: that is the probe
    CHECK(refusal(body + "eb fb", 0) == "jumped-into"); // to the second instruction
    CHECK(refusal(body + "74 fb c3", 0) == "jumped-into");
    CHECK(refusal(body + "0f 85 f7 ff ff ff c3", 0) == "jumped-into");
    CHECK(refusal(body + "e2 fb c3", 0) == "jumped-into");
    CHECK(refusal(body + "e9 f8 ff ff ff", 0) == "jumped-into");
    CHECK(refusal(body + "e8 f8 ff ff ff c3", 0) == "jumped-into");
    CHECK(refusal("eb 00 90 90 90 90 90 c3", 2) == "");
    // kprobes counts the byte behind the jump.
    CHECK(refusal("b8 01 00 00 00 ff c8 75 fc c3") == "jumped-into");
    CHECK(refusal("b8 01 00 00 00 90 ff c8 75 fc c3") == "");
    // A jump out of the function is no matter.
    CHECK(refusal(body + "e9 00 01 00 00") == "");
}

TEST_CASE("an indirect jump makes the whole function unsafe, an indirect call does not") {
    CHECK(refusal("48 89 f8 48 ff c0 ff e0") == "indirect-jump-in-function");
    CHECK(refusal("48 89 f8 48 ff c0 ff 25 00 00 00 00") == "indirect-jump-in-function");
    CHECK(refusal("48 89 f8 48 ff c0 ff d0 c3") == "");
}

TEST_CASE("every displaced instruction must be boostable") {
    CHECK(refusal("e8 00 01 00 00 c3") == "call");
    CHECK(refusal("85 c0 74 03 90 c3") == "neighbour-not-boostable");
    CHECK(refusal("0f 10 07 90 90 c3") == "not-in-0f-map"); // movups
}

TEST_CASE("bytes that are no instruction spoil the function") {
    CHECK(refusal("b8 01 00 00 00 c3 06 90") == "undecodable-in-function");
    CHECK(refusal("b8 01 00 00 00 cc c3") == "undecodable-in-function");
    CHECK(refusal("b8 01 00 00 00 c3 48") == "undecodable-in-function");
    CHECK(refusal("b8 01 00 00 00 c3", 1) == "undecodable"); // no instruction starts there
    CHECK(refusal("", 0) == "undecodable");
}

} // namespace
} // namespace trapline::test
