// Copies that run elsewhere. A second decoder is the judge: it must see the same instruction in the copy, with a
// scratch register that nothing else in it uses where RIP was.
#include "decoder/fixup.hpp"
#include "decoder/insn.hpp"
#include "tests/decoder/hex.hpp"
#include "tests/decoder/peers.hpp"

#include <doctest/doctest.h>

#include <random>

namespace trapline::test {
namespace {

OutOfLine copy(const std::string& hex) {
    const auto out = out_of_line(bytes(hex));
    REQUIRE_MESSAGE(out.has_value(), hex);
    return *out;
}

std::string copied_bytes(const OutOfLine& out) { return hex(std::span(out.bytes).first(out.length)); }

TEST_CASE("an instruction that does not depend on its address is copied as it is") {
    const OutOfLine out = copy("48 8b 45 f8 c3"); // mov rax, [rbp-8]; the ret is not part of it
    CHECK(copied_bytes(out) == "48 8b 45 f8");
    CHECK(out.scratch == Scratch::none);
    CHECK(out.post == PostFix::shift);
    CHECK(out.bytes[4] == 0);
    CHECK_FALSE(out_of_line(bytes("c5 f8 00")).has_value());
    CHECK_FALSE(out_of_line(bytes("e8 00")).has_value());
}

TEST_CASE("a relocated copy keeps the target of its RIP-relative operand, and everything else") {
    const auto moved = [](const std::string& from, uint64_t at, uint64_t to) {
        const auto out = relocated(bytes(from), at, to);
        return out ? hex(std::span(*out).first(outline(bytes(from))->length)) : std::string("none");
    };
    CHECK(moved("48 8b 45 f8", 0x1000, 0x9000) == "48 8b 45 f8");
    CHECK(moved("8b 05 10 00 00 00", 0x1000, 0x1000) == "8b 05 10 00 00 00");
    CHECK(moved("8b 05 10 00 00 00", 0x1000, 0x0ff0) == "8b 05 20 00 00 00");
    CHECK(moved("c7 05 fc ff ff ff 44 33 22 11", 0x1000, 0x1100) == "c7 05 fc fe ff ff 44 33 22 11"); // imm32 behind it
    CHECK(moved("8b 05 00 00 00 00", 0x80000000, 0) == "none");
    CHECK(moved("8b 05 ff ff ff 7f", 0x1000, 0x0fff) == "none");
    CHECK(moved("8b 05 ff ff ff 7f", 0x1000, 0x1000) == "8b 05 ff ff ff 7f");
    CHECK(moved("67 8b 05 10 00 00 00", 0x1000, 0x0ff0) == "none"); // eip-relative
    CHECK_FALSE(relocated(bytes("8b"), 0, 0).has_value());
}

TEST_CASE("the scratch register is rsi, else rdi, else rbx, as Linux chooses") {
    struct {
        const char* from;
        const char* to;
        Scratch scratch;
    } const cases[] = {
        {"89 05 10 00 00 00", "89 86 10 00 00 00", Scratch::rsi},                   // mov [rip+16], eax
        {"89 35 10 00 00 00", "89 b7 10 00 00 00", Scratch::rdi},                   // mov [rip+16], esi
        {"44 89 35 10 00 00 00", "44 89 b7 10 00 00 00", Scratch::rdi},             // mov [rip+16], r14d: counts as esi
        {"48 8d 3d 10 00 00 00", "48 8d be 10 00 00 00", Scratch::rsi},             // lea rdi, [rip+16]
        {"48 0f c7 0d 10 00 00 00", "48 0f c7 8e 10 00 00 00", Scratch::rsi},       // cmpxchg16b, which uses rbx
        {"49 8b 05 10 00 00 00", "48 8b 86 10 00 00 00", Scratch::rsi},             // a REX.B that had no effect
        {"c5 c9 fe 05 10 00 00 00", "c5 c9 fe 87 10 00 00 00", Scratch::rdi},       // vpaddd xmm0, xmm6, [rip+16]
        {"c5 c9 fe 3d 10 00 00 00", "c5 c9 fe bb 10 00 00 00", Scratch::rbx},       // vpaddd xmm7, xmm6, [rip+16]
        {"c5 c1 fe 35 10 00 00 00", "c5 c1 fe b3 10 00 00 00", Scratch::rbx},       // vpaddd xmm6, xmm7, [rip+16]
        {"c4 e2 63 f6 0d 10 00 00 00", "c4 e2 63 f6 8e 10 00 00 00", Scratch::rsi}, // mulx ecx, ebx, [rip+16]
        {"c4 c2 63 f6 0d 10 00 00 00", "c4 e2 63 f6 8e 10 00 00 00", Scratch::rsi}, // the same with VEX.B
        {"62 91 7c 48 28 05 10 00 00 00", "62 f1 7c 48 28 86 10 00 00 00", Scratch::rsi}, // vmovaps with EVEX.X and .B
        {"ff 25 10 00 00 00", "ff a6 10 00 00 00", Scratch::rsi},                         // jmp [rip+16]
    };
    for (const auto& c : cases) {
        const OutOfLine out = copy(c.from);
        CHECK_MESSAGE(copied_bytes(out) == c.to, c.from);
        CHECK_MESSAGE(out.scratch == c.scratch, c.from);
        CHECK_MESSAGE(out.length == bytes(c.from).size(), c.from);
    }
}

TEST_CASE("what is corrected after the step depends on what the instruction did to ip") {
    struct {
        const char* hex;
        PostFix post;
    } const cases[] = {
        {"90", PostFix::shift},
        {"eb 10", PostFix::shift},
        {"0f 84 00 00 00 00", PostFix::shift},
        {"e2 fe", PostFix::shift},
        {"9c", PostFix::shift},
        {"0f 05", PostFix::shift},
        {"e8 00 00 00 00", PostFix::call_relative},
        {"ff d0", PostFix::call_indirect},
        {"ff 15 00 00 00 00", PostFix::call_indirect},
        {"ff 1c 24", PostFix::call_indirect},
        {"ff e0", PostFix::absolute},
        {"ff 2c 24", PostFix::absolute},
        {"c3", PostFix::absolute},
        {"f3 c3", PostFix::absolute},
        {"c2 08 00", PostFix::absolute},
        {"cb", PostFix::absolute},
        {"9d", PostFix::popf},
        {"66 9d", PostFix::popf},
        {"ff 35 00 00 00 00", PostFix::shift}, // push [rip]
        {"c5 f1 e8 c2", PostFix::shift},       // vpsubsb: opcode e8, and no call
        {"0f 9d c0", PostFix::shift},          // setge al
    };
    for (const auto& c : cases) CHECK_MESSAGE(copy(c.hex).post == c.post, c.hex);
}

TEST_CASE("behind 66 a call pushes two bytes, but for a REX.W between them") {
    CHECK(copy("e8 00 00 00 00").pushed == 8);
    CHECK(copy("66 ff d0").pushed == 2);
    CHECK(copy("66 48 ff d0").pushed == 8);
    CHECK(copy("66 48 66 ff d0").pushed == 2); // the REX does not stand before the opcode and is ignored
}

ZydisRegister as_zydis(Scratch scratch, bool address32) {
    switch (scratch) {
    case Scratch::rsi:
        return address32 ? ZYDIS_REGISTER_ESI : ZYDIS_REGISTER_RSI;
    case Scratch::rdi:
        return address32 ? ZYDIS_REGISTER_EDI : ZYDIS_REGISTER_RDI;
    default:
        return address32 ? ZYDIS_REGISTER_EBX : ZYDIS_REGISTER_RBX;
    }
}

/// Does any operand but the memory operand's base name that register, in any width, hidden operands included?
bool uses(const ZydisDecodedOperand* operands, size_t count, ZydisRegister scratch) {
    const auto whole = [](ZydisRegister r) { return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r); };
    for (size_t i = 0; i < count; ++i)
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && whole(operands[i].reg.value) == whole(scratch))
            return true;
    return false;
}

