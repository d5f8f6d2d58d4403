// What can be changed about a file beside its name and bytes: size, mode, owner, times.
#include "loader/files/host_file.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <array>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace trapline {
namespace {

constexpr std::uint64_t kLargest = ~0ull >> 1;

long refuse_model(const Place& p) { return p.missing() ? -ENOENT : -EPERM; }

LastLink follow_unless(std::uint64_t flags, std::uint64_t no_follow) {
    return (flags & no_follow) != 0 ? LastLink::keep : LastLink::follow;
}

/// The empty path together with AT_EMPTY_PATH: the descriptor itself is meant.
bool is_empty_path(Call& c, Addr path, std::uint64_t flags) {
    std::uint8_t first = 1;
    return (flags & AT_EMPTY_PATH) != 0 && c.mm().get(path, first) && first == 0;
}

long sys_truncate(Call& c) {
    if (c.args[1] > kLargest) return -EINVAL;
    auto place = place_at(c, AT_FDCWD, c.args[0], LastLink::follow);
    if (!place) return place.error();
    if (place->missing()) return -ENOENT;
    if (place->is_directory()) return -EISDIR;
    Io io = io_of(c);
    // Through a description, so that mappings of the file hear of it.
    auto file = place->node ? open_node(io, *place->node, O_WRONLY) : open_host(io, place->host, O_WRONLY, 0);
    return file ? (*file)->truncate(io, c.args[1]) : file.error();
}

long sys_ftruncate(Call& c) {
    if (c.args[1] > kLargest) return -EINVAL;
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    if (!file->writable()) return -EINVAL;
    Io io = io_of(c);
    return file->truncate(io, c.args[1]);
}

/// A hole is not seen otherwise than as zeroes: what a file takes on the disk is not modelled.
long write_zeroes(Io& io, File& file, std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint8_t> zeroes(std::min<std::uint64_t>(begin < end ? end - begin : 0, 1u << 20));
    const int flags = std::exchange(file.flags, file.flags & ~O_APPEND); // which says nothing of this
    long r = 0;
    while (begin < end && r >= 0) {
        HostBuffer from(zeroes.data(), std::min<std::uint64_t>(zeroes.size(), end - begin));
        r = file.write(io, from, begin);
        if (r == 0) r = -EIO;
    }
    file.flags = flags;
    return std::min(r, 0l);
}

long sys_fallocate(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr || !file->writable()) return -EBADF;
    const std::uint64_t offset = c.args[2], bytes = c.args[3];
    if (offset > kLargest || bytes > kLargest || bytes == 0) return -EINVAL;
    if (offset + bytes > kLargest) return -EFBIG;
    const bool keeps_size = (c.args[1] & FALLOC_FL_KEEP_SIZE) != 0;
    const std::uint64_t mode = c.args[1] & ~std::uint64_t{FALLOC_FL_KEEP_SIZE};
    const bool zeroes = mode == FALLOC_FL_ZERO_RANGE || (mode == FALLOC_FL_PUNCH_HOLE && keeps_size);
    if (mode != 0 && !zeroes) return -EOPNOTSUPP;
    Io io = io_of(c);
    auto size = file->size(io);
    if (!size) return size.error();
    if (!file->seekable()) return -ESPIPE;
    if (zeroes)
        if (const long r = write_zeroes(io, *file, offset, std::min(offset + bytes, *size)); r != 0) return r;
    const bool grows = offset + bytes > *size && !keeps_size;
    return grows ? file->truncate(io, offset + bytes) : 0;
}

long change_mode(Call& c, int fd, Addr path, std::uint64_t mode, LastLink last) {
    auto place = place_at(c, fd, path, last);
    if (!place) return place.error();
    if (place->node) return refuse_model(*place);
    return c.system.sandbox().change_mode(place->host, static_cast<mode_t>(mode) & 07777);
}

long sys_chmod(Call& c) { return change_mode(c, AT_FDCWD, c.args[0], c.args[1], LastLink::follow); }
long sys_fchmodat(Call& c) { return change_mode(c, c.fd(0), c.args[1], c.args[2], LastLink::follow); }

