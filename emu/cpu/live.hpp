// emu/cpu/live.hpp: the engine's own copy of the general registers, RIP and EFLAGS, where it keeps them.
//
// Every trap reads and writes RIP and EFLAGS several times. Asked through the engine's interface each costs some ten
// nanoseconds, and writing RIP from a trap's callback makes the engine leave and enter its execution loop. So their
// place in the engine's memory is *found* when the machine starts, as the unnamed fields of a saved context are
// (context.hpp): registers get values that stand nowhere else, and the memory that the engine's handle points to is
// searched for them. The start fails if they are not found. Read next: emu/cpu/cpu.hpp.
#pragma once

#include "emu/cpu/registers.hpp"

#include <cstddef>

struct uc_struct;

namespace trapline {

class LiveRegisters {
  public:
    LiveRegisters() = default;
    /// Searches the engine, which must have long mode set up; changes its general registers and RIP.
    static LiveRegisters find(uc_struct* engine);

    /// A general register or RIP. Good to read and write wherever the engine's interface is, except that writing RIP
    /// does not stop a block that is being executed: only from an exception's callback, or outside.
    [[nodiscard]] std::uint64_t& operator[](Reg r) const { return words_[static_cast<std::size_t>(r)]; }
    /// EFLAGS without the arithmetic flags, which the engine keeps elsewhere and lazily; TF is good.
    [[nodiscard]] std::uint64_t& lazy_flags() const { return words_[kFlags]; }

  private:
    // The engine's order is the encoding's, as ours is: sixteen general registers, RIP, EFLAGS.
    static constexpr std::size_t kFlags = static_cast<std::size_t>(Reg::rip) + 1;
    std::uint64_t* words_ = nullptr;
};

} // namespace trapline
