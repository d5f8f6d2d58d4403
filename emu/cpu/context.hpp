// emu/cpu/context.hpp: the registers of a thread that is not on the CPU.
//
// A Context is the engine's own saved state (about 5.5 KB: general, SSE and x87 registers, flags, segments). Two fields
// of it have no public name but are needed: the error code of the last page fault, which no register shows, and the
// engine's memory of "an exception is being delivered", which makes a second intercepted fault arrive as a double fault
// (facts: "exceptions pile up"). Their places are *found* when the machine starts, by provoking faults and comparing
// saved states, and the start fails if they are not found exactly once. Read next: emu/cpu/cpu.hpp.
#pragma once

#include "emu/cpu/registers.hpp"

#include <cstddef>
#include <cstdint>

struct uc_struct;
struct uc_context;

namespace trapline {

class Context {
  public:
    explicit Context(uc_struct* engine);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    void copy_from(const Context& other);
    [[nodiscard]] std::uint64_t get(Reg r) const;
    void set(Reg r, std::uint64_t value);
    /// The legacy FXSAVE image, as Cpu::get_fx.
    void get_fx(std::uint8_t* out) const;

    /// The watched address that this thread has reported and not yet executed, or 1 for none (emu/cpu/fetch_map.hpp).
    std::uint64_t reported_watch = 1;

  private:
    friend class Cpu;
    std::uint64_t root_ = 0; // CR3 as the engine saved it
    friend struct ContextLayout;
    [[nodiscard]] std::int32_t word(std::size_t offset) const;
    void set_word(std::size_t offset, std::int32_t value);

    uc_struct* engine_;
    uc_context* saved_ = nullptr;
};

/// Byte offsets of the two unnamed fields inside a saved context; the same for every Context of one engine build.
struct ContextLayout {
    std::size_t old_exception = 0;
    std::size_t error_code = 0;

    /// Compares a state saved before any fault with those after a read fault (error code 4) and a write fault (error
    /// code 6) on a page that is not present, and checks that each field is in exactly one place.
    static ContextLayout find(const Context& before, const Context& read_fault, const Context& write_fault,
                              std::size_t size);
};

} // namespace trapline
