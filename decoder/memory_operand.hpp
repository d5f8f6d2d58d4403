// decoder/memory_operand.hpp: how the memory operand of an instruction computes its address.
//
// ModRM and SIB name it, or the opcode does (a0 to a3 carry an address). Here is the formula: a base, a scaled index, a
// displacement, and the segment whose base is added. Which addresses an instruction is going to touch with given
// registers is decoder/address.hpp's to say. Source: SDM volume 2, "Addressing-Mode Encoding of ModR/M and SIB Bytes",
// and volume 1, "Specifying a Segment Selector" for the default segments.
#pragma once

#include "decoder/outline.hpp"

namespace trapline {

/// Segment registers in the order of their encoding.
enum class Segment : uint8_t { es, cs, ss, ds, fs, gs };

struct MemoryOperand {
    static constexpr uint8_t none = 0xff;

    Segment segment = Segment::ds; ///< 64-bit mode adds the base of fs and gs only
    uint8_t base = none;           ///< a general register in the order of encodings: 0 to 15, to 31 with REX2
    uint8_t index = none;          ///< the same, or a vector register where `vector_index`
    uint8_t scale = 1;
    uint8_t bits = 64; ///< the sum is cut to so many
    bool rip_relative = false;
    bool vector_index = false; ///< VSIB: an address for each element of the index
    int64_t displacement = 0;

    /// The address without the segment's base, given a register file and the address behind the instruction.
    template <class Registers> [[nodiscard]] uint64_t offset(const Registers& get, uint64_t next) const {
        uint64_t sum = static_cast<uint64_t>(displacement);
        if (rip_relative) sum += next;
        if (base != none) sum += get(base);
        if (index != none && !vector_index) sum += get(index) * scale;
        return bits == 64 ? sum : sum & ((uint64_t{1} << bits) - 1);
    }
    bool operator==(const MemoryOperand&) const = default;
};

/// The address that ModRM or an opcode with an address in it names; nullopt when `insn`, whose bytes are given, has
/// none. Of an EVEX instruction with one byte of displacement, `displacement` is not yet scaled by the operand's size.
std::optional<MemoryOperand> memory_operand(const Outline& insn, std::span<const uint8_t> bytes, Mode mode = Mode::k64);

} // namespace trapline
