// ioctl: what programs ask of any descriptor, and a terminal of 80 by 24 that is set as getty leaves it.
#include "loader/syscalls/file_support.hpp"

#include <array>
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/fs.h>
#include <sys/stat.h>

namespace trapline {
namespace {

/// struct winsize: rows, columns, and two that nobody uses.
constexpr std::array<std::uint16_t, 4> kWindow = {24, 80, 0, 0};

/// The kernel's struct termios, without the speeds behind it: "sane" as stty(1) has it.
termios sane_terminal() {
    termios t{};
    t.c_iflag = ICRNL | IXON | IUTF8;
    t.c_oflag = OPOST | ONLCR;
    t.c_cflag = B38400 | CS8 | CREAD;
    t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN | ECHOCTL | ECHOKE;
    constexpr unsigned char kKeys[] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22};
    for (std::size_t i = 0; i < sizeof kKeys; ++i) t.c_cc[i] = kKeys[i];
    return t;
}

long terminal(Call& c) {
    const Addr to = c.args[2];
    switch (static_cast<std::uint32_t>(c.args[1])) {
    case TCGETS:
        return c.mm().put(to, sane_terminal()) ? 0 : -EFAULT;
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSBRK:
    case TCXONC:
    case TCFLSH:
    case TIOCSWINSZ:
    case TIOCSPGRP:
    case TIOCSCTTY:
    case TIOCNOTTY:
        return 0; // the host's terminal stays as it is
    case TIOCGWINSZ:
        return c.mm().put(to, kWindow) ? 0 : -EFAULT;
    case TIOCGPGRP:
        return c.mm().put(to, static_cast<std::int32_t>(c.process().group)) ? 0 : -EFAULT;
    case TIOCGSID:
        return c.mm().put(to, static_cast<std::int32_t>(c.process().session)) ? 0 : -EFAULT;
    case TIOCOUTQ:
        return c.mm().put(to, std::int32_t{0}) ? 0 : -EFAULT;
    default:
        return -ENOTTY;
    }
}

long sys_ioctl(Call& c) {
    FileTable& files = files_of(c);
    auto* d = files.descriptor(c.fd(0));
    if (d == nullptr || d->file->is_path()) return -EBADF;
    File& file = *d->file;
    Io io = io_of(c);
    switch (static_cast<std::uint32_t>(c.args[1])) {
    case FIOCLEX:
        d->close_on_exec = true;
        return 0;
    case FIONCLEX:
        d->close_on_exec = false;
        return 0;
    case FIONBIO: {
        std::int32_t on = 0;
        if (!c.mm().get(c.args[2], on)) return -EFAULT;
        file.flags = on != 0 ? file.flags | O_NONBLOCK : file.flags & ~O_NONBLOCK;
        return 0;
    }
    case FIONREAD: {
        const long n = file.available(io);
        if (n < 0) return n == -1 ? -ENOTTY : n;
        constexpr long kMost = 0x7fffffff;
        return c.mm().put(c.args[2], static_cast<std::int32_t>(std::min(n, kMost))) ? 0 : -EFAULT;
    }
    case FICLONE:
        return -EOPNOTSUPP;
    default:
        return file.is_terminal() ? terminal(c) : -ENOTTY;
    }
}

} // namespace

std::span<const SyscallInfo> ioctl_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {16, "ioctl", "fxx", "partial: FIONREAD, FIONBIO, FIOCLEX; a terminal that cannot be set", sys_ioctl},
    };
    return kCalls;
}

} // namespace trapline
