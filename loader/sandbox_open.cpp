// The sandbox: open(2).
#include "loader/sandbox.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

bool wants_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

/// What the host is told: the access mode and O_APPEND. The rest is done here, or means nothing for a regular file.
std::uint64_t host_flags(int flags) { return static_cast<std::uint64_t>(flags & (O_ACCMODE | O_APPEND)); }

} // namespace

OrErrno<OpenedFile> Sandbox::finish_open(HostFd fd, const Resolved& where) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return refuse(errno);
    return OpenedFile{std::move(fd), where.path, key_of(st), writable(where.path)};
}

OrErrno<OpenedFile> Sandbox::create_file(const Resolved& where, int flags, mode_t mode) {
    if (where.must_be_directory) return refuse(EISDIR);
    auto parent = open_parent(where);
    if (!parent) return tl::make_unexpected(parent.error());
    // O_EXCL: if somebody else was quicker, this is not the file that was resolved.
    auto fd =
        open_below(parent->get(), where.name(), host_flags(flags) | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, kBeneath);
    if (!fd) return tl::make_unexpected(fd.error());
    auto file = finish_open(std::move(*fd), where);
    if (!file) return file;
    views_.created(file->key);
    own_links_.insert(file->key);
    changed_directory(parent->get());
    if (::fchmod(file->fd.get(), mode & 0777) != 0)
        return refuse(errno); // exactly this: the host's umask is not the guest's
    return file;
}

OrErrno<OpenedFile> Sandbox::create_unnamed(const Resolved& where, int flags, mode_t mode) {
    if (!where.exists()) return refuse(ENOENT);
    if (!S_ISDIR(where.st.st_mode)) return refuse(ENOTDIR);
    if (!wants_write(flags)) return refuse(EINVAL);
    auto place = write_place(where.path);
    if (!place) return refuse(EROFS);
    auto fd = open_below(place->fd, place->below, host_flags(flags) | O_TMPFILE, 0600, kBeneath);
    if (!fd) return tl::make_unexpected(fd.error());
    auto file = finish_open(std::move(*fd), where);
    if (!file) return file;
    views_.created(file->key);
    if (::fchmod(file->fd.get(), mode & 0777) != 0)
        return refuse(errno); // exactly this: the host's umask is not the guest's
    return file;
}

OrErrno<OpenedFile> Sandbox::open(const Resolved& where, int flags, mode_t mode) {
    if ((flags & O_PATH) != 0) {
        if (!where.exists()) return refuse(ENOENT);
        if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(where.st.st_mode)) return refuse(ENOTDIR);
        auto fd = open_checked(where, O_PATH, false);
        if (!fd) return tl::make_unexpected(fd.error());
        return finish_open(std::move(*fd), where);
    }
    if ((flags & O_TMPFILE) == O_TMPFILE) return create_unnamed(where, flags, mode);
    if ((flags & O_CREAT) != 0 && (flags & O_DIRECTORY) != 0) return refuse(EINVAL); // as Linux since 6.4
    if (!where.exists()) {
        if ((flags & O_CREAT) == 0) return refuse(ENOENT);
        return create_file(where, flags, mode);
    }
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) return refuse(EEXIST);
    mode_t type = where.st.st_mode & S_IFMT;
    if (type == S_IFLNK) return refuse(ELOOP);
    if (type == S_IFDIR && (wants_write(flags) || (flags & O_CREAT) != 0)) return refuse(EISDIR);
    if (type != S_IFDIR && (flags & O_DIRECTORY) != 0) return refuse(ENOTDIR);
    if (type != S_IFDIR && type != S_IFREG) return refuse(type == S_IFSOCK ? ENXIO : EACCES);

    const bool truncates = (flags & O_TRUNC) != 0 && type == S_IFREG;
    const bool write = wants_write(flags) || truncates;
    if (write)
        if (int error = refuse_change(where); error != 0) return tl::make_unexpected(error);
    auto fd = open_checked(where, host_flags(flags) | (type == S_IFDIR ? O_DIRECTORY : 0), write);
    if (!fd) return tl::make_unexpected(fd.error());
    auto file = finish_open(std::move(*fd), where);
    if (!file || !truncates) return file;
    // Only now, on the file that was checked. Linux truncates even for O_RDONLY, which needs a descriptor of its own.
    HostFd writer;
    if (!wants_write(flags)) {
        auto second = open_checked(where, O_WRONLY, true);
        if (!second) return tl::make_unexpected(second.error());
        writer = std::move(*second);
    }
    if (::ftruncate(writer ? writer.get() : file->fd.get(), 0) != 0) return refuse(errno);
    views_.changed(file->key);
    return file;
}

} // namespace trapline
