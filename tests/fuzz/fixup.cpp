// Fuzzing of the fix-up encoder (decoder/fixup.hpp): from any place, with any registers, a copy must mean what the
// original meant. The first 16 bytes of an input are two addresses, the rest is the instruction.
#include "decoder/fixup.hpp"
#include "decoder/address.hpp"
#include "decoder/flow.hpp"
#include "emu/rng.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstring>

namespace {

using namespace trapline;

constexpr uint64_t kUserAddress = (uint64_t{1} << 47) - 1;

unsigned number(Scratch scratch) { return scratch == Scratch::rsi ? 6 : scratch == Scratch::rdi ? 7 : 3; }

/// Every byte that does not name the operand stays.
void nothing_else_changed(const Outline& insn, std::span<const uint8_t> bytes, const OutOfLine& copy) {
    for (unsigned i = 0; i < insn.length; ++i) {
        const bool may = insn.rip_relative && (i == insn.modrm_offset || (insn.rex != 0 && i == insn.rex_offset) ||
                                               (insn.vector_size >= 2 && i == insn.vector_offset + 1u));
        must(may || copy.bytes[i] == bytes[i], "a byte changed that says nothing of the operand");
    }
    must(std::all_of(copy.bytes.begin() + insn.length, copy.bytes.end(), [](uint8_t b) { return b == 0; }),
         "something stands behind the copy");
}

void copy_means_the_same(std::span<const uint8_t> bytes, AddressRegisters registers, uint64_t from) {
    const auto insn = outline(bytes);
    const auto copy = out_of_line(bytes);
    must(copy.has_value() == insn.has_value(), "what has an outline has a copy");
    if (!copy) return;
    nothing_else_changed(*insn, bytes, *copy);
    must((copy->scratch != Scratch::none) == insn->rip_relative, "a scratch register stands in for RIP, and only then");
    const std::span<const uint8_t> there(copy->bytes.data(), copy->length);
    const auto other = outline(there);
    must(other && other->length == insn->length && !other->rip_relative, "the copy is another instruction");
    must(other->reg() == insn->reg() && other->map == insn->map && other->opcode == insn->opcode, "another operation");
    must(flow(*other) == flow(*insn), "it goes elsewhere");
    registers.next = from + insn->length;
    const auto wanted = operand_address(*insn, bytes, registers);
    if (copy->scratch != Scratch::none) {
        const unsigned scratch = number(copy->scratch);
        must(insn->reg() != scratch || !insn->has_modrm, "the scratch register is an operand");
        registers.general[scratch] = registers.next;
    }
    registers.next = 0; // the copy does not know where it stands
    must(operand_address(*other, there, registers) == wanted, "the copy's operand lies elsewhere");
}

void relocated_means_the_same(std::span<const uint8_t> bytes, AddressRegisters registers, uint64_t from, uint64_t to) {
    const auto moved = relocated(bytes, from, to);
    if (!moved) return;
    const auto insn = outline(bytes), there = outline(*moved);
    must(insn && there && there->length == insn->length && there->rip_relative == insn->rip_relative, "moved wrongly");
    must(!branches_relatively(flow(*insn)), "a relative branch was moved");
    registers.next = from + insn->length;
    const auto wanted = operand_address(*insn, bytes, registers);
    registers.next = to + insn->length;
    must(operand_address(*there, *moved, registers) == wanted, "its operand lies elsewhere");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    uint64_t places[2];
    if (size <= sizeof places) return 0;
    std::memcpy(places, data, sizeof places);
    const uint64_t from = places[0] & kUserAddress;
    // Half of the time it moves to where a displacement of 32 bits may reach.
    const uint64_t to =
        places[1] & 1 ? places[1] & kUserAddress : from + static_cast<uint64_t>(static_cast<int32_t>(places[1]));
    Rng random(places[0] ^ places[1]);
    AddressRegisters registers;
    for (uint64_t& r : registers.general) r = random.next() >> random.below(64);
    registers.fs_base = random.next() >> 17;
    registers.gs_base = random.next() >> 17;
    const std::span<const uint8_t> bytes(data + sizeof places, std::min<size_t>(size - sizeof places, 16));
    copy_means_the_same(bytes, registers, from);
    relocated_means_the_same(bytes, registers, from, to);
    return 0;
}

std::vector<std::vector<uint8_t>> seeds() {
    std::vector<std::vector<uint8_t>> out = {
        {0x48, 0x8b, 0x05, 0x10, 0, 0, 0},                   // mov rax, [rip+16]
        {0x44, 0x89, 0x35, 0x10, 0, 0, 0},                   // mov [rip+16], r14d
        {0x49, 0x0f, 0xc7, 0x0d, 0x10, 0, 0, 0},             // cmpxchg16b, a REX.B without effect
        {0xc4, 0xc1, 0x4b, 0x58, 0x35, 0x10, 0, 0, 0},       // vaddsd xmm6, xmm6, [rip+16]
        {0x62, 0xd1, 0x7c, 0x48, 0x28, 0x05, 0x10, 0, 0, 0}, // vmovaps zmm0, [rip+16]
        {0xd5, 0x19, 0x8b, 0x05, 0x10, 0, 0, 0},             // REX2
        {0x67, 0x66, 0xc7, 0x05, 0x10, 0, 0, 0, 0x34, 0x12}, // mov word [eip+16], 1234h
        {0xff, 0x15, 0x10, 0, 0, 0},                         // call [rip+16]
        {0x66, 0x0f, 0x3a, 0x63, 0x05, 0x10, 0, 0, 0, 0x0c}, // pcmpistri xmm0, [rip+16], 12
        {0xe8, 0x10, 0, 0, 0},
    };
    for (auto& input : out) {
        const std::vector<uint8_t> places = {0, 0x10, 0x40, 0, 0, 0, 0, 0, 0, 0x20, 0x10, 0, 0, 0, 0, 0};
        input.insert(input.begin(), places.begin(), places.end());
    }
    return out;
}
