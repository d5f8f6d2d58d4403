// open in all its forms.
#include "loader/files/fifo.hpp"
#include "loader/files/host_file.hpp"
#include "loader/files/shared_memory.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <linux/openat2.h>

namespace trapline {
namespace {

struct Request {
    int directory = AT_FDCWD;
    Addr path = 0;
    int flags = 0;
    mode_t mode = 0;
    std::uint64_t resolve = 0; ///< RESOLVE_* of openat2
};

/// A path that openat2 may not follow everywhere: 0, or why not. What the path leads to is held against where it would
/// lead if it had no links in it.
long check_bounds(const Call& c, int fd, const std::string& path, const Place& place, std::uint64_t resolve) {
    if ((resolve & RESOLVE_CACHED) != 0) return -EAGAIN;
    if (resolve == 0 || resolve == RESOLVE_NO_XDEV || resolve == RESOLVE_NO_MAGICLINKS) return 0;
    const FileTable& files = files_of(c.process());
    std::string base = files.directory;
    if (fd != AT_FDCWD && !path.starts_with('/'))
        if (const auto file = files.get(fd); file != nullptr && file->directory() != nullptr) base = *file->directory();
    const bool beneath = (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) != 0;
    if (path.starts_with('/')) {
        if (beneath) return -EXDEV;
        base = "/";
    }
    std::string plain = base == "/" ? "" : base;
    const std::size_t least = plain.size();
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t to = std::min(path.find('/', from), path.size());
        const std::string part = path.substr(from, to - from);
        from = to + 1;
        if (part.empty() || part == ".") continue;
        if (part != "..") {
            plain += "/" + part;
            continue;
        }
        if (beneath && plain.size() <= least) return -EXDEV;
        plain.resize(std::min(plain.size(), plain.rfind('/') == plain.npos ? 0 : plain.rfind('/')));
    }
    const std::string& real = place.path();
    if (beneath && real != base && !real.starts_with(base == "/" ? "/" : base + "/")) return -EXDEV;
    if ((resolve & RESOLVE_NO_SYMLINKS) != 0 && real != (plain.empty() ? "/" : plain)) return -ELOOP;
    return 0;
}

OrErrno<std::shared_ptr<File>> open_place(Call& c, const Place& place, const Request& r) {
    Io io = io_of(c);
    const mode_t mode = r.mode & 07777 & ~files_of(c).umask;
    if (!place.node) return open_host(io, place.host, r.flags, mode);
    if (place.missing()) {
        if ((r.flags & O_CREAT) == 0) return refuse(ENOENT);
        auto made = make_shared_file(c.kernel, *files_of(c).shared, place.path(), mode, false);
        if (!made) return tl::make_unexpected(made.error());
        constexpr int kShown = O_ACCMODE | O_APPEND | O_NONBLOCK, kLargeFile = 0100000;
        return std::make_shared<MemoryFile>(std::move(*made), (r.flags & kShown) | kLargeFile);
    }
    if (place.node->kind == Node::Kind::descriptor && !place.followed && (r.flags & O_PATH) == 0) return refuse(ELOOP);
    return open_node(io, *place.node, r.flags);
}

/// The pipe behind a place that is a FIFO which the guest may use; nullptr: it is something else.
OrErrno<std::shared_ptr<Pipe>> fifo_at(Call& c, const Place& place, int flags) {
    if ((flags & (O_PATH | O_DIRECTORY)) != 0 || place.missing()) return std::shared_ptr<Pipe>();
    if (place.node && (place.node->kind != Node::Kind::memory || place.node->memory->fifo == nullptr))
        return std::shared_ptr<Pipe>();
    if (!place.node && (!S_ISFIFO(place.host.st.st_mode) || !c.system.sandbox().writable(place.host.path)))
        return std::shared_ptr<Pipe>();
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return refuse(EEXIST);
    if (place.node) return place.node->memory->fifo;
    SharedFiles& shared = *files_of(c).shared;
    std::weak_ptr<Pipe>& known = shared.fifos[key_of(place.host.st)];
    auto pipe = known.lock();
    if (pipe == nullptr) known = pipe = std::make_shared<Pipe>(c.kernel, ++shared.last_number);
    return pipe;
}

OrErrno<FifoEnd::Name> fifo_name(Call& c, const Place& place) {
    if (place.node) return FifoEnd::Name(place.node->memory);
    auto opened = c.system.sandbox().open(place.host, O_PATH, 0);
    if (!opened) return tl::make_unexpected(opened.error());
    return FifoEnd::Name(std::move(*opened));
}

/// Waits for the other end (fifo(7)); one that has come and gone meanwhile counts.
Path<long> open_fifo(Call& c, std::shared_ptr<Pipe> pipe, const Place& place, int flags) {
    const int access = flags & O_ACCMODE;
    const bool nonblocking = (flags & O_NONBLOCK) != 0;
    if (access == O_WRONLY && nonblocking && pipe->readers == 0) co_return -ENXIO;
    auto name = fifo_name(c, place);
    if (!name) co_return name.error();
    const bool alone = access == O_RDONLY ? pipe->writers == 0 : access == O_WRONLY && pipe->readers == 0;
    const std::uint64_t& ever = access == O_RDONLY ? pipe->writers_ever : pipe->readers_ever;
    const std::uint64_t before = ever;
    constexpr int kShown = O_ACCMODE | O_NONBLOCK | O_APPEND;
    auto end = std::make_shared<FifoEnd>(pipe, std::move(*name), flags & kShown);
    while (alone && !nonblocking && ever == before)
        if (co_await c.kernel.sleep(c.task, &pipe->readiness.queue) == Wake::signal) co_return c.interrupted();
    co_return files_of(c).add(std::move(end), (flags & O_CLOEXEC) != 0, descriptor_limit(c));
}

Path<long> open_common(Call& c, Request r) {
    if ((r.flags & O_PATH) != 0) r.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    auto path = path_at(c, r.path);
    if (!path) co_return path.error();
    const bool exact = (r.flags & O_NOFOLLOW) != 0 || ((r.flags & O_CREAT) != 0 && (r.flags & O_EXCL) != 0);
    Io io = io_of(c);
    auto place = find_place(io, r.directory, *path, exact ? LastLink::keep : LastLink::follow);
    if (!place) co_return place.error();
    if (const long e = check_bounds(c, r.directory, *path, *place, r.resolve); e != 0) co_return e;
    auto pipe = fifo_at(c, *place, r.flags);
    if (!pipe) co_return pipe.error();
    if (*pipe != nullptr) co_return co_await open_fifo(c, std::move(*pipe), *place, r.flags);
    auto file = open_place(c, *place, r);
    if (!file) co_return file.error();
    co_return files_of(c).add(std::move(*file), (r.flags & O_CLOEXEC) != 0, descriptor_limit(c));
}

Path<long> sys_open(Call& c) {
    Request r;
    r.path = c.args[0];
    r.flags = static_cast<int>(c.args[1]);
    r.mode = static_cast<mode_t>(c.args[2]);
    return open_common(c, r);
}

Path<long> sys_openat(Call& c) {
    Request r;
    r.directory = c.fd(0);
    r.path = c.args[1];
    r.flags = static_cast<int>(c.args[2]);
    r.mode = static_cast<mode_t>(c.args[3]);
    return open_common(c, r);
}

Path<long> sys_creat(Call& c) {
    Request r;
    r.path = c.args[0];
    r.flags = O_CREAT | O_WRONLY | O_TRUNC;
    r.mode = static_cast<mode_t>(c.args[1]);
    return open_common(c, r);
}

/// What openat2 refuses that open would overlook (fs/open.c, build_open_flags).
long check_how(const open_how& how) {
    constexpr std::uint64_t kFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK |
                                     O_DSYNC | O_SYNC | O_ASYNC | O_DIRECT | 0100000 /* O_LARGEFILE */ | O_DIRECTORY |
                                     O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
    constexpr std::uint64_t kResolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
                                       RESOLVE_IN_ROOT | RESOLVE_CACHED;
    if ((how.flags & ~kFlags) != 0 || (how.resolve & ~kResolve) != 0) return -EINVAL;
    if ((how.resolve & RESOLVE_BENEATH) != 0 && (how.resolve & RESOLVE_IN_ROOT) != 0) return -EINVAL;
    const bool creates = (how.flags & O_CREAT) != 0 || (how.flags & O_TMPFILE) == O_TMPFILE;
    if (creates ? (how.mode & ~07777ull) != 0 : how.mode != 0) return -EINVAL;
    constexpr std::uint64_t kWithPath = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((how.flags & O_PATH) != 0 && (how.flags & ~kWithPath) != 0) return -EINVAL;
    return 0;
}

Path<long> sys_openat2(Call& c) {
    open_how how{};
    const std::uint64_t bytes = c.args[3];
    if (bytes < sizeof how) co_return -EINVAL;
    if (bytes > kPageSize) co_return -E2BIG;
    if (!c.mm().get(c.args[2], how)) co_return -EFAULT;
    for (std::uint64_t i = sizeof how; i < bytes; ++i) { // what is not known must be zero (copy_struct_from_user)
        std::uint8_t byte = 0;
        if (!c.mm().get(c.args[2] + i, byte)) co_return -EFAULT;
        if (byte != 0) co_return -E2BIG;
    }
    if (const long r = check_how(how); r != 0) co_return r;
    Request r;
    r.directory = c.fd(0);
    r.path = c.args[1];
    r.flags = static_cast<int>(how.flags);
    r.mode = static_cast<mode_t>(how.mode);
    r.resolve = how.resolve;
    co_return co_await open_common(c, r);
}

} // namespace

std::span<const SyscallInfo> open_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {2, "open", "sOo", "full", nullptr, sys_open},
        {85, "creat", "so", "full", nullptr, sys_creat},
        {257, "openat", "fsOo", "full", nullptr, sys_openat},
        {437, "openat2", "fspu", "partial: with RESOLVE_IN_ROOT absolute paths are refused", nullptr, sys_openat2},
    };
    return kCalls;
}

} // namespace trapline
