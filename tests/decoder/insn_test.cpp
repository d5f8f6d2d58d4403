#include "decoder/insn.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

TEST_CASE("an instruction is printed with its operands, branch targets as addresses") {
    const Disassembler intel;
    CHECK(intel.text(bytes("48 89 e5"), 0x1000) == "mov rbp, rsp");
    CHECK(intel.text(bytes("c3 90 90"), 0x1000) == "ret");
    CHECK(intel.text(bytes("e8 05 00 00 00"), 0x1000) == "call 0x100a");
    CHECK(intel.text(bytes("e8 05 00 00 00"), 0x401136) == "call 0x401140");
    const Disassembler att(Mode::k64, Disassembler::Syntax::att);
    CHECK(att.text(bytes("48 89 e5"), 0x1000) == "movq %rsp, %rbp");
    const Disassembler i386(Mode::k32);
    CHECK(i386.text(bytes("40"), 0x1000) == "inc eax");
}

TEST_CASE("what Capstone cannot print, or cuts short, is printed as its bytes") {
    const Disassembler printer;
    CHECK(printer.text(bytes("66 e8 01 02 03 04 90"), 0) == ".byte 0x66, 0xe8, 0x01, 0x02, 0x03, 0x04");
    CHECK(printer.text(bytes("0f ff c0"), 0) == ".byte 0x0f, 0xff, 0xc0"); // ud0 with its ModRM
    CHECK(printer.text(bytes("c5 f8 00 c0"), 0) == ".byte 0xc5");
    CHECK(printer.text(bytes("e8 01"), 0) == ".byte 0xe8");
    CHECK(printer.text({}, 0) == "");
}

TEST_CASE("bytes are printed in hex") {
    CHECK(hex(bytes("0f 1f00")) == "0f 1f 00");
    CHECK(hex({}) == "");
}

} // namespace
} // namespace trapline::test
