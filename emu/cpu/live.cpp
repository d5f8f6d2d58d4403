#include "emu/cpu/live.hpp"

#include "emu/check.hpp"
#include "emu/cpu/engine_registers.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>
#include <vector>

namespace trapline {
namespace {

constexpr std::size_t kMagics = static_cast<std::size_t>(Reg::rip) + 1;
/// How far into a processor's object its registers may begin, in bytes. 2.1.1: about 40,000.
constexpr std::size_t kReach = 1 << 17;

using Magics = std::array<std::uint64_t, kMagics>;

/// A copy of at most kReach bytes at `from`, as many as can be read: the pointer may point nowhere.
std::size_t look(int memory, std::uint64_t from, std::vector<std::uint8_t>& out) {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t n = ::pread(memory, out.data() + done, out.size() - done, static_cast<off_t>(from + done));
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

/// The memory of an engine that is gone may hold the same values: those do not change with a register.
bool follows(uc_struct* engine, const volatile std::uint64_t* candidate) {
    constexpr auto kRdx = static_cast<std::size_t>(Reg::rdx);
    const std::uint64_t before = candidate[kRdx], other = ~before;
    uc_reg_write(engine, UC_X86_REG_RDX, &other);
    const bool same = candidate[kRdx] == other;
    uc_reg_write(engine, UC_X86_REG_RDX, &before);
    return same;
}

} // namespace

LiveRegisters LiveRegisters::find(uc_struct* engine) {
    // Other values each time: memory that an engine before this one has left behind must not pass for its registers.
    static std::atomic<std::uint64_t> engines = 0;
    const std::uint64_t salt = ++engines << 20;
    Magics magics;
    for (std::size_t i = 0; i < kMagics; ++i) {
        magics[i] = 0x7e57'0000'5eed'0000 ^ (i * 0x0000'9e37'79b9'0001) ^ salt;
        if (i + 1 == kMagics) magics[i] &= 0x7fff'ffff'f000; // RIP: a canonical address
        uc_reg_write(engine, kEngineRegister[i], &magics[i]);
    }
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    TL_CHECK(memory >= 0, "/proc/self/mem cannot be read");
    std::uint64_t* found = nullptr;
    std::vector<std::uint8_t> bytes(kReach);
    const auto* handle = reinterpret_cast<const std::uint64_t*>(engine);
    const std::size_t words = malloc_usable_size(engine) / sizeof *handle;
    for (std::size_t w = 0; w < words && found == nullptr; ++w) {
        if (handle[w] < 0x10000 || handle[w] % sizeof(std::uint64_t) != 0) continue;
        const std::size_t n = look(memory, handle[w], bytes);
        for (std::size_t from = 0; found == nullptr && from + sizeof magics <= n;) {
            const void* at = ::memmem(bytes.data() + from, n - from, magics.data(), sizeof magics);
            if (at == nullptr) break;
            const auto offset = static_cast<std::size_t>(static_cast<const std::uint8_t*>(at) - bytes.data());
            auto* candidate = reinterpret_cast<std::uint64_t*>(handle[w]) + offset / sizeof(std::uint64_t);
            if (follows(engine, candidate)) found = candidate;
            from = offset + sizeof(std::uint64_t);
        }
    }
    ::close(memory);
    LiveRegisters live;
    live.words_ = found;
    // What was found must be the registers, and the word behind them the flags.
    constexpr std::uint64_t kOther = 0x1234'5678'9abc;
    std::uint64_t seen = 0, flags = kFlagFixed | kFlagTrap;
    if (found != nullptr) {
        live[Reg::rdx] = kOther;
        uc_reg_read(engine, UC_X86_REG_RDX, &seen);
        uc_reg_write(engine, UC_X86_REG_EFLAGS, &flags);
    }
    TL_CHECK(seen == kOther && (live.lazy_flags() & kFlagTrap) != 0,
             "this build of the CPU engine keeps its registers elsewhere; 2.1.1 is supported");
    flags = kFlagFixed;
    uc_reg_write(engine, UC_X86_REG_EFLAGS, &flags);
    return live;
}

} // namespace trapline