TEST_CASE("Zydis sees the same instruction in a RIP-relative copy, with the scratch register as base") {
    const Peers peers;
    std::mt19937_64 random(4444);
    size_t compared = 0;
    for (int i = 0; i < 3'000'000 && compared < 100'000; ++i) {
        uint8_t code[16];
        for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
        // Heads that lead into every map; most strings are not RIP-relative and are skipped below.
        static const std::vector<std::vector<uint8_t>> heads = {
            {},           {0x48},       {0x49}, {0x66}, {0x67}, {0x0f}, {0x48, 0x0f},
            {0x66, 0x0f}, {0xf3, 0x0f}, {0xc4}, {0xc5}, {0x62}, {0x8f}};
        const auto& head = heads[random() % heads.size()];
        std::copy(head.begin(), head.end(), code);
        Outline shape;
        if (decode(code, shape) != Decoded::ok || !shape.has_modrm) continue;
        code[shape.modrm_offset] = static_cast<uint8_t>((code[shape.modrm_offset] & 0x38) | 5); // make it RIP-relative

        ZydisDecodedInstruction from, to;
        ZydisDecodedOperand a[ZYDIS_MAX_OPERAND_COUNT], b[ZYDIS_MAX_OPERAND_COUNT];
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&peers.decoder(), code, sizeof code, &from, a))) continue;
        if (!(from.attributes & ZYDIS_ATTRIB_IS_RELATIVE) || !outline(code)->rip_relative) continue;
        // Behind REX2 and in APX's map Zydis 4 sees nothing; what it decodes is compared in full.
        const auto out = out_of_line(code);
        REQUIRE(out.has_value());
        CAPTURE(hex(std::span(code).first(from.length)));
        CAPTURE(hex(std::span(out->bytes).first(out->length)));
        REQUIRE(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&peers.decoder(), out->bytes.data(), out->length, &to, b)));
        CHECK(to.length == from.length);
        CHECK(to.mnemonic == from.mnemonic);
        REQUIRE(to.operand_count == from.operand_count);
        const ZydisRegister scratch = as_zydis(out->scratch, from.address_width == 32);
        CHECK_FALSE(uses(a, from.operand_count, scratch));
        for (size_t k = 0; k < from.operand_count; ++k) {
            CHECK(b[k].type == a[k].type);
            CHECK(b[k].size == a[k].size);
            if (a[k].type == ZYDIS_OPERAND_TYPE_REGISTER) CHECK(b[k].reg.value == a[k].reg.value);
            if (a[k].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) CHECK(b[k].imm.value.u == a[k].imm.value.u);
            if (a[k].type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
            const bool was_rip = a[k].mem.base == ZYDIS_REGISTER_RIP || a[k].mem.base == ZYDIS_REGISTER_EIP;
            CHECK(b[k].mem.base == (was_rip ? scratch : a[k].mem.base));
            CHECK(b[k].mem.index == a[k].mem.index);
            CHECK(b[k].mem.segment == a[k].mem.segment);
            CHECK(b[k].mem.disp.value == a[k].mem.disp.value);
        }
        ++compared;
    }
    CHECK(compared > 50'000);
    MESSAGE(compared << " copies compared");
}

} // namespace
} // namespace trapline::test
