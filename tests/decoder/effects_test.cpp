// What instructions read and change, in both modes. Zydis is the judge: it is asked about one instruction of each form
// (mnemonic, kinds and sizes of operands) in real code, which is decoded as 32-bit code, too. Where it is not followed
// the reason is in a table.
#include "decoder/effects.hpp"
#include "decoder/insn.hpp"
#include "tests/decoder/hex.hpp"
#include "tests/decoder/program_code.hpp"

#include <Zydis/Zydis.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace trapline::test {
namespace {

/// Zydis's answer for one instruction.
struct Judge {
    Judge(std::span<const uint8_t> bytes, Mode mode) {
        const bool wide = mode == Mode::k64;
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
                         wide ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
        known = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &insn, operands)) &&
                insn.length == bytes.size();
        if (!known) return;
        key = ZydisMnemonicGetString(insn.mnemonic);
        for (int i = 0; i < insn.operand_count_visible; ++i)
            key += std::string(operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY     ? " m"
                               : operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? " r"
                                                                                 : " i") +
                   std::to_string(operands[i].size);
        if (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) key += " rep";
        for (int i = 0; i < insn.operand_count; ++i) add(operands[i]);
        if (insn.cpu_flags == nullptr) return;
        effects.flags_read = static_cast<uint16_t>(insn.cpu_flags->tested & flag::all);
        effects.flags_written = static_cast<uint16_t>(
            (insn.cpu_flags->modified | insn.cpu_flags->set_0 | insn.cpu_flags->set_1) & flag::all);
        effects.flags_undefined = static_cast<uint16_t>(insn.cpu_flags->undefined & flag::all);
    }

    bool is(std::initializer_list<ZydisMnemonic> mnemonics) const {
        return std::find(mnemonics.begin(), mnemonics.end(), insn.mnemonic) != mnemonics.end();
    }

    bool known = false;
    std::string key;
    Effects effects;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  private:
    static void add(ZydisRegister reg, bool reads, bool writes, Effects& e) {
        const ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
        const int number = ZydisRegisterGetId(full);
        const uint32_t bit = number >= 0 && number < 32 ? 1u << number : 0;
        const bool general = full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15;
        const bool vector = full >= ZYDIS_REGISTER_ZMM0 && full <= ZYDIS_REGISTER_ZMM31;
        if (general && reads) e.read |= bit;
        if (general && writes) e.written |= bit;
        if (vector && reads) e.vector_read |= bit;
        if (vector && writes) e.vector_written |= bit;
    }
    void add(const ZydisDecodedOperand& o) {
        // A conditional write leaves what was there, which is an operand, then.
        const bool reads = o.actions & (ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_CONDWRITE),
                   writes = o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
        if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) add(o.reg.value, reads, writes, effects);
        if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) return;
        add(o.mem.base, true, false, effects);
        add(o.mem.index, true, false, effects);
        const bool own = o.mem.type == ZYDIS_MEMOP_TYPE_MEM && (o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
                                                                o.encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64);
        if (!own) return;
        effects.reads_operand |= (o.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
        effects.writes_operand |= writes;
        if (effects.operand_bytes == 0) effects.operand_bytes = o.size / 8;
    }
};

enum Part : unsigned { registers_read = 1, registers_written = 2, flags = 4, direction = 8, size = 16, vectors = 32 };

unsigned differences(const Effects& a, const Effects& b) {
    unsigned out = 0;
    if (a.read != b.read) out |= registers_read;
    if (a.written != b.written) out |= registers_written;
    if (a.flags_read != b.flags_read || a.flags_written != b.flags_written || a.flags_undefined != b.flags_undefined)
        out |= flags;
    if (a.reads_operand != b.reads_operand || a.writes_operand != b.writes_operand) out |= direction;
    if (a.operand_bytes != b.operand_bytes) out |= size;
    // What is not written of a vector register stays, and may be said to be read.
    if (((a.vector_read ^ b.vector_read) & ~b.vector_written) != 0 || a.vector_written != b.vector_written)
        out |= vectors;
    return out;
}

struct Settled {
    const char* reason;
    unsigned parts;
    bool (*is)(const Judge& judge, const Outline& insn);
};
constexpr Settled settled[] = {
    {"Zydis 4 leaves sbb's AF undefined; it is the borrow of bit 3 (SDM volume 2, \"SBB\")", flags,
     [](const Judge& j, const Outline&) { return j.is({ZYDIS_MNEMONIC_SBB}); }},
    {"Zydis takes shifts by one for shifts by any number, whose OF is undefined", flags,
     [](const Judge&, const Outline& i) { return i.map == map::one_byte && (i.opcode & 0xfe) == 0xd0; }},
    {"the pointers of string instructions change; Zydis says so of repeated ones only, or not at all",
     registers_read | registers_written,
     [](const Judge&, const Outline& i) {
         return i.map == map::one_byte && ((i.opcode >= 0xa4 && i.opcode <= 0xaf) || (i.opcode & 0xfc) == 0x6c);
     }},
    {"nops and prefetches touch no memory; Zydis has an operand that is read", direction | size,
     [](const Judge&, const Outline& i) {
         return i.map == map::m0f && !i.vector() && (i.opcode == 0x0d || (i.opcode >= 0x18 && i.opcode <= 0x1f));
     }},
    {"xlat reads al", registers_read, [](const Judge& j, const Outline&) { return j.is({ZYDIS_MNEMONIC_XLAT}); }},
    {"what becomes of eax in a transaction that is aborted", registers_read | registers_written,
     [](const Judge& j, const Outline&) {
         return j.is({ZYDIS_MNEMONIC_XBEGIN, ZYDIS_MNEMONIC_XABORT});
     }},
    {"vzeroall and vzeroupper write all of them, which Zydis does not list", vectors,
     [](const Judge& j, const Outline&) {
         return j.is({ZYDIS_MNEMONIC_VZEROALL, ZYDIS_MNEMONIC_VZEROUPPER});
     }},
    {"clflush has an address, and no access", direction | size,
     [](const Judge& j, const Outline&) { return j.is({ZYDIS_MNEMONIC_CLFLUSH}); }},
    {"Capstone 4 loses registers of EVEX instructions", vectors, [](const Judge&, const Outline& i) { return i.evex; }},
};

