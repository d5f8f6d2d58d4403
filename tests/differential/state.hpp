// tests/differential/state.hpp: what an instruction starts from, and what it leaves behind.
//
// The same addresses mean the same on the real CPU and in the emulated one: code, data and a stack are mapped there,
// and nothing else is. All of it lies low, so that every kind of operand can name it.
#pragma once

#include "emu/cpu/registers.hpp"
#include "emu/types.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace trapline::testing {

inline constexpr std::uint64_t kCodeBytes = 1200 * kPageSize;
inline constexpr Addr kFormsAt = 0x10000000;                       // a page or two for each form, filled up with int3
inline constexpr Addr kDataAt = 0x20000000, kStackAt = 0x24000000; // read and write
inline constexpr std::uint64_t kDataBytes = 2 * kPageSize, kReadOnlyBytes = kPageSize, kStackBytes = 2 * kPageSize;
inline constexpr Addr kReadOnlyAt = kDataAt + kDataBytes;

/// Data, what can only be read, and the stack, one behind the other.
using Memory = std::array<std::uint8_t, kDataBytes + kReadOnlyBytes + kStackBytes>;
inline constexpr std::size_t kStackInMemory = kDataBytes + kReadOnlyBytes;

/// The FXSAVE image (SDM volume 1, "FXSAVE Area").
using Fx = std::array<std::uint8_t, 512>;
namespace fx {
inline constexpr std::size_t control = 0, status = 2, tags = 4, mxcsr = 24, st = 32, xmm = 160, used = 416;
}

/// Words that the memory holds instead of its contents: a return address where one will be popped.
struct Poke {
    Addr at = 0;
    std::uint64_t value = 0;
};

struct State {
    std::array<std::uint64_t, 16> gpr{};
    std::uint64_t flags = kFlagFixed | kFlagInterrupt;
    std::uint64_t fs_base = 0, gs_base = 0;
    alignas(16) Fx fx{};
    std::uint64_t memory_seed = 0; ///< of the memory's contents
    std::array<Poke, 2> pokes{};
};

/// What came of it: the instruction completed, and `rip` is where the program goes on; or it became a signal.
struct Outcome {
    std::array<std::uint64_t, 16> gpr{};
    std::uint64_t rip = 0, flags = 0;
    Fx fx{};
    std::uint64_t memory = 0;     ///< a hash of data and of the stack from the red zone upward
    std::uint64_t dead_stack = 0; ///< a hash of what lies below
    int signo = 0, code = 0;
    Addr address = 0;       ///< si_addr
    std::uint32_t hits = 0; ///< handler runs, where there was a probe
    bool ran = false;       ///< false: nothing is known, because it never came back

    [[nodiscard]] bool completed() const { return signo == 0; }
};

/// The memory that `state` starts from.
void fill(Memory& memory, const State& state);
/// Where in Memory an address is; nullopt when it is not in it, or less than 8 bytes before a part's end.
std::optional<std::size_t> place_in_memory(Addr at);
/// Fills in the two hashes. The red zone ends 128 bytes below where RSP was at the start (System V ABI).
void hash_memory(Outcome& out, const Memory& memory, const State& state);

} // namespace trapline::testing
