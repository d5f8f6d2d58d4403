// emu/cpu/engine_registers.hpp: our register names to the engine's numbers. Only for emu/cpu.
#pragma once

#include "emu/cpu/registers.hpp"

#include <array>
#include <unicorn/unicorn.h>

namespace trapline {

inline constexpr std::array<int, static_cast<std::size_t>(Reg::count_)> kEngineRegister = {
    UC_X86_REG_RAX,     UC_X86_REG_RCX,     UC_X86_REG_RDX,   UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
    UC_X86_REG_RSI,     UC_X86_REG_RDI,     UC_X86_REG_R8,    UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
    UC_X86_REG_R12,     UC_X86_REG_R13,     UC_X86_REG_R14,   UC_X86_REG_R15, UC_X86_REG_RIP, UC_X86_REG_EFLAGS,
    UC_X86_REG_FS_BASE, UC_X86_REG_GS_BASE, UC_X86_REG_MXCSR,
};
constexpr int engine_register(Reg r) { return kEngineRegister[static_cast<std::size_t>(r)]; }

} // namespace trapline
