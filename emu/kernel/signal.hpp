// emu/kernel/signal.hpp: signals: numbers, actions, what is pending.
//
// Delivery (choosing a signal, building the frame, sigreturn) is in signal.cpp; who sends them is in the system calls
// and the traps. Numbers and layouts are Linux's for x86-64. Read next: emu/kernel/kernel.hpp.
#pragma once

#include "emu/types.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

namespace trapline {

namespace sig {
inline constexpr int hup = 1, intr = 2, quit = 3, ill = 4, trap = 5, abrt = 6, bus = 7, fpe = 8, kill = 9, usr1 = 10,
                     segv = 11, pipe = 13, alrm = 14, term = 15, chld = 17, cont = 18, stop = 19, tstp = 20, ttin = 21,
                     ttou = 22, urg = 23, winch = 28, sys = 31, count = 64;
// si_code
inline constexpr int user = 0, kernel = 0x80, tkill = -6, ill_opn = 2, fpe_intdiv = 1, segv_maperr = 1, segv_accerr = 2,
                     bus_adrerr = 2, trap_brkpt = 1, trap_trace = 2, cld_exited = 1, cld_killed = 2, cld_stopped = 5,
                     cld_continued = 6;
// sa_flags
inline constexpr std::uint64_t sa_siginfo = 4, sa_onstack = 0x08000000, sa_restart = 0x10000000,
                               sa_nodefer = 0x40000000, sa_resethand = 0x80000000, sa_restorer = 0x04000000,
                               sa_nocldstop = 1, sa_nocldwait = 2;
inline constexpr Addr handler_default = 0, handler_ignore = 1;
constexpr std::uint64_t bit(int signo) { return 1ull << (signo - 1); }
/// Signals that no mask blocks.
inline constexpr std::uint64_t unblockable = bit(kill) | bit(stop);
} // namespace sig

struct SigAction {
    Addr handler = sig::handler_default;
    std::uint64_t flags = 0;
    Addr restorer = 0;
    std::uint64_t mask = 0;
};

/// The parts of siginfo_t that the kernel fills in; the union's members by what they hold.
struct SigInfo {
    int signo = 0;
    int code = 0;
    Addr address = 0;     ///< si_addr of a fault
    std::int32_t pid = 0; ///< si_pid of a sender or a child
    std::int32_t uid = 0;
    std::int32_t status = 0; ///< si_status of a child
    std::uint64_t value = 0; ///< si_value of a timer or sigqueue
    bool fault = false;      ///< `address` counts, not `pid`
};

/// Pending signals of a task or of a process: standard ones once, real-time ones queued, taken lowest number first.
class PendingSignals {
  public:
    void add(const SigInfo& info);
    [[nodiscard]] std::uint64_t set() const { return set_; }
    /// Takes the signal to deliver next among those not in `blocked`.
    std::optional<SigInfo> take(std::uint64_t blocked);
    void remove(std::uint64_t set);

  private:
    std::deque<SigInfo> queue_;
    std::uint64_t set_ = 0;
};

struct SignalStack {
    Addr sp = 0;
    std::uint64_t size = 0;
    std::int32_t flags = 2; ///< SS_DISABLE
};

/// "SIGSEGV" for 11; "SIG42" where there is no name.
std::string_view signal_name(int signo);

} // namespace trapline
