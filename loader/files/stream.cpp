#include "loader/files/stream.hpp"

#include "loader/proc/node.hpp"
#include "loader/system.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::size_t kPiece = 65536;

void wait_for(int fd, short what) {
    pollfd p{fd, what, 0};
    (void)::poll(&p, 1, -1);
}

/// write(2) that reports a closed pipe by EPIPE alone: the signal would be the host process's.
ssize_t write_quietly(int fd, const std::uint8_t* bytes, std::size_t n) {
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    const ssize_t r = ::write(fd, bytes, n);
    const int error = errno;
    if (r < 0 && error == EPIPE && !was_pending) {
        const timespec now{0, 0};
        (void)sigtimedwait(&pipe_signal, nullptr, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return r;
}

} // namespace

std::shared_ptr<StandardStream> standard_stream(int host_fd, int number, bool redirected, std::uint64_t inode) {
    using Kind = StandardStream::Kind;
    if (redirected) return std::make_shared<StandardStream>(host_fd, number, Kind::pipe, O_WRONLY, inode);
    const int host_flags = ::fcntl(host_fd, F_GETFL);
    struct stat st {};
    if (host_flags < 0 || ::fstat(host_fd, &st) != 0) return nullptr;
    Kind kind = Kind::pipe;
    if (S_ISREG(st.st_mode)) kind = Kind::regular;
    if (S_ISCHR(st.st_mode)) kind = ::isatty(host_fd) == 1 ? Kind::terminal : Kind::device;
    constexpr int kLargeFile = 0100000;
    const int flags = (host_flags & (O_ACCMODE | O_APPEND)) | (kind == Kind::pipe ? 0 : kLargeFile);
    return std::make_shared<StandardStream>(host_fd, number, kind, flags, inode);
}

StandardStream::StandardStream(int host_fd, int number, Kind kind, int status_flags, std::uint64_t inode)
    : File(status_flags), host_(host_fd), number_(number), kind_(kind), inode_(inode) {}

bool StandardStream::redirected(const System& system) const { return number_ != 0 && static_cast<bool>(system.output); }

long StandardStream::read(Io& io, IoBuffer& to, std::uint64_t&) {
    std::array<std::uint8_t, kPiece> piece;
    long total = 0;
    while (to.left() > 0) {
        const ssize_t n = ::read(host_, piece.data(), std::min<std::uint64_t>(piece.size(), to.left()));
        if (n < 0 && errno == EINTR) {
            if (io.kernel.host_wants_end()) return -EINTR;
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            wait_for(host_, POLLIN);
            continue;
        }
        if (n < 0) return total != 0 ? total : -errno;
        if (n == 0) break;
        const auto got = static_cast<std::size_t>(n);
        io.kernel.log().bytes(piece.data(), got);
        const std::size_t copied = to.put(piece.data(), got);
        total += static_cast<long>(copied);
        if (copied < got) return total != 0 ? total : -EFAULT;
        if (kind_ == Kind::terminal) break;
    }
    return total;
}

long StandardStream::write_host(const std::uint8_t* bytes, std::size_t n) const {
    std::size_t done = 0;
    while (done < n) {
        const ssize_t r = write_quietly(host_, bytes + done, n - done);
        if (r >= 0) {
            done += static_cast<std::size_t>(r);
        } else if (errno == EAGAIN) {
            wait_for(host_, POLLOUT);
        } else if (errno != EINTR) {
            return done != 0 ? static_cast<long>(done) : -errno;
        }
    }
    return static_cast<long>(done);
}

long StandardStream::write(Io& io, IoBuffer& from, std::uint64_t&) {
    std::array<std::uint8_t, kPiece> piece;
    long total = 0;
    while (from.left() > 0) {
        const std::size_t taken = from.take(piece.data(), piece.size());
        if (taken == 0) return total != 0 ? total : -EFAULT;
        long put = static_cast<long>(taken);
        if (redirected(io.system))
            io.system.output(number_, {piece.data(), taken});
        else
            put = write_host(piece.data(), taken);
        if (put < 0) return total != 0 ? total : put;
        io.kernel.log().bytes(piece.data(), static_cast<std::size_t>(put));
        total += put;
        if (static_cast<std::size_t>(put) < taken) break;
    }
    return total;
}

OrErrno<FileStat> StandardStream::stat(Io& io) {
    // The very device that its name leads to, as ttyname(3) checks. Other devices are /dev/null nearly always.
    if (kind_ == Kind::terminal || kind_ == Kind::device) return node_stat(io, find_node(io, name()));
    FileStat st = plain_stat(inode_, S_IFIFO | 0600, io.kernel);
    if (kind_ == Kind::regular) {
        struct stat host {};
        if (::fstat(host_, &host) != 0) return refuse(errno);
        st.device = FileView::device;
        st.view.mode = S_IFREG | 0644;
        st.view.size = static_cast<std::uint64_t>(host.st_size);
        st.view.blocks = (st.view.size + 4095) / 4096 * 8;
    }
    return st;
}

OrErrno<std::uint64_t> StandardStream::size(Io&) {
    struct stat host {};
    if (::fstat(host_, &host) != 0) return refuse(errno);
    return static_cast<std::uint64_t>(host.st_size);
}

/// The host's own position is used: whoever shares the descriptor outside goes on where the guest stopped.
long StandardStream::seek(Io&, std::int64_t offset, int whence) {
    if (!seekable()) return -ESPIPE;
    const off_t r = ::lseek(host_, offset, whence);
    return r < 0 ? -errno : r;
}

long StandardStream::truncate(Io& io, std::uint64_t bytes) {
    if (!seekable() || redirected(io.system)) return -EINVAL;
    return ::ftruncate(host_, static_cast<off_t>(bytes)) == 0 ? 0 : -errno;
}

OrErrno<std::shared_ptr<Inode>> StandardStream::inode(Io& io) {
    if (kind_ != Kind::regular || redirected(io.system)) return refuse(ENODEV);
    auto inode = io.system.inode_of(host_, name());
    if (inode == nullptr) return refuse(EIO);
    return inode;
}

OrErrno<std::shared_ptr<File>> StandardStream::reopen(Io& io, int new_flags) {
    const int access = new_flags & O_ACCMODE, own = flags & O_ACCMODE;
    if (own != O_RDWR && own != access) return refuse(EACCES);
    (void)io;
    return std::make_shared<StandardStream>(host_, number_, kind_, (flags & ~O_ACCMODE) | access, inode_);
}

std::string StandardStream::name() const {
    switch (kind_) {
    case Kind::terminal:
        return "/dev/tty";
    case Kind::device:
        return "/dev/null";
    case Kind::regular:
        return number_ == 0 ? "/standard-input" : "/standard-output";
    case Kind::pipe:
        break;
    }
    return "pipe:[" + std::to_string(inode_) + "]";
}

/// How much lies in a pipe of the host is chance: none is promised, and a read then waits.
long StandardStream::available(Io& io) {
    if (kind_ != Kind::regular) return 0;
    auto end = size(io);
    const off_t at = ::lseek(host_, 0, SEEK_CUR);
    return end && at >= 0 && static_cast<std::uint64_t>(at) < *end ? static_cast<long>(*end) - at : 0;
}

} // namespace trapline
