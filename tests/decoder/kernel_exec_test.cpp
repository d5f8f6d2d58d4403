// What runs in the kernel as it does in user mode. Zydis says which instructions branch, are privileged, use the stack
// or name rsp; the rest is examples from the SDM.
#include "decoder/insn.hpp"
#include "decoder/kernel_exec.hpp"
#include "tests/decoder/hex.hpp"
#include "tests/decoder/random_bytes.hpp"

#include <Zydis/Zydis.h>
#include <doctest/doctest.h>

namespace trapline::test {
namespace {

std::string refusal(const std::string& hex, KernelRing ring = KernelRing::ring0) {
    const auto insn = outline(bytes(hex));
    REQUIRE_MESSAGE(insn, hex);
    return std::string(key(kernel_exec(*insn, ring)));
}

TEST_CASE("regular instructions run in the kernel, whatever their addresses are made of") {
    for (const std::string hex :
         {"48 89 07", "48 8b 44 24 08", "48 8b 05 00 00 00 00", "0f 28 c1", "f3 a4", "d9 00",
          "64 48 8b 04 25 28 00 00 00", "c5 f8 28 c1", "0f a2", "48 0f c7 0f", "0f ae 00", "88 e0"})
        CHECK_MESSAGE(refusal(hex) == "", hex);
}

TEST_CASE("what goes elsewhere, pushes, or is another thing in another ring does not") {
    CHECK(refusal("e8 00 00 00 00") == "control-flow");
    CHECK(refusal("c3") == "control-flow");
    CHECK(refusal("ff e0") == "control-flow");
    CHECK(refusal("0f 05") == "control-flow");
    CHECK(refusal("c7 f8 00 00 00 00") == "control-flow"); // xbegin
    CHECK(refusal("55") == "uses-stack");
    CHECK(refusal("8f 00") == "uses-stack");
    CHECK(refusal("9c") == "uses-stack");
    CHECK(refusal("48 89 e5") == "names-rsp");
    CHECK(refusal("48 83 ec 10") == "names-rsp");
    CHECK(refusal("bc 00 00 00 00") == "names-rsp");
    CHECK(refusal("40 b4 01") == "names-rsp"); // mov spl, 1
    CHECK(refusal("b4 01") == "");             // mov ah, 1
    CHECK(refusal("f4") == "privileged");
    CHECK(refusal("0f 30") == "privileged");
    CHECK(refusal("0f 22 c0") == "privileged");
    CHECK(refusal("8c c8") == "depends-on-ring"); // mov eax, cs
    CHECK(refusal("0f 31") == "depends-on-ring"); // rdtsc, where CR4.TSD is set
    CHECK(refusal("0f 0b") == "raises-exception");
    CHECK(refusal("65 48 8b 00") == "gs-operand");
    CHECK(refusal("c4 e2 69 90 04 08") == "gather");
    CHECK(refusal("0f ae 20") == "memory-of-unknown-size"); // xsave
}

TEST_CASE("without checks the addresses do not matter, and in ring 2 neither stack nor privilege") {
    CHECK(refusal("c4 e2 69 90 04 08", KernelRing::ring0_unchecked) == "");
    CHECK(refusal("0f ae 20", KernelRing::ring0_unchecked) == "");
    CHECK(refusal("55", KernelRing::ring2) == "");
    CHECK(refusal("48 89 e5", KernelRing::ring2) == "");
    CHECK(refusal("f4", KernelRing::ring2) == ""); // raises #GP, as in ring 3
    CHECK(refusal("e8 00 00 00 00", KernelRing::ring2) == "control-flow");
    CHECK(refusal("8c c8", KernelRing::ring2) == "depends-on-ring");
    CHECK(refusal("0f ae 20", KernelRing::ring2) == "");
}

bool is_rsp(ZydisRegister r) {
    return r == ZYDIS_REGISTER_RSP || r == ZYDIS_REGISTER_ESP || r == ZYDIS_REGISTER_SP || r == ZYDIS_REGISTER_SPL;
}

struct Zydis {
    bool branches = false, privileged = false, names_rsp = false, uses_stack = false, vsib = false;
};

/// Not privileged to Zydis: what the I/O privilege level allows, and what exists in no user's mode.
bool ask_the_level(const ZydisDecodedInstruction& insn) {
    switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_GETSEC:
    case ZYDIS_MNEMONIC_RSM:
        return true;
    default:
        return insn.meta.category == ZYDIS_CATEGORY_IO || insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
    }
}

/// A register that is named and not looked at.
bool is_hint(const Outline& insn) {
    return insn.map == map::m0f && !insn.vector() && (insn.opcode == 0x0d || (insn.opcode & 0xf8) == 0x18);
}

Zydis ask(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
    Zydis out;
    out.branches = insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || insn.meta.category == ZYDIS_CATEGORY_RET ||
                   insn.meta.category == ZYDIS_CATEGORY_INTERRUPT || insn.meta.category == ZYDIS_CATEGORY_SYSCALL;
    // A transaction that aborts goes elsewhere, too.
    out.branches = out.branches || insn.mnemonic == ZYDIS_MNEMONIC_XBEGIN || insn.mnemonic == ZYDIS_MNEMONIC_XABORT;
    out.privileged = (insn.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0;
    for (int i = 0; i < insn.operand_count; ++i) {
        const ZydisDecodedOperand& o = operands[i];
        if (o.type == ZYDIS_OPERAND_TYPE_REGISTER && is_rsp(o.reg.value))
            (o.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT ? out.names_rsp : out.uses_stack) = true;
        if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_VSIB) out.vsib = true;
    }
    return out;
}

TEST_CASE("Zydis sees no branch, stack, rsp or privilege in what runs in the kernel") {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    RandomBytes random(2006);
    size_t compared = 0;
    for (int i = 0; i < 1'000'000; ++i) {
        const auto code = random.next();
        const auto insn = outline(code);
        ZydisDecodedInstruction z;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (!insn || !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &z, operands))) continue;
        if (z.length != insn->length) continue;
        ++compared;
        const Zydis theirs = ask(z, operands);
        const Why ours = kernel_exec(*insn, KernelRing::ring0);
        const auto own = std::span(code).first(insn->length);
        const bool theirs_no =
            theirs.branches || theirs.privileged || theirs.names_rsp || theirs.uses_stack || theirs.vsib;
        if (theirs_no && ours == Why::none && !is_hint(*insn))
            FAIL_CHECK("runs in the kernel, and should not: " << hex(own));
        if (ours == Why::control_flow && !theirs.branches) FAIL_CHECK("no control flow: " << hex(own));
        if (ours == Why::uses_stack && !theirs.uses_stack) FAIL_CHECK("no stack: " << hex(own));
        if (ours == Why::names_rsp && !theirs.names_rsp && !insn->vector()) FAIL_CHECK("no rsp: " << hex(own));
        if (ours == Why::privileged && !theirs.privileged && !ask_the_level(z))
            FAIL_CHECK("not privileged: " << hex(own));
        if (ours == Why::gather && !theirs.vsib) FAIL_CHECK("no gather: " << hex(own));
    }
    CHECK(compared > 500'000);
}

} // namespace
} // namespace trapline::test
