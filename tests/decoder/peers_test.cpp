// Two other decoders look at the same bytes: over the code of system programs and over random bytes. Where they and we
// differ, the difference has a name and a reason in a table here; one that has none fails.
#include "decoder/insn.hpp"
#include "decoder/outline.hpp"
#include "tests/decoder/peers.hpp"
#include "tests/decoder/program_code.hpp"
#include "tests/decoder/random_bytes.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace trapline::test {
namespace {

struct Case {
    std::span<const uint8_t> bytes;
    Outline insn;
    uint8_t ours = 0; ///< 0: refused
};

struct Difference {
    const char* why;
    bool (*is)(const Case&, uint8_t theirs);
};

bool is_66_branch(const Case& c) {
    const bool branch = (c.insn.map == map::one_byte && (c.insn.opcode == 0xe8 || c.insn.opcode == 0xe9)) ||
                        (c.insn.map == map::m0f && (c.insn.opcode & 0xf0) == 0x80);
    return !c.insn.vector() && branch && (c.insn.prefixes & prefix::operand_size);
}

const Difference with_zydis[] = {
    {"Zydis knows which operands and prefixes an instruction allows, we know its shape; the CPU says #UD",
     [](const Case& c, uint8_t theirs) { return c.ours != 0 && theirs == 0; }},
    {"Zydis has the instructions of Knights Corner (VEX map 0, and mask instructions of its own); Linux has not",
     [](const Case& c, uint8_t theirs) { return c.ours == 0 && theirs != 0 && c.insn.vex && c.insn.map <= 3; }},
    {"Zydis has Knights Corner's MVEX, which is EVEX with a fixed bit cleared; Linux has not",
     [](const Case& c, uint8_t theirs) {
         return c.ours == 0 && theirs != 0 && c.insn.evex && !(c.bytes[c.insn.vector_offset + 2u] & 4);
     }},
};

const Difference with_capstone[] = {
    {"Capstone 4 does not know the instruction, or knows which operands it allows",
     [](const Case& c, uint8_t theirs) { return c.ours != 0 && theirs == 0; }},
    {"Capstone does not ask which opcodes VEX, EVEX and XOP have",
     [](const Case& c, uint8_t theirs) { return c.ours == 0 && theirs != 0 && c.insn.vector(); }},
    {"a branch with a 66 prefix: Capstone takes AMD's two bytes, we Intel's four",
     [](const Case& c, uint8_t) { return is_66_branch(c); }},
    {"a relative call with 67 and REX.W: Capstone 4 takes two bytes, it has four",
     [](const Case& c, uint8_t) {
         return c.insn.opcode == 0xe8 && (c.insn.prefixes & prefix::address_size) && (c.insn.rex & 8);
     }},
    {"ud0 and ud1 have ModRM; Capstone 4 ends before it",
     [](const Case& c, uint8_t) {
         return c.insn.map == map::m0f && (c.insn.opcode == 0xff || c.insn.opcode == 0xb9) && !c.insn.vector();
     }},
    {"SSE4a extrq and insertq have two immediate bytes; Capstone 4 sees vmread",
     [](const Case& c, uint8_t) { return c.insn.map == map::m0f && c.insn.opcode == 0x78 && !c.insn.vector(); }},
    {"ret imm16 has two bytes under any prefix; Capstone 4 takes four with 66 and REX.W",
     [](const Case& c, uint8_t) { return c.insn.opcode == 0xc2 && (c.insn.rex & 8); }},
    {"Capstone 4 lets a REX prefix count that another prefix follows",
     [](const Case& c, uint8_t) {
         return c.insn.rex == 0 && (c.insn.prefixes & prefix::operand_size) && c.insn.map == map::one_byte;
     }},
};

/// Counts the differences that have a name; an unnamed one is a failure.
template <size_t N>
void settle(const Difference (&table)[N], const Case& c, uint8_t theirs, std::map<std::string, size_t>& seen) {
    if (c.ours == theirs) return;
    for (const Difference& difference : table)
        if (difference.is(c, theirs)) {
            ++seen[difference.why];
            return;
        }
    FAIL_CHECK("no reason for a difference at " << hex(c.bytes) << ": we say " << int(c.ours) << ", they "
                                                << int(theirs));
}

void same_parts(const Case& c, const ZydisDecodedInstruction& z) {
    if (c.insn.map == map::m0f && c.insn.opcode == 0x0f) return; // a 3DNow! suffix is an immediate to us, not to Zydis
    const auto& raw = z.raw;
    const bool modrm = (z.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
    const size_t imm_size = (raw.imm[0].size + raw.imm[1].size) / 8u;
    bool same = c.insn.has_modrm == modrm && c.insn.disp_size == raw.disp.size / 8 && c.insn.imm_size == imm_size;
    if (modrm) same = same && c.insn.modrm_offset == raw.modrm.offset;
    if (raw.disp.size) same = same && c.insn.disp_offset == raw.disp.offset;
    if (imm_size) same = same && c.insn.imm_offset == raw.imm[0].offset;
    if (c.insn.has_sib) same = same && raw.sib.offset == c.insn.modrm_offset + 1;
    same = same && c.insn.has_sib == ((z.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0);
    if (!same) FAIL_CHECK("the parts of " << hex(c.bytes) << " are not where Zydis sees them");
}

Case look(std::span<const uint8_t> bytes) {
    Case c{bytes, {}, 0};
    if (decode(bytes, c.insn) == Decoded::ok) c.ours = c.insn.length;
    // An opcode that 64-bit mode lacks has one byte to us and none to the others: that is the same statement.
    if (c.insn.undefined) c.ours = 0;
    return c;
}

TEST_CASE("lengths and parts agree with Zydis and Capstone over the code of system programs") {
    Peers peers;
    size_t instructions = 0;
    std::map<std::string, size_t> seen;
    for (const char* path : {"/bin/bash", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/python3.11", "/bin/busybox"}) {
        for (const auto& code : executable_segments(path)) {
            for (size_t at = 0; at < code.size();) {
                const Case c = look(std::span(code).subspan(at, std::min<size_t>(16, code.size() - at)));
                ZydisDecodedInstruction z;
                const uint8_t theirs = peers.zydis(c.bytes, z);
                settle(with_zydis, c, theirs, seen);
                if (c.ours && c.ours == theirs) same_parts(c, z);
                settle(with_capstone, c, peers.capstone(c.bytes), seen);
                ++instructions;
                at += c.ours ? c.ours : 1;
            }
        }
    }
    REQUIRE_MESSAGE(instructions > 100000, "no system program to look at");
    for (const auto& [why, count] : seen) {
        MESSAGE(count << " of " << instructions << ": " << why);
        // Linear sweeps run into tables between functions, and Capstone 4 lacks parts of AVX-512; no more than that.
        CHECK(count < instructions / 200);
    }
}

TEST_CASE("lengths and parts agree with Zydis and Capstone over two million random byte strings") {
    Peers peers;
    RandomBytes random(20101); // the seed is arbitrary and fixed
    std::map<std::string, size_t> seen;
    for (int i = 0; i < 2'000'000; ++i) {
        const auto bytes = random.next();
        const Case c = look(bytes);
        ZydisDecodedInstruction z;
        const uint8_t theirs = peers.zydis(c.bytes, z);
        settle(with_zydis, c, theirs, seen);
        if (c.ours && c.ours == theirs) same_parts(c, z);
        if (i % 4 == 0) settle(with_capstone, c, peers.capstone(c.bytes), seen);
    }
    for (const auto& [why, count] : seen) MESSAGE(count << ": " << why);
}

} // namespace
} // namespace trapline::test