long sys_fchmod(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    if (auto* memory = dynamic_cast<MemoryFile*>(file.get())) {
        memory->node().mode = static_cast<mode_t>(c.args[1]) & 0777;
        return 0;
    }
    if (file->opened() == nullptr) return -EPERM;
    return c.system.sandbox().change_mode(*file->opened(), static_cast<mode_t>(c.args[1]) & 07777);
}

/// Giving files away takes privilege, which a guest does not have; naming the owner that a file has already is allowed.
long same_owner(Call& c, const OrErrno<FileStat>& st, bool changeable, std::uint64_t uid, std::uint64_t gid) {
    (void)c;
    if (!st) return st.error();
    if (!changeable) return -EROFS;
    const auto owner = static_cast<std::uint32_t>(uid), group = static_cast<std::uint32_t>(gid);
    const bool same = (owner == ~0u || owner == st->view.uid) && (group == ~0u || group == st->view.gid);
    return same ? 0 : -EPERM;
}

long change_owner_of(Call& c, int fd, std::uint64_t uid, std::uint64_t gid) {
    const auto file = files_of(c).get(fd);
    if (file == nullptr) return -EBADF;
    Io io = io_of(c);
    return same_owner(c, file->stat(io), file->opened() == nullptr || file->opened()->changeable, uid, gid);
}

long change_owner(Call& c, int fd, Addr path, std::uint64_t uid, std::uint64_t gid, LastLink last) {
    auto place = place_at(c, fd, path, last);
    if (!place) return place.error();
    Io io = io_of(c);
    return same_owner(c, place_stat(io, *place), place->modelled() || c.system.sandbox().writable(place->path()), uid,
                      gid);
}

long sys_chown(Call& c) { return change_owner(c, AT_FDCWD, c.args[0], c.args[1], c.args[2], LastLink::follow); }
long sys_lchown(Call& c) { return change_owner(c, AT_FDCWD, c.args[0], c.args[1], c.args[2], LastLink::keep); }
long sys_fchown(Call& c) {
    return files_of(c).use(c.fd(0)) == nullptr ? -EBADF : change_owner_of(c, c.fd(0), c.args[1], c.args[2]);
}
long sys_fchownat(Call& c) {
    if (is_empty_path(c, c.args[1], c.args[4])) return change_owner_of(c, c.fd(0), c.args[2], c.args[3]);
    return change_owner(c, c.fd(0), c.args[1], c.args[2], c.args[3], follow_unless(c.args[4], AT_SYMLINK_NOFOLLOW));
}

long set_times(Call& c, int fd, Addr path, const NewTimes& times, std::uint64_t flags) {
    if (path == 0 || is_empty_path(c, path, flags)) {
        const auto file = files_of(c).get(fd);
        if (file == nullptr) return -EBADF;
        if (file->opened() != nullptr) return c.system.sandbox().set_times(*file->opened(), times);
        return dynamic_cast<MemoryFile*>(file.get()) != nullptr || file->is_terminal() ? 0 : -EPERM;
    }
    auto place = place_at(c, fd, path, follow_unless(flags, AT_SYMLINK_NOFOLLOW));
    if (!place) return place.error();
    if (place->node) return refuse_model(*place);
    return c.system.sandbox().set_times(place->host, times);
}

NewTime given(std::int64_t seconds, std::int64_t nanoseconds) { return {NewTime::What::given, {seconds, nanoseconds}}; }

