// emu/cpu/engine.hpp: the engine's handle and its C callbacks. Only for emu/cpu.
//
// Callbacks never throw and never call `uc_emu_start`; they forward to Cpu's members, which are plain C++.
#pragma once

#include "emu/cpu/cpu.hpp"
#include "emu/cpu/engine_registers.hpp"

namespace trapline {

/// The kernel's window in every address space, supervisor only. Only the page of data can be written.
namespace kernel_window {
inline constexpr Addr kBase = 0xffff800000000000; ///< descriptor table, and the code that enters the outer rings
inline constexpr Addr kData = kKernelData;
inline constexpr Addr kText = 0xffff800000002000; ///< where a program's instruction runs in an inner ring
} // namespace kernel_window

struct Cpu::Engine {
    explicit Engine(Frames& frames, Cpu& cpu);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void report_accesses(Cpu& cpu);

    uc_engine* uc = nullptr;
    FrameNo kernel_text = 0;                    ///< of the page at kText
    PhysAddr kernel_data_entry = 0;             ///< of the page table entry of kData
    std::array<std::uint8_t, 16> kernel_code{}; ///< what was translated at kText; the page's bytes may be put back

  private:
    template <class Callback> void hook(Cpu& cpu, int type, Callback callback, int instruction = 0);
};

} // namespace trapline
