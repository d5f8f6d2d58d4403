#include "loader/files/host_file.hpp"

#include "loader/files/page_cache.hpp"
#include "loader/process_state.hpp"
#include "loader/system.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <limits>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::size_t kPiece = 65536;
constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

/// What F_GETFL shows of open's flags; the kernel adds O_LARGEFILE for 64-bit programs.
int shown_flags(int flags) {
    constexpr int kLargeFile = 0100000;
    constexpr int kOnlyAtOpen = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
    return (flags & ~kOnlyAtOpen) | ((flags & O_PATH) != 0 ? 0 : kLargeFile);
}

/// RLIMIT_FSIZE of whoever uses the file.
std::uint64_t largest_file(const Io& io) { return state_of(*io.task.process).limits[RLIMIT_FSIZE].soft; }

/// A file would become larger than it may (mm/filemap.c, generic_write_check_limits).
long too_large(Io& io) {
    SigInfo info;
    info.signo = SIGXFSZ;
    info.pid = io.task.process->pid;
    io.kernel.send(io.task, info);
    return -EFBIG;
}

OrErrno<std::shared_ptr<File>> open_again(Io& io, const std::string& path, int flags) {
    auto where = io.system.sandbox().resolve("/", path, LastLink::keep);
    if (!where) return tl::make_unexpected(where.error());
    if (where->modelled) return refuse(ENOENT);
    return open_host(io, *where, flags, 0);
}

} // namespace

OrErrno<std::shared_ptr<File>> open_host(Io& io, const Resolved& where, int flags, mode_t mode) {
    // O_APPEND stays with us: pwrite on such a descriptor would ignore its offset (pwrite(2), BUGS).
    auto opened = io.system.sandbox().open(where, flags & ~O_APPEND, mode);
    if (!opened) return tl::make_unexpected(opened.error());
    struct stat st {};
    if (::fstat(opened->fd.get(), &st) != 0) return refuse(errno);
    const int shown = shown_flags(flags);
    if (S_ISDIR(st.st_mode)) return std::make_shared<HostDirectory>(std::move(*opened), shown);
    std::shared_ptr<Inode> inode;
    if (S_ISREG(st.st_mode) && opened->changeable && (flags & O_PATH) == 0) {
        inode = io.system.inode_of(opened->fd.get(), opened->path);
        if (inode != nullptr && (flags & O_TRUNC) != 0) truncate_cached(io.kernel, *inode, 0);
    }
    return std::make_shared<HostFile>(std::move(*opened), shown, std::move(inode));
}

HostFile::HostFile(OpenedFile opened, int status_flags, std::shared_ptr<Inode> inode)
    : File(status_flags), opened_(std::move(opened)), inode_(std::move(inode)) {}

long HostFile::read(Io& io, IoBuffer& to, std::uint64_t& at) {
    std::array<std::uint8_t, kPiece> piece;
    long total = 0;
    while (to.left() > 0 && at <= kLargest - kPiece) {
        const std::size_t wanted = std::min<std::uint64_t>(piece.size(), to.left());
        const ssize_t n = ::pread(opened_.fd.get(), piece.data(), wanted, static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return total != 0 ? total : -errno;
        if (n == 0) break;
        const auto got = static_cast<std::size_t>(n);
        if (inode_ != nullptr) overlay_cached(io.kernel, *inode_, at, piece.data(), got);
        const std::size_t copied = to.put(piece.data(), got);
        at += copied;
        total += static_cast<long>(copied);
        if (copied < got) return total != 0 ? total : -EFAULT;
        if (got < wanted) break;
    }
    return total;
}

long HostFile::write(Io& io, IoBuffer& from, std::uint64_t& at) {
    std::array<std::uint8_t, kPiece> piece;
    if ((flags & O_APPEND) != 0) {
        auto end = size(io);
        if (!end) return end.error();
        at = *end;
    }
    long total = 0, error = 0;
    const std::uint64_t end = largest_file(io);
    if (from.left() > 0 && at >= end) return too_large(io);
    while (from.left() > 0 && error == 0 && at < end) {
        if (at > kLargest - kPiece) {
            error = -EFBIG;
            break;
        }
        const std::size_t taken = from.take(piece.data(), std::min<std::uint64_t>(piece.size(), end - at));
        if (taken == 0) error = -EFAULT;
        for (std::size_t done = 0; done < taken;) {
            const ssize_t n = ::pwrite(opened_.fd.get(), piece.data() + done, taken - done, static_cast<off_t>(at));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                error = n < 0 ? -errno : -EIO;
                break;
            }
            const auto put = static_cast<std::size_t>(n);
            if (inode_ != nullptr) update_cached(io.kernel, *inode_, at, piece.data() + done, put);
            done += put;
            at += put;
            total += n;
        }
    }
    if (total > 0) io.system.sandbox().changed(opened_);
    return total != 0 ? total : error;
}

OrErrno<FileStat> HostFile::stat(Io& io) {
    auto view = io.system.sandbox().stat(opened_.fd.get());
    if (!view) return tl::make_unexpected(view.error());
    return FileStat{*view};
}

long HostFile::truncate(Io& io, std::uint64_t bytes) {
    if (bytes > kLargest) return -EINVAL;
    if (bytes > largest_file(io)) {
        const auto now = size(io);
        if (!now) return now.error();
        if (bytes > *now) return too_large(io);
    }
    if (::ftruncate(opened_.fd.get(), static_cast<off_t>(bytes)) != 0) return -errno;
    if (inode_ != nullptr) truncate_cached(io.kernel, *inode_, bytes);
    io.system.sandbox().changed(opened_);
    return 0;
}

OrErrno<std::shared_ptr<Inode>> HostFile::inode(Io& io) {
    if (inode_ != nullptr) return inode_;
    auto inode = io.system.inode_of(opened_.fd.get(), opened_.path);
    if (inode == nullptr) return refuse(EIO);
    return inode;
}

OrErrno<std::shared_ptr<File>> HostFile::reopen(Io& io, int new_flags) {
    return open_again(io, opened_.path, new_flags);
}

long HostFile::available(Io& io) {
    auto end = size(io);
    if (!end) return -1;
    return *end > position ? static_cast<long>(*end - position) : 0;
}

long HostDirectory::read(Io&, IoBuffer&, std::uint64_t&) { return -EISDIR; }

OrErrno<FileStat> HostDirectory::stat(Io& io) {
    auto view = io.system.sandbox().stat(opened_.fd.get());
    if (!view) return tl::make_unexpected(view.error());
    return FileStat{*view};
}

OrErrno<std::vector<DirectoryEntry>> HostDirectory::list(Io& io) { return io.system.sandbox().list(opened_); }

OrErrno<std::shared_ptr<File>> HostDirectory::reopen(Io& io, int new_flags) {
    return open_again(io, opened_.path, new_flags);
}

} // namespace trapline
