// decoder/address.hpp: which memory an instruction is going to touch, given the registers.
//
// Seed 000: whoever runs a program's instruction in the kernel has to "fully emulate the address computation step",
// because a wild pointer would reach the kernel. Whoever emulates an indirect call needs one address of it. Here are
// both: the address of the ModRM operand, and every address at which an access of the instruction begins (its operand,
// a string's two ends, the stack, a bit far away from its base). Legacy encodings in 64-bit mode; vector instructions
// are none of this file's business.
#pragma once

#include "decoder/outline.hpp"

#include <array>

namespace trapline {

/// What addresses are made of.
struct AddressRegisters {
    std::array<uint64_t, 16> general{}; ///< in the order of encodings: rax, rcx, rdx, rbx, rsp ...
    uint64_t next = 0;                  ///< the address behind the instruction
    uint64_t fs_base = 0, gs_base = 0;
};

/// The address that ModRM means, with the segment's base; nullopt when ModRM names a register, or there is none. It is
/// also what `lea` computes, and what a nop with an operand does not touch. Source: SDM volume 2, "ModR/M and SIB
/// Bytes".
std::optional<uint64_t> operand_address(const Outline& insn, std::span<const uint8_t> bytes,
                                        const AddressRegisters& registers);

/// Where accesses begin; they reach less than a page from there.
struct Accesses {
    std::array<uint64_t, 3> at{};
    uint8_t count = 0;
    void add(uint64_t address) { at[count++] = address; }
};

/// All memory that the instruction reads or writes, as far as it is not a gather, an xsave or another that says in a
/// register how much it touches. A repeated string instruction is said to begin where its first iteration does.
Accesses accesses(const Outline& insn, std::span<const uint8_t> bytes, const AddressRegisters& registers);

} // namespace trapline
