#include "decoder/outline.hpp"

#include "decoder/opcode_map.hpp"
#include "decoder/vector_map.hpp"

#include <algorithm>

namespace trapline {
namespace {

namespace om = opcode_map;

constexpr size_t max_length = 15; // SDM volume 2, "Instruction Format"

uint16_t prefix_bit(uint8_t byte) {
    switch (byte) {
    case 0x26:
        return prefix::es;
    case 0x2e:
        return prefix::cs;
    case 0x36:
        return prefix::ss;
    case 0x3e:
        return prefix::ds;
    case 0x64:
        return prefix::fs;
    case 0x65:
        return prefix::gs;
    case 0x66:
        return prefix::operand_size;
    case 0x67:
        return prefix::address_size;
    case 0xf0:
        return prefix::lock;
    case 0xf2:
        return prefix::repne;
    default:
        return prefix::rep;
    }
}

bool is_string(uint8_t opcode) {
    return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf) || (opcode & 0xfc) == 0x6c;
}

/// One pass over one instruction. Every take() may find the bytes at an end, which the caller asks for with `ended`.
class Pass {
  public:
    Pass(std::span<const uint8_t> bytes, Outline& out, Mode mode)
        : bytes_(bytes.data()), end_(std::min(bytes.size(), max_length)), out_(out), is64_(mode == Mode::k64) {}

    Decoded run() {
        const om::Table& one_byte = is64_ ? om::one_byte_64 : om::one_byte_32;
        uint8_t first = 0, shape = 0;
        for (;; ++at_) {
            if (at_ >= end_) return at_end();
            first = bytes_[at_];
            shape = one_byte[first];
            if (shape == om::prefix) {
                out_.prefixes |= prefix_bit(first);
                out_.rex = 0; // a REX prefix counts only directly before the opcode
            } else if (shape == om::rex) {
                out_.rex = first;
                out_.rex_offset = static_cast<uint8_t>(at_);
            } else {
                break;
            }
        }
        wide_ = (out_.rex & 8) != 0;
        narrow_ = (out_.prefixes & prefix::operand_size) != 0;

        if (shape == om::special) {
            const Decoded found = escape(first, shape);
            if (found != Decoded::ok) return found;
        } else {
            out_.opcode = first;
            out_.opcode_offset = static_cast<uint8_t>(at_++);
        }
        if (shape & om::invalid) {
            out_.undefined = true;
            out_.length = static_cast<uint8_t>(at_);
            return Decoded::ok;
        }
        if (shape & om::modrm) {
            if (at_ >= end_) return at_end();
            if (!addressing()) return at_end();
        }
        if (out_.vector() && !vector_map::exists(out_, pp_)) return Decoded::invalid;
        immediate(shape & om::follow_mask);
        if (at_ > end_) return at_end();
        out_.length = static_cast<uint8_t>(at_);
        out_.rep_string =
            out_.map == map::one_byte && (out_.prefixes & (prefix::rep | prefix::repne)) && is_string(out_.opcode);
        return Decoded::ok;
    }

  private:
    /// Out of bytes: cut short, unless 15 were there.
    [[nodiscard]] Decoded at_end() const { return end_ < max_length ? Decoded::truncated : Decoded::invalid; }
    [[nodiscard]] bool has(size_t n) const { return at_ + n <= end_; }

    /// At an escape byte or a byte that may start VEX, EVEX, XOP or REX2: goes past the opcode and corrects `shape`.
    Decoded escape(uint8_t first, uint8_t& shape) {
        if (first == 0x0f) {
            if (!has(2)) return at_end();
            out_.map = map::m0f;
            uint8_t opcode = bytes_[++at_];
            if (opcode == 0x38 || opcode == 0x3a) {
                if (!has(2)) return at_end();
                out_.map = opcode == 0x38 ? map::m0f38 : map::m0f3a;
                opcode = bytes_[++at_];
            }
            return opcode_at(opcode, shape);
        }
        if (first == 0xd5 && out_.rex) { // REX and REX2 exclude each other: d5 is the opcode that 64-bit mode lacks
            shape = om::invalid;
            out_.opcode = first;
            out_.opcode_offset = static_cast<uint8_t>(at_++);
            return Decoded::ok;
        }
        if (!has(2)) return at_end();
        const uint8_t next = bytes_[at_ + 1];
        if (first == 0xd5) return rex2(next, shape);
        // 8f /0 is pop; the XOP maps start at 8, so their field never looks like it.
        if (first == 0x8f && (next & 0x38) == 0) return legacy(first, shape);
        // Outside 64-bit mode these are les, lds and bound with a memory operand, vector prefixes without.
        if (first != 0x8f && !is64_ && (next >> 6) != 3) return legacy(first, shape);
        return vector_prefix(first, next, shape);
    }

    Decoded legacy(uint8_t first, uint8_t& shape) {
        shape = om::modrm;
        out_.opcode = first;
        out_.opcode_offset = static_cast<uint8_t>(at_++);
        return Decoded::ok;
    }

    Decoded opcode_at(uint8_t opcode, uint8_t& shape) {
        out_.opcode = opcode;
        out_.opcode_offset = static_cast<uint8_t>(at_++);
        const om::Table* const tables[] = {is64_ ? &om::one_byte_64 : &om::one_byte_32,
                                           &om::two_byte,
                                           &om::modrm_only,
                                           &om::modrm_imm8,
                                           &om::apx,
                                           &om::modrm_only,
                                           &om::modrm_only,
                                           &om::modrm_imm32,
                                           &om::modrm_imm8,
                                           &om::modrm_only,
                                           &om::modrm_imm32};
        shape = (*tables[out_.map])[opcode];
        return Decoded::ok;
    }

