// decoder/outline.hpp: where one x86 instruction ends, and where its parts lie.
//
// The machine counts instructions by walking every block that it translates, so this must be fast: tables and no
// allocation. It knows the shape of an instruction (prefixes, opcode, ModRM, SIB, displacement, immediate) and nothing
// of its meaning. The shape is what a CPU takes: a REX prefix that does not stand directly before the opcode is
// ignored, prefixes may repeat, 15 bytes are the limit. Where vendors differ the Intel form is taken (66 e8 has four
// bytes of displacement), as Linux's decoder does. An opcode that does not exist is refused in the VEX, EVEX and XOP
// maps (decoder/vector_map.cpp); in the older maps it gets the shape of its neighbours, and the CPU says #UD. Read
// decoder/opcode_map.hpp next for the tables, decoder/walk.hpp for the count.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace trapline {

enum class Mode : uint8_t { k64, k32 };

/// Legacy prefixes as a bit set (SDM volume 2, "Instruction Prefixes").
namespace prefix {
inline constexpr uint16_t es = 1, cs = 2, ss = 4, ds = 8, fs = 16, gs = 32;
inline constexpr uint16_t operand_size = 64, address_size = 128, lock = 256, repne = 512, rep = 1024;
} // namespace prefix

/// The opcode map an instruction is found in. The numbers are the map fields of VEX, EVEX and XOP.
namespace map {
inline constexpr uint8_t one_byte = 0, m0f = 1, m0f38 = 2, m0f3a = 3, apx = 4, fp16_5 = 5, fp16_6 = 6, msr = 7;
inline constexpr uint8_t xop8 = 8, xop9 = 9, xop_a = 10;
} // namespace map

/// One instruction's shape. Offsets are in bytes from its start; a part of size 0 is not there.
struct Outline {
    uint8_t length = 0;
    uint8_t map = map::one_byte;
    uint8_t opcode = 0; ///< the last opcode byte
    uint8_t opcode_offset = 0;
    uint16_t prefixes = 0; ///< bit set of namespace prefix
    uint8_t rex = 0;       ///< 40..4f, or 0 when there is none that counts
    uint8_t rex_offset = 0;
    uint8_t vector_offset = 0; ///< of the c4, c5, 62, 8f or d5 byte
    uint8_t vector_size = 0;   ///< 2, 3 or 4 bytes of VEX, XOP or EVEX; 2 of REX2
    uint8_t modrm = 0;
    uint8_t modrm_offset = 0;
    uint8_t sib = 0;
    uint8_t disp_offset = 0, disp_size = 0;
    uint8_t imm_offset = 0, imm_size = 0; ///< all immediate bytes together (enter: 3); a 3DNow! suffix counts too
    bool has_modrm = false, has_sib = false;
    bool vex = false, evex = false, xop = false, rex2 = false;
    bool rip_relative = false;
    bool rep_string = false; ///< f2 or f3 with ins, outs, movs, cmps, stos, lods or scas
    bool undefined = false;  ///< an opcode that this mode lacks (06 in 64-bit mode): one byte, and the CPU says #UD

    [[nodiscard]] uint8_t mod() const { return modrm >> 6; }
    [[nodiscard]] uint8_t reg() const { return (modrm >> 3) & 7; }
    [[nodiscard]] uint8_t rm() const { return modrm & 7; }
    /// VEX, EVEX or XOP: what a CPU without AVX must answer with #UD.
    [[nodiscard]] bool vector() const { return vex || evex || xop; }
};

/// Why there is no outline.
enum class Decoded : uint8_t { ok, truncated, invalid };

/// Fills `out` and says how it went; on failure the parts found so far stay in `out` (prefixes, vector encoding).
/// `truncated` means that more bytes could make it an instruction. Source: SDM volume 2, "Instruction Format".
Decoded decode(std::span<const uint8_t> bytes, Outline& out, Mode mode = Mode::k64);

/// The outline of the instruction at the start of `bytes`; nullopt when it cannot be decoded, is cut short or is longer
/// than 15 bytes.
inline std::optional<Outline> outline(std::span<const uint8_t> bytes, Mode mode = Mode::k64) {
    Outline out;
    if (decode(bytes, out, mode) != Decoded::ok) return std::nullopt;
    return out;
}

/// The immediate of `insn`, whose bytes are given, sign-extended; 0 when it has none or one of other than 1, 2 or 4
/// bytes. Of a relative branch this is the displacement from its end.
int32_t immediate_of(const Outline& insn, std::span<const uint8_t> bytes);

} // namespace trapline
