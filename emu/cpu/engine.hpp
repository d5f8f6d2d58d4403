// emu/cpu/engine.hpp: the engine's handle and its C callbacks. Only for emu/cpu.
//
// Callbacks never throw and never call `uc_emu_start`; they forward to Cpu's members, which are plain C++.
#pragma once

#include "emu/cpu/cpu.hpp"
#include "emu/cpu/engine_registers.hpp"

#include <algorithm>

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
    /// A block whose translation lies at `code` has been entered.
    void entered(const void* code) {
        const auto at = reinterpret_cast<std::uintptr_t>(code);
        first_code = std::min(first_code, at);
        last_code = std::max(last_code, at);
    }
    /// When the buffer for translations is full, the engine drops them while it runs, and goes on with some that are
    /// gone: it loses its way or hangs (2.1.1). So they are dropped before, while it does not run.
    [[nodiscard]] bool full() const { return last_code > first_code && last_code - first_code > room; }
    void drop_translations();

    uc_engine* uc = nullptr;
    FrameNo kernel_text = 0;                    ///< of the page at kText
    PhysAddr kernel_data_entry = 0;             ///< of the page table entry of kData
    std::array<std::uint8_t, 16> kernel_code{}; ///< what was translated at kText; the page's bytes may be put back

    // Translations are put one behind the other: these are the first and the last that ran.
    std::uintptr_t first_code = ~std::uintptr_t{0}, last_code = 0;
    std::size_t room = 0; ///< bytes of translations, then all are dropped
    unsigned drops = 0;   ///< how often they were

  private:
    static void block(uc_engine* uc, std::uint64_t pc, std::uint32_t size, void* cpu);
    template <class Callback> void hook(Cpu& cpu, int type, Callback callback, int instruction = 0);
};

} // namespace trapline
