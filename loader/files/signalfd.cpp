#include "loader/files/signalfd.hpp"

#include <poll.h>
#include <sys/signalfd.h>

namespace trapline {
namespace {

signalfd_siginfo shown(const SigInfo& i) {
    constexpr int kTimer = -2; // SI_TIMER
    signalfd_siginfo s{};
    s.ssi_signo = static_cast<std::uint32_t>(i.signo);
    s.ssi_code = i.code;
    if (i.fault) {
        s.ssi_addr = i.address;
    } else if (i.code == kTimer) {
        s.ssi_tid = static_cast<std::uint32_t>(i.pid);
        s.ssi_overrun = static_cast<std::uint32_t>(i.uid);
    } else {
        s.ssi_pid = static_cast<std::uint32_t>(i.pid);
        s.ssi_uid = static_cast<std::uint32_t>(i.uid);
    }
    if (i.signo == sig::chld) {
        s.ssi_status = i.status;
    } else if (!i.fault) {
        s.ssi_int = static_cast<std::int32_t>(i.value);
        s.ssi_ptr = i.value;
    }
    return s;
}

} // namespace

long SignalFd::read(Io& io, IoBuffer& to, std::uint64_t&) {
    if (to.left() < sizeof(signalfd_siginfo)) return -EINVAL;
    long done = 0;
    while (to.left() >= sizeof(signalfd_siginfo)) {
        const std::optional<SigInfo> info = io.kernel.take_signal(io.task, mask_);
        if (!info) return done != 0 ? done : -EAGAIN;
        const signalfd_siginfo s = shown(*info);
        if (to.put(reinterpret_cast<const std::uint8_t*>(&s), sizeof s) < sizeof s) return done != 0 ? done : -EFAULT;
        done += static_cast<long>(sizeof s);
    }
    return done;
}

short SignalFd::poll(Io& io) {
    const std::uint64_t pending = io.task.pending.set() | io.task.process->pending.set();
    return (pending & mask_) != 0 ? POLLIN | POLLRDNORM : 0;
}

} // namespace trapline
