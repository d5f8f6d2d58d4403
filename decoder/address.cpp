#include "decoder/address.hpp"

#include "decoder/memory_operand.hpp"

namespace trapline {
namespace {

constexpr unsigned rax = 0, rbx = 3, rsp = 4, rbp = 5, rsi = 6, rdi = 7;

uint64_t extend(uint64_t value, unsigned bits) {
    const unsigned shift = 64 - bits;
    return static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
}

uint64_t part_of(std::span<const uint8_t> bytes, uint8_t at, uint8_t size) {
    uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= uint64_t{bytes[at + i]} << (8 * i);
    return value;
}

uint64_t segment_base(const Outline& insn, const AddressRegisters& r) {
    if (insn.prefixes & prefix::fs) return r.fs_base;
    return insn.prefixes & prefix::gs ? r.gs_base : 0;
}

uint64_t address_of(const Outline& insn, uint64_t offset, uint64_t base) {
    return base + (insn.prefixes & prefix::address_size ? offset & 0xffffffff : offset);
}

unsigned operand_bits(const Outline& insn) {
    if (insn.rex & 8) return 64;
    return insn.prefixes & prefix::operand_size ? 16 : 32;
}

/// bt, bts, btr and btc with the number of the bit in a register: it may lie anywhere from the operand.
uint64_t bit_offset(const Outline& insn, const AddressRegisters& r) {
    const unsigned bits = operand_bits(insn);
    const uint64_t number = extend(r.general[insn.reg() | (insn.rex & 4 ? 8 : 0)], bits);
    return static_cast<uint64_t>(static_cast<int64_t>(number) >> (bits == 64 ? 6 : bits == 32 ? 5 : 4)) * (bits / 8);
}

/// Does ModRM's memory operand stay untouched? lea, nops and prefetches.
bool only_computed(const Outline& insn) {
    if (insn.map == map::one_byte) return insn.opcode == 0x8d;
    return insn.map == map::m0f && (insn.opcode == 0x0d || (insn.opcode >= 0x18 && insn.opcode <= 0x1f));
}

void one_byte(const Outline& insn, std::span<const uint8_t> bytes, const AddressRegisters& r, Accesses& out) {
    const uint64_t base = segment_base(insn, r);
    const uint8_t op = insn.opcode;
    if ((op >= 0xa4 && op <= 0xa7) || (op & 0xfe) == 0xac || (op & 0xfe) == 0x6e) // movs, cmps, lods, outs
        out.add(address_of(insn, r.general[rsi], base));
    if ((op >= 0xa4 && op <= 0xa7) || (op & 0xfe) == 0xaa || (op & 0xfe) == 0xae || (op & 0xfe) == 0x6c)
        out.add(address_of(insn, r.general[rdi], 0)); // movs, cmps, stos, scas, ins: es has no base
    if (op >= 0xa0 && op <= 0xa3)                     // mov between rax and an address
        out.add(address_of(insn, part_of(bytes, insn.disp_offset, insn.disp_size), base));
    if (op == 0xd7) out.add(address_of(insn, r.general[rbx] + (r.general[rax] & 0xff), base)); // xlat
    const bool pushes = (op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0x9c || op == 0xe8 ||
                        op == 0xc8 || (op == 0xff && (insn.reg() == 2 || insn.reg() == 3 || insn.reg() == 6));
    const bool pops = (op >= 0x58 && op <= 0x5f) || op == 0x8f || op == 0x9d || (op & 0xfe) == 0xc2 ||
                      (op & 0xfe) == 0xca || op == 0xcf;
    if (pushes) out.add(r.general[rsp] - 8);
    if (pops) out.add(r.general[rsp]);
    if (op == 0xc9) out.add(r.general[rbp]); // leave
}

void two_byte(const Outline& insn, const AddressRegisters& r, Accesses& out) {
    if (insn.opcode == 0xf7 && insn.mod() == 3) out.add(address_of(insn, r.general[rdi], segment_base(insn, r)));
    if ((insn.opcode & 0xf7) == 0xa0) out.add(r.general[rsp] - 8); // push fs, gs
    if ((insn.opcode & 0xf7) == 0xa1) out.add(r.general[rsp]);     // pop fs, gs
}

} // namespace

std::optional<uint64_t> operand_address(const Outline& insn, std::span<const uint8_t> bytes,
                                        const AddressRegisters& r) {
    const auto operand = memory_operand(insn, bytes);
    if (!operand || !insn.has_modrm) return std::nullopt;
    return segment_base(insn, r) +
           operand->offset([&](unsigned i) { return i < r.general.size() ? r.general[i] : 0; }, r.next);
}

Accesses accesses(const Outline& insn, std::span<const uint8_t> bytes, const AddressRegisters& r) {
    Accesses out;
    const std::optional<uint64_t> operand = operand_address(insn, bytes, r);
    if (operand && !only_computed(insn)) {
        const uint8_t op = insn.opcode;
        const bool far_bit = insn.map == map::m0f && (op == 0xa3 || op == 0xab || op == 0xb3 || op == 0xbb);
        out.add(*operand + (far_bit ? bit_offset(insn, r) : 0));
    }
    if (insn.map == map::one_byte) one_byte(insn, bytes, r, out);
    if (insn.map == map::m0f) two_byte(insn, r, out);
    return out;
}

} // namespace trapline
