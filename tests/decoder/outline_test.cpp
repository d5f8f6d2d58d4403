// Encodings with their mnemonics. Lengths and parts are worked out by hand from the SDM's instruction pages.
#include "decoder/flow.hpp"
#include "decoder/outline.hpp"
#include "tests/decoder/hex.hpp"

#include <doctest/doctest.h>

namespace trapline::test {
namespace {

/// The length when 16 bytes are there, the encoding followed by zeros; 0: refused.
int length(const std::string& hex, Mode mode = Mode::k64) {
    auto code = bytes(hex);
    code.resize(std::max<size_t>(code.size(), 16));
    const auto insn = outline(code, mode);
    return insn ? insn->length : 0;
}

Outline shape(const std::string& hex) {
    const auto insn = outline(bytes(hex));
    REQUIRE_MESSAGE(insn.has_value(), hex);
    return *insn;
}

TEST_CASE("every encoding is exactly as long as its bytes") {
    const char* const encodings[] = {
        "90",                               // nop
        "f3 90",                            // pause
        "0f 1f 44 00 00",                   // nop dword [rax+rax]
        "66 2e 0f 1f 84 00 00 00 00 00",    // nop word cs:[rax+rax], ten bytes
        "f3 0f 1e fa",                      // endbr64
        "55",                               // push rbp
        "41 57",                            // push r15
        "48 89 e5",                         // mov rbp, rsp
        "48 8b 45 f8",                      // mov rax, [rbp-8]
        "48 8b 84 24 00 01 00 00",          // mov rax, [rsp+256]
        "48 8b 04 25 28 00 00 00",          // mov rax, [0x28]
        "64 48 8b 04 25 28 00 00 00",       // mov rax, fs:[0x28]
        "8b 05 10 00 00 00",                // mov eax, [rip+16]
        "66 0f 6f 05 10 00 00 00",          // movdqa xmm0, [rip+16]: four bytes of displacement with 66, too
        "48 8d 3d 00 00 00 00",             // lea rdi, [rip]
        "b8 01 00 00 00",                   // mov eax, 1
        "66 b8 01 00",                      // mov ax, 1
        "48 b8 01 00 00 00 00 00 00 00",    // mov rax, imm64
        "66 48 b8 01 00 00 00 00 00 00 00", // the same: REX.W outweighs 66
        "48 c7 c0 01 00 00 00",             // mov rax, imm32
        "66 c7 00 01 00",                   // mov word [rax], 1
        "c6 00 01",                         // mov byte [rax], 1
        "a0 00 00 00 00 00 00 00 00",       // mov al, moffs64
        "67 a1 00 00 00 00",                // mov eax, moffs32
        "48 a3 00 00 00 00 00 00 00 00",    // mov moffs64, rax
        "f6 c0 01",                         // test al, 1
        "f6 c8 01",                         // test al, 1 in its second form
        "f6 d0",                            // not al
        "f7 c0 01 00 00 00",                // test eax, 1
        "66 f7 c0 01 00",                   // test ax, 1
        "f7 d8",                            // neg eax
        "48 f7 05 00 00 00 00 01 00 00 00", // test qword [rip], 1
        "6b c0 0a",                         // imul eax, eax, 10
        "69 c0 00 01 00 00",                // imul eax, eax, 256
        "66 69 c0 00 01",                   // imul ax, ax, 256
        "68 00 01 00 00",                   // push 256
        "66 68 00 01",                      // push word 256
        "6a 01",                            // push 1
        "c8 10 00 00",                      // enter 16, 0
        "c2 08 00",                         // ret 8
        "66 c2 08 00",                      // ret 8
        "c3",                               // ret
        "f3 c3",                            // rep ret
        "e8 00 00 00 00",                   // call
        "66 e8 00 00 00 00",                // call: Intel ignores 66
        "eb 00",                            // jmp short
        "e9 00 00 00 00",                   // jmp
        "74 00",                            // je
        "0f 84 00 00 00 00",                // je
        "66 0f 84 00 00 00 00",             // je
        "e2 fe",                            // loop
        "67 e3 00",                         // jecxz
        "ff d0",                            // call rax
        "ff 15 00 00 00 00",                // call [rip]
        "3e ff e0",                         // notrack jmp rax
        "ff 25 00 00 00 00",                // jmp [rip]
        "cc",                               // int3
        "cd 80",                            // int 0x80
        "0f 05",                            // syscall
        "0f 0b",                            // ud2
        "0f b9 c0",                         // ud1 eax, eax
        "0f ff c0",                         // ud0 eax, eax
        "0f ff 05 00 00 00 00",             // ud0 eax, [rip]
        "0f a2",                            // cpuid
        "0f 01 f9",                         // rdtscp
        "0f 20 c0",                         // mov rax, cr0
        "0f 20 04",                         // mov rsp, cr0: mod is ignored, so there is no SIB byte
        "0f 77",                            // emms
        "0f 70 c0 01",                      // pshufw mm0, mm0, 1
        "66 0f 73 d8 04",                   // psrldq xmm0, 4
        "0f c2 c1 00",                      // cmpeqps xmm0, xmm1
        "0f ba e0 03",                      // bt eax, 3
        "0f a4 c8 03",                      // shld eax, ecx, 3
        "0f 0f c1 9e",                      // pfadd mm0, mm1
        "66 0f 78 c0 01 02",                // extrq xmm0, 1, 2
        "0f 38 00 c1",                      // pshufb mm0, mm1
        "f2 0f 38 f1 c1",                   // crc32 eax, ecx
        "66 0f 3a 0f c1 05",                // palignr xmm0, xmm1, 5
        "66 0f 3a 63 05 00 00 00 00 1a",    // pcmpistri xmm0, [rip], 0x1a
        "f3 a4",                            // rep movsb
        "f3 48 ab",                         // rep stosq
        "f0 0f b1 0f",                      // lock cmpxchg [rdi], ecx
        "8f 00",                            // pop [rax]
        "8f 05 00 00 00 00",                // pop [rip]
        "c7 f8 00 00 00 00",                // xbegin
        "66 c7 f8 00 00",                   // xbegin rel16
        "c5 f8 77",                         // vzeroupper
        "c5 fd 6f 07",                      // vmovdqa ymm0, [rdi]
        "c5 f9 70 c0 1b",                   // vpshufd xmm0, xmm0, 0x1b
        "c4 e2 63 f6 0d 00 00 00 00",       // mulx ecx, ebx, [rip]
        "c4 e3 7b f0 c0 05",                // rorx eax, eax, 5
        "c4 e3 71 4a c2 30",                // vblendvps xmm0, xmm1, xmm2, xmm3
        "62 f1 7c 48 28 05 00 00 00 00",    // vmovaps zmm0, [rip]
        "62 f1 7c 48 28 40 01",             // vmovaps zmm0, [rax+64]
        "62 f3 75 48 25 c2 ff",             // vpternlogd zmm0, zmm1, zmm2, 0xff
        "62 f5 7c 48 58 c1",                // vaddph zmm0, zmm0, zmm1
        "8f e8 78 c0 c1 01",                // vprotb xmm0, xmm1, 1
        "8f e9 78 80 c1",                   // vfrczps xmm0, xmm1
        "8f ea 78 10 c1 00 00 00 00",       // bextr eax, ecx, imm32
        "48 66 90",                         // a REX that does not count, and a nop
        "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", // fifteen bytes
    };
    for (const char* const encoding : encodings) {
        const int expected = static_cast<int>(bytes(encoding).size());
        CHECK_MESSAGE(length(encoding) == expected, encoding);
        // One byte less is not an instruction, and it is known that more could make it one.
        Outline out;
        const auto code = bytes(encoding);
        CHECK_MESSAGE(decode(std::span(code).first(code.size() - 1), out) == Decoded::truncated, encoding);
    }
}

TEST_CASE("what no CPU takes has no outline") {
    for (const char* const encoding : {
             "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", // sixteen bytes
             "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66",    // prefixes only, and no room for an opcode
             "c5 f8 00 c0",                                     // VEX with an opcode that has no vector form
             "c4 e0 78 10 c0",                                  // VEX map 0
             "62 f0 7c 48 10 c0",                               // EVEX map 0
             "8f e8 78 00 c0",                                  // XOP opcode that does not exist
         })
        CHECK_MESSAGE(length(encoding) == 0, encoding);
    CHECK(outline({}) == std::nullopt);
}

TEST_CASE("opcodes that 64-bit mode lacks are one byte there and whole instructions in 32-bit mode") {
    struct {
        const char* hex;
        int length32;
    } const cases[] = {{"06", 1},    {"27", 1}, {"60", 1}, {"82 c0 01", 3}, {"9a 00 00 00 00 00 00", 7},
                       {"d4 0a", 2}, {"ce", 1}, {"d6", 1}, {"1f", 1},       {"ea 00 00 00 00 00 00", 7}};
    for (const auto& c : cases) {
        CHECK_MESSAGE(shape(c.hex).undefined, c.hex);
        CHECK_MESSAGE(length(c.hex) == 1, c.hex);
        CHECK_MESSAGE(length(c.hex, Mode::k32) == c.length32, c.hex);
    }
}

TEST_CASE("32-bit mode has its own prefixes, addresses and operands") {
    CHECK(length("40", Mode::k32) == 1);                // inc eax
    CHECK(length("a1 00 00 00 00", Mode::k32) == 5);    // mov eax, moffs32
    CHECK(length("67 a1 00 00", Mode::k32) == 4);       // mov eax, moffs16
    CHECK(length("67 8b 06 00 01", Mode::k32) == 5);    // mov eax, [0x100], a 16-bit address
    CHECK(length("67 8b 46 01", Mode::k32) == 4);       // mov eax, [bp+1]
    CHECK(length("67 8b 84 00 01", Mode::k32) == 5);    // mov eax, [si+0x100]: no SIB byte
    CHECK(length("8b 05 00 00 00 00", Mode::k32) == 6); // mov eax, [0]: absolute
    CHECK_FALSE(outline(bytes("8b 05 00 00 00 00"), Mode::k32)->rip_relative);
    CHECK(length("66 e8 00 00", Mode::k32) == 4); // call rel16
    CHECK(length("c5 07", Mode::k32) == 2);       // lds eax, [edi]
    CHECK(length("c5 f8 77", Mode::k32) == 3);    // vzeroupper
    CHECK(length("62 00", Mode::k32) == 2);       // bound eax, [eax]
}

TEST_CASE("the parts lie where the encoding puts them") {
    const auto test = shape("64 48 f7 84 24 00 01 00 00 ff 00 00 00"); // test qword fs:[rsp+256], 255
    CHECK(test.prefixes == prefix::fs);
    CHECK(test.rex == 0x48);
    CHECK(test.rex_offset == 1);
    CHECK(test.opcode_offset == 2);
    CHECK(test.modrm_offset == 3);
    CHECK(test.has_sib);
    CHECK(test.disp_offset == 5);
    CHECK(test.disp_size == 4);
    CHECK(test.imm_offset == 9);
    CHECK(test.imm_size == 4);
    CHECK_FALSE(test.rip_relative);

    const auto load = shape("66 0f 6f 05 10 00 00 00"); // movdqa xmm0, [rip+16]
    CHECK(load.rip_relative);
    CHECK(load.map == map::m0f);
    CHECK(load.disp_offset == 4);
    CHECK(load.disp_size == 4);

    const auto vector = shape("c4 e2 63 f6 0d 00 00 00 00"); // mulx
    CHECK(vector.vex);
    CHECK(vector.map == map::m0f38);
    CHECK(vector.vector_size == 3);
    CHECK(vector.rip_relative);
    CHECK(shape("62 f1 7c 48 28 05 00 00 00 00").evex);
    CHECK(shape("8f e9 78 80 c1").xop);

    CHECK(shape("48 66 90").rex == 0);
    CHECK(shape("c8 10 00 00").imm_size == 3);
    CHECK(shape("a0 00 00 00 00 00 00 00 00").disp_size == 8);
}

TEST_CASE("a repeated string instruction is told from others with the same prefix") {
    for (const char* const hex : {"f3 a4", "f2 ae", "f3 48 ab", "66 f3 a7", "f3 6c", "f2 6f", "f3 ad"})
        CHECK_MESSAGE(shape(hex).rep_string, hex);
    for (const char* const hex : {"a4", "f3 90", "f3 c3", "f3 0f 10 c0", "f3 0f a4 c0 01", "f3 a8 01", "f2 70 00"})
        CHECK_MESSAGE(!shape(hex).rep_string, hex);
}

TEST_CASE("control flow is told from the opcode") {
    struct {
        const char* hex;
        Flow flow;
    } const cases[] = {
        {"90", Flow::sequential},
        {"e8 00 00 00 00", Flow::call},
        {"eb 00", Flow::jump},
        {"e9 00 00 00 00", Flow::jump},
        {"7f 00", Flow::conditional},
        {"0f 8f 00 00 00 00", Flow::conditional},
        {"e0 00", Flow::loop},
        {"e3 00", Flow::loop},
        {"c3", Flow::ret},
        {"ca 00 00", Flow::ret},
        {"ff d0", Flow::call_indirect},
        {"ff 18", Flow::call_indirect},
        {"ff e0", Flow::jump_indirect},
        {"ff 28", Flow::jump_indirect},
        {"ff 30", Flow::sequential},
        {"0f 05", Flow::system},
        {"cd 80", Flow::interrupt},
        {"c5 f1 eb c2", Flow::sequential}, // vpor
        {"cc", Flow::interrupt},
        {"c5 f9 70 c0 1b", Flow::sequential},
        {"d5 00 74 00", Flow::sequential}, // REX2 takes no relative branch
        {"d5 00 ff d0", Flow::call_indirect},
    };
    for (const auto& c : cases) CHECK_MESSAGE(flow(shape(c.hex)) == c.flow, c.hex);
    CHECK(is_breakpoint(bytes("cc 90")));
    CHECK_FALSE(is_breakpoint(bytes("cd 03"))); // int 3 in two bytes is no breakpoint of a probe
    CHECK_FALSE(is_breakpoint({}));
}

TEST_CASE("d5 behind REX is an opcode that 64-bit mode lacks, whatever follows") {
    for (const char* hex : {"48 d5", "48 d5 40 01 90"}) {
        const auto insn = outline(bytes(hex));
        REQUIRE_MESSAGE(insn.has_value(), hex);
        CHECK(insn->undefined);
        CHECK(insn->length == 2);
    }
}

} // namespace
} // namespace trapline::test
