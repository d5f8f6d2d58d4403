// emu/cpu/registers.hpp: the registers by their architectural names, free of the engine's numbering.
#pragma once

#include <cstdint>

namespace trapline {

/// General registers in encoding order (Intel SDM volume 2, "Instruction Format"), then the rest that the kernel
/// touches.
enum class Reg : std::uint8_t {
    rax,
    rcx,
    rdx,
    rbx,
    rsp,
    rbp,
    rsi,
    rdi,
    r8,
    r9,
    r10,
    r11,
    r12,
    r13,
    r14,
    r15,
    rip,
    eflags,
    fs_base,
    gs_base,
    mxcsr,
    count_,
};

/// EFLAGS bits that the kernel cares about (Intel SDM volume 1, "EFLAGS Register").
inline constexpr std::uint64_t kFlagTrap = 1u << 8;
inline constexpr std::uint64_t kFlagInterrupt = 1u << 9;
inline constexpr std::uint64_t kFlagFixed = 1u << 1;
/// Bits that user mode may set through popf or a signal frame: CF PF AF ZF SF TF DF OF NT AC ID.
inline constexpr std::uint64_t kFlagsUser = 0x244dd5;

/// Exception vectors (Intel SDM volume 3, "Exception and Interrupt Reference").
namespace vector {
inline constexpr unsigned divide = 0, debug = 1, breakpoint = 3, overflow = 4, invalid_opcode = 6, double_fault = 8,
                          stack_fault = 12, general_protection = 13, page_fault = 14, x87 = 16, alignment = 17,
                          simd = 19;
} // namespace vector

/// Page-fault error code bits (Intel SDM volume 3, "Page-Fault Exceptions").
namespace pf {
inline constexpr std::uint32_t present = 1, write = 2, user = 4, fetch = 16;
} // namespace pf

} // namespace trapline
