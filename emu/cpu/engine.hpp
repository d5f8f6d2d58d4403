// emu/cpu/engine.hpp: the engine's handle and its C callbacks. Only for emu/cpu.
//
// Callbacks never throw and never call `uc_emu_start`; they forward to Cpu's members, which are plain C++.
#pragma once

#include "emu/cpu/cpu.hpp"
#include "emu/cpu/engine_registers.hpp"

namespace trapline {

struct Cpu::Engine {
    explicit Engine(Frames& frames, Cpu& cpu);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    uc_engine* uc = nullptr;

  private:
    template <class Callback> void hook(Cpu& cpu, int type, Callback callback, int instruction = 0);
};

} // namespace trapline