void compare(Mode mode) {
    const EffectReader reader(mode);
    std::set<std::string> seen;
    size_t compared = 0, unknown = 0;
    std::map<std::string, size_t> met;
    for (const char* const path : {"/bin/bash", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
                                   "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"})
        for (const std::vector<uint8_t>& segment : executable_segments(path)) {
            std::span<const uint8_t> code(segment);
            while (!code.empty()) {
                const auto insn = outline(code, mode);
                const size_t length = insn ? insn->length : 1;
                const auto bytes = code.first(length);
                code = code.subspan(length);
                if (!insn) continue;
                const Judge judge(bytes, mode);
                if (!judge.known || !seen.insert(judge.key).second) continue;
                const auto ours = reader.effects(bytes);
                if (!ours) {
                    ++unknown;
                    continue;
                }
                ++compared;
                unsigned open = differences(*ours, judge.effects);
                for (const Settled& s : settled)
                    if ((open & s.parts) && s.is(judge, *insn)) open &= ~s.parts, ++met[s.reason];
                if (open != 0)
                    FAIL_CHECK(hex(bytes)
                               << " " << judge.key << " differs in " << open << std::hex << ": read " << ours->read
                               << "/" << judge.effects.read << " written " << ours->written << "/"
                               << judge.effects.written << " flags " << ours->flags_read << "," << ours->flags_written
                               << "," << ours->flags_undefined << "/" << judge.effects.flags_read << ","
                               << judge.effects.flags_written << "," << judge.effects.flags_undefined << " operand "
                               << ours->reads_operand << ours->writes_operand << "," << ours->operand_bytes << "/"
                               << judge.effects.reads_operand << judge.effects.writes_operand << ","
                               << judge.effects.operand_bytes << " vectors " << ours->vector_read << ","
                               << ours->vector_written << "/" << judge.effects.vector_read << ","
                               << judge.effects.vector_written);
            }
        }
    MESSAGE(compared << " forms compared, " << unknown << " that Capstone does not know");
    for (const auto& [reason, count] : met) MESSAGE(count << ": " << reason);
}

TEST_CASE("Zydis sees the same effects in 64-bit code, but for a list") { compare(Mode::k64); }
TEST_CASE("Zydis sees the same effects in 32-bit code, but for the same list") { compare(Mode::k32); }

Effects effects_of(const char* hex, Mode mode = Mode::k64) {
    const auto out = EffectReader(mode).effects(bytes(hex));
    REQUIRE_MESSAGE(out.has_value(), hex);
    return *out;
}

TEST_CASE("the stack pointer moves by what is pushed and popped, as wide as the mode and the prefix have it") {
    struct {
        const char* hex;
        std::optional<int32_t> wide, narrow;
    } const cases[] = {
        {"50", -8, -4},    {"66 50", -2, -2},
        {"58", 8, 4},      {"68 00 00 00 00", -8, -4},
        {"ff 30", -8, -4}, {"e8 00 00 00 00", -8, -4},
        {"c3", 8, 4},      {"c2 10 00", 24, 20},
        {"9c", -8, -4},    {"c9", {}, {}},
        {"89 e0", 0, 0},   {"89 c4", {}, {}},
        {"90", 0, 0},      {"0f a0", -8, -4},
        {"5c", {}, {}},    {"83 ec 10", {}, {}},
    };
    for (const auto& c : cases) {
        CHECK_MESSAGE(effects_of(c.hex).stack == c.wide, c.hex);
        CHECK_MESSAGE(effects_of(c.hex, Mode::k32).stack == c.narrow, c.hex);
    }
    CHECK(effects_of("60", Mode::k32).stack == -32);
    CHECK(effects_of("61", Mode::k32).stack == 32);
}

TEST_CASE("what faults, traps and serialises") {
    // SDM volume 2, "Protected Mode Exceptions" and "Numeric Exceptions" of each; volume 3, "Serializing Instructions".
    for (const char* const hex : {"8b 00", "89 00", "50", "c3", "f7 f1", "0f 0b", "f4", "a4", "d9 fa", "0f 51 c0",
                                  "ff e0", "0f 30", "8e d8", "d7"})
        CHECK_MESSAGE(effects_of(hex).can_fault, hex);
    for (const char* const hex :
         {"90", "01 c8", "8d 00", "0f 1f 00", "0f 44 c1", "eb 00", "c1 e0 03", "0f c8", "f7 e1"})
        CHECK_FALSE_MESSAGE(effects_of(hex).can_fault, hex);
    for (const char* const hex : {"cc", "cd 80", "f1", "0f 05"}) CHECK_MESSAGE(effects_of(hex).traps, hex);
    for (const char* const hex : {"cf", "90", "e8 00 00 00 00"}) CHECK_FALSE_MESSAGE(effects_of(hex).traps, hex);
    for (const char* const hex : {"0f a2", "cf", "0f 22 d8", "0f 30", "0f 01 38", "0f 09"})
        CHECK_MESSAGE(effects_of(hex).serialises, hex);
    for (const char* const hex : {"0f ae f0", "90", "0f 01 c8", "f0 01 00", "0f 31"})
        CHECK_FALSE_MESSAGE(effects_of(hex).serialises, hex);
}

} // namespace
} // namespace trapline::test