    Decoded rex2(uint8_t payload, uint8_t& shape) {
        if (!has(3)) return at_end();
        out_.rex2 = true;
        out_.vector_offset = static_cast<uint8_t>(at_);
        out_.vector_size = 2;
        out_.map = payload >> 7;
        wide_ = (payload & 8) != 0;
        at_ += 2;
        opcode_at(bytes_[at_], shape);
        // Prefixes and escapes are no opcodes behind REX2, whose own opcode space ends where the tables' does.
        if ((shape & (om::prefix | om::rex)) != 0) shape = om::none;
        return Decoded::ok;
    }

    Decoded vector_prefix(uint8_t first, uint8_t next, uint8_t& shape) {
        out_.vector_offset = static_cast<uint8_t>(at_);
        out_.vector_size = first == 0xc5 ? 2 : first == 0x62 ? 4 : 3;
        out_.vex = first == 0xc4 || first == 0xc5;
        out_.evex = first == 0x62;
        out_.xop = first == 0x8f;
        out_.map = first == 0xc5 ? map::m0f : first == 0x62 ? next & 7 : next & 31;
        if (!vector_map::has_map(out_)) return Decoded::invalid;
        if (!has(out_.vector_size + 1u)) return at_end();
        const uint8_t last = first == 0xc5 ? next & 0x7f : bytes_[at_ + 2]; // W vvvv L pp: c5 has no W
        wide_ = (last & 0x80) != 0;
        pp_ = last & 3;
        narrow_ = out_.evex && pp_ == 1; // only APX has immediates of operand size, and says it in pp
        at_ += out_.vector_size;
        return opcode_at(bytes_[at_], shape);
    }

    /// ModRM, SIB and displacement (SDM volume 2, "Addressing-Mode Encoding of ModR/M and SIB Bytes"). False: cut
    /// short.
    bool addressing() {
        out_.has_modrm = true;
        out_.modrm_offset = static_cast<uint8_t>(at_);
        out_.modrm = bytes_[at_++];
        // mov to and from control and debug registers ignores mod: there is no memory form.
        const bool no_memory = out_.map == map::m0f && (out_.opcode & 0xfc) == 0x20 && !out_.vector();
        if (out_.mod() == 3 || no_memory) return true;

        if (!is64_ && (out_.prefixes & prefix::address_size)) {
            if (out_.mod() == 0) return displacement(out_.rm() == 6 ? 2 : 0);
            return displacement(out_.mod());
        }
        uint8_t base = out_.rm();
        if (base == 4) {
            if (!has(1)) return false;
            out_.has_sib = true;
            out_.sib = bytes_[at_++];
            base = out_.sib & 7;
        }
        if (out_.mod() == 1) return displacement(1);
        if (out_.mod() == 2) return displacement(4);
        if (base != 5) return true;
        out_.rip_relative = is64_ && !out_.has_sib;
        return displacement(4);
    }

    bool displacement(uint8_t size) {
        if (size == 0) return true;
        out_.disp_offset = static_cast<uint8_t>(at_);
        out_.disp_size = size;
        at_ += size;
        return at_ <= end_;
    }

    void immediate(uint8_t follow) {
        const uint8_t operand = wide_ || !narrow_ ? 4 : 2;
        uint8_t size = 0;
        switch (follow) {
        case om::none:
            // SSE4a extrq and insertq share the opcode of vmread and carry two bytes.
            if (out_.map == map::m0f && out_.opcode == 0x78 && !out_.vector() &&
                (out_.prefixes & (prefix::operand_size | prefix::repne)))
                size = 2;
            break;
        case om::i8:
            size = 1;
            break;
        case om::i16:
            size = 2;
            break;
        case om::i32:
            size = 4;
            break;
        case om::iz:
            size = operand;
            break;
        case om::iv:
            size = wide_ ? 8 : operand;
            break;
        case om::rel:
            size = is64_ ? 4 : operand;
            break;
        case om::enter:
            size = 3;
            break;
        case om::far_pointer:
            size = static_cast<uint8_t>(operand + 2);
            break;
        case om::test8:
            size = out_.reg() < 2 ? 1 : 0;
            break;
        case om::testz:
            size = out_.reg() < 2 ? operand : 0;
            break;
        case om::address: {
            const bool shorter = (out_.prefixes & prefix::address_size) != 0;
            displacement(is64_ ? (shorter ? 4 : 8) : (shorter ? 2 : 4));
            return;
        }
        }
        if (size == 0) return;
        out_.imm_offset = static_cast<uint8_t>(at_);
        out_.imm_size = size;
        at_ += size;
    }

    const uint8_t* bytes_;
    size_t end_;
    Outline& out_;
    size_t at_ = 0;
    uint8_t pp_ = 0;
    bool is64_;
    bool wide_ = false;   // REX.W or its like
    bool narrow_ = false; // 66
};

} // namespace

Decoded decode(std::span<const uint8_t> bytes, Outline& out, Mode mode) {
    out = {};
    return Pass(bytes, out, mode).run();
}

int32_t immediate_of(const Outline& insn, std::span<const uint8_t> bytes) {
    uint32_t value = 0;
    if (insn.imm_size > 4) return 0;
    for (unsigned i = 0; i < insn.imm_size; ++i) value |= static_cast<uint32_t>(bytes[insn.imm_offset + i]) << 8 * i;
    if (insn.imm_size == 1) return static_cast<int8_t>(value);
    if (insn.imm_size == 2) return static_cast<int16_t>(value);
    return insn.imm_size == 4 ? static_cast<int32_t>(value) : 0;
}

} // namespace trapline