long sys_utimensat(Call& c) {
    if ((c.args[3] & ~std::uint64_t{AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH}) != 0) return -EINVAL;
    NewTimes wanted;
    if (c.args[2] != 0) {
        std::array<timespec, 2> times{};
        if (!c.mm().get(c.args[2], times)) return -EFAULT;
        for (std::size_t i = 0; i < times.size(); ++i) {
            NewTime& t = i == 0 ? wanted.accessed : wanted.modified;
            const long ns = times[i].tv_nsec;
            if (ns != UTIME_NOW && ns != UTIME_OMIT && (ns < 0 || ns > 999'999'999)) return -EINVAL;
            if (ns == UTIME_OMIT)
                t.what = NewTime::What::keep;
            else if (ns != UTIME_NOW)
                t = given(times[i].tv_sec, ns);
        }
        // Nothing to do: nobody is asked whether it may be done (fs/utimes.c).
        if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT) return 0;
    }
    return set_times(c, c.fd(0), c.args[1], wanted, c.args[3]);
}

/// utimes and futimesat: struct timeval.
long set_times_of_day(Call& c, int fd, Addr path, Addr times_at) {
    NewTimes wanted;
    if (times_at != 0) {
        std::array<timeval, 2> times{};
        if (!c.mm().get(times_at, times)) return -EFAULT;
        for (const timeval& t : times)
            if (t.tv_usec < 0 || t.tv_usec > 999'999) return -EINVAL;
        wanted = {given(times[0].tv_sec, times[0].tv_usec * 1000), given(times[1].tv_sec, times[1].tv_usec * 1000)};
    }
    return set_times(c, fd, path, wanted, 0);
}

long sys_utimes(Call& c) { return set_times_of_day(c, AT_FDCWD, c.args[0], c.args[1]); }
long sys_futimesat(Call& c) { return set_times_of_day(c, c.fd(0), c.args[1], c.args[2]); }

long sys_utime(Call& c) {
    NewTimes wanted;
    if (c.args[1] != 0) {
        std::array<std::int64_t, 2> times{};
        if (!c.mm().get(c.args[1], times)) return -EFAULT;
        wanted = {given(times[0], 0), given(times[1], 0)};
    }
    return set_times(c, AT_FDCWD, c.args[0], wanted, 0);
}

/// What was written is where it belongs: the host keeps it.
long sys_sync(Call&) { return 0; }
long sys_fsync(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    return file->seekable() ? 0 : -EINVAL;
}

long sys_fadvise64(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    if (static_cast<std::uint32_t>(c.args[3]) > 5 /* POSIX_FADV_NOREUSE */) return -EINVAL;
    Io io = io_of(c);
    auto st = file->stat(io);
    return st && (st->view.mode & S_IFMT) == S_IFIFO ? -ESPIPE : 0;
}

long sys_readahead(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr || !file->readable()) return -EBADF;
    return file->seekable() ? 0 : -EINVAL;
}

} // namespace

std::span<const SyscallInfo> attribute_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {74, "fsync", "f", "full", sys_fsync},
        {75, "fdatasync", "f", "full", sys_fsync},
        {76, "truncate", "sl", "full", sys_truncate},
        {77, "ftruncate", "fl", "full", sys_ftruncate},
        {90, "chmod", "so", "full", sys_chmod},
        {91, "fchmod", "fo", "full", sys_fchmod},
        {92, "chown", "suu", "partial: the owner cannot change", sys_chown},
        {93, "fchown", "fuu", "partial: the owner cannot change", sys_fchown},
        {94, "lchown", "suu", "partial: the owner cannot change", sys_lchown},
        {132, "utime", "sp", "full", sys_utime},
        {162, "sync", "", "full", sys_sync},
        {187, "readahead", "flu", "full", sys_readahead},
        {221, "fadvise64", "flui", "full", sys_fadvise64},
        {235, "utimes", "sp", "full", sys_utimes},
        {260, "fchownat", "fsuux", "partial: the owner cannot change", sys_fchownat},
        {261, "futimesat", "fsp", "full", sys_futimesat},
        {268, "fchmodat", "fso", "full", sys_fchmodat},
        {277, "sync_file_range", "fllx", "full", sys_fsync},
        {280, "utimensat", "fspx", "full", sys_utimensat},
        {285, "fallocate", "fxll", "partial: a hole takes its place on the disk; no ranges moved", sys_fallocate},
        {306, "syncfs", "f", "full", sys_fsync},
    };
    return kCalls;
}

} // namespace trapline
