// The sandbox: what changes names, modes, sizes and times. Each change opens the parent directory relative to a write
// directory, bounded by the kernel, and then names one component in it, which none of these calls follows as a link.
#include "loader/sandbox.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

int errno_of(int result) { return result == 0 ? 0 : -errno; }

} // namespace

/// The directory that holds a name, if the guest may change it.
OrErrno<HostFd> Sandbox::open_parent(const Resolved& where) {
    if (where.last == LastName::root) return refuse(EROFS);
    auto place = write_place(where.parent());
    if (!place) return refuse(EROFS);
    return open_below(place->fd, place->below, O_PATH | O_DIRECTORY, 0,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

/// A regular file with names that the guest did not make: one of them may lie outside the write directories.
int Sandbox::refuse_shared(const struct stat& st) const {
    return S_ISREG(st.st_mode) && st.st_nlink > 1 && own_links_.count(key_of(st)) == 0 ? -EROFS : 0;
}

int Sandbox::refuse_change(const Resolved& where) const {
    if (!where.exists()) return -ENOENT;
    if (!writable(where.path)) return -EROFS;
    return refuse_shared(where.st);
}

void Sandbox::changed_directory(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) == 0) views_.changed(key_of(st));
}

int Sandbox::make_directory(const Resolved& where, mode_t mode) {
    if (where.exists()) return -EEXIST;
    auto parent = open_parent(where);
    if (!parent) return parent.error();
    if (::mkdirat(parent->get(), where.name().c_str(), 0700) != 0) return -errno;
    changed_directory(parent->get());
    auto made = open_below(parent->get(), where.name(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
    if (!made) return made.error();
    struct stat st {};
    if (::fstat(made->get(), &st) != 0) return -errno;
    views_.created(key_of(st));
    return errno_of(::fchmod(made->get(), mode & 01777)); // exactly this: the host's umask is not the guest's
}

OrErrno<FileKey> Sandbox::make_special(const Resolved& where, mode_t type_and_mode) {
    if (where.exists()) return refuse(EEXIST);
    if (where.must_be_directory) return refuse(ENOENT);
    auto parent = open_parent(where);
    if (!parent) return tl::make_unexpected(parent.error());
    const mode_t umask = ::umask(0); // exactly this mode: the host's umask is not the guest's
    const int made = ::mknodat(parent->get(), where.name().c_str(), type_and_mode & (S_IFMT | 0777), 0);
    const int error = errno;
    ::umask(umask);
    if (made != 0) return refuse(error);
    changed_directory(parent->get());
    struct stat st {};
    if (::fstatat(parent->get(), where.name().c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return refuse(errno);
    views_.created(key_of(st));
    return key_of(st);
}

int Sandbox::unlink(const Resolved& where) {
    if (where.last != LastName::plain) return -EISDIR;
    auto parent = open_parent(where);
    if (!parent) return parent.error();
    if (!where.exists()) return -ENOENT;
    if (::unlinkat(parent->get(), where.name().c_str(), 0) != 0) return -errno;
    changed_directory(parent->get());
    return 0;
}

int Sandbox::remove_directory(const Resolved& where) {
    if (where.last == LastName::dot) return -EINVAL;
    if (where.last == LastName::dot_dot) return -ENOTEMPTY;
    if (where.last == LastName::root) return -EBUSY;
    auto parent = open_parent(where);
    if (!parent) return parent.error();
    if (!where.exists()) return -ENOENT;
    if (::unlinkat(parent->get(), where.name().c_str(), AT_REMOVEDIR) != 0) return -errno;
    changed_directory(parent->get());
    return 0;
}

int Sandbox::rename(const Resolved& from, const Resolved& to, unsigned flags) {
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return -EINVAL;
    if (from.last != LastName::plain || to.last != LastName::plain) return -EBUSY;
    auto from_parent = open_parent(from);
    if (!from_parent) return from_parent.error();
    auto to_parent = open_parent(to);
    if (!to_parent) return to_parent.error();
    if (!from.exists()) return -ENOENT;
    if (to.must_be_directory && !S_ISDIR(from.st.st_mode)) return -ENOTDIR;
    if (::renameat2(from_parent->get(), from.name().c_str(), to_parent->get(), to.name().c_str(), flags) != 0)
        return -errno;
    changed_directory(from_parent->get());
    changed_directory(to_parent->get());
    return 0;
}

int Sandbox::make_link(std::string_view target, const Resolved& where) {
    if (target.empty()) return -ENOENT;
    if (where.exists()) return -EEXIST;
    if (where.must_be_directory) return -ENOENT;
    auto parent = open_parent(where);
    if (!parent) return parent.error();
    if (::symlinkat(std::string(target).c_str(), parent->get(), where.name().c_str()) != 0) return -errno;
    changed_directory(parent->get());
    struct stat st {};
    if (::fstatat(parent->get(), where.name().c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) views_.created(key_of(st));
    return 0;
}

int Sandbox::make_hard_link(const Resolved& file, const Resolved& where) {
    if (!file.exists()) return -ENOENT;
    if (S_ISDIR(file.st.st_mode)) return -EPERM;
    if (where.exists()) return -EEXIST;
    if (where.must_be_directory) return -ENOENT;
    auto parent = open_parent(where);
    if (!parent) return parent.error();
    if (!writable(file.path)) return -EXDEV; // like a link into another mount
    auto file_parent = open_parent(file);
    if (!file_parent) return file_parent.error();
    // Only a file whose single name is below a write directory stays the guest's own when it gets more names.
    bool own = file.st.st_nlink <= 1 || own_links_.count(key_of(file.st)) != 0;
    if (::linkat(file_parent->get(), file.name().c_str(), parent->get(), where.name().c_str(), 0) != 0) return -errno;
    if (own) own_links_.insert(key_of(file.st));
    changed_directory(parent->get());
    return 0;
}

int Sandbox::set_mode(int fd, const struct stat& st, mode_t mode) {
    // A set-user-ID file made by a guest would be a way in for every user of the host.
    if ((mode & S_ISUID) != 0 || ((mode & S_ISGID) != 0 && !S_ISDIR(st.st_mode))) return -EPERM;
    return errno_of(::fchmod(fd, mode & 07777));
}

int Sandbox::change_mode(const Resolved& where, mode_t mode) {
    if (int error = refuse_change(where); error != 0) return error;
    if (S_ISLNK(where.st.st_mode)) return -EOPNOTSUPP;
    if (!S_ISREG(where.st.st_mode) && !S_ISDIR(where.st.st_mode)) return -EACCES;
    auto fd = open_checked(where, O_RDONLY, true);
    if (!fd && fd.error() == -EACCES) fd = open_checked(where, O_WRONLY, true); // a file that may only be written
    if (!fd) return fd.error();
    return set_mode(fd->get(), where.st, mode);
}

int Sandbox::refuse_change(const OpenedFile& file, struct stat& st) const {
    if (!file.changeable) return -EROFS;
    if (::fstat(file.fd.get(), &st) != 0) return -errno;
    return refuse_shared(st);
}

int Sandbox::change_mode(const OpenedFile& file, mode_t mode) {
    struct stat st {};
    if (int error = refuse_change(file, st); error != 0) return error;
    return set_mode(file.fd.get(), st, mode);
}

int Sandbox::truncate(const Resolved& where, std::uint64_t size) {
    if (int error = refuse_change(where); error != 0) return error;
    if (S_ISDIR(where.st.st_mode)) return -EISDIR;
    if (!S_ISREG(where.st.st_mode)) return -EINVAL;
    auto fd = open_checked(where, O_WRONLY, true);
    if (!fd) return fd.error();
    if (::ftruncate(fd->get(), static_cast<off_t>(size)) != 0) return -errno;
    views_.changed(key_of(where.st));
    return 0;
}

/// The host's file gets the host's own "now", the guest sees the virtual one.
int Sandbox::put_times(int fd, const FileKey& key, const NewTimes& times) {
    const auto host = [](const NewTime& t) {
        return t.what == NewTime::What::given ? t.time
                                              : timespec{0, t.what == NewTime::What::now ? UTIME_NOW : UTIME_OMIT};
    };
    const timespec both[2] = {host(times.accessed), host(times.modified)};
    if (::utimensat(fd, "", both, AT_EMPTY_PATH) != 0) return -errno;
    const auto shown = [&](const NewTime& t) { return t.what == NewTime::What::given ? t.time : views_.now(); };
    if (times.accessed.what != NewTime::What::keep) views_.set_accessed(key, shown(times.accessed));
    if (times.modified.what != NewTime::What::keep) views_.set_modified(key, shown(times.modified));
    return 0;
}

int Sandbox::set_times(const Resolved& where, const NewTimes& times) {
    if (int error = refuse_change(where); error != 0) return error;
    auto fd = open_checked(where, O_PATH, true);
    if (!fd) return fd.error();
    return put_times(fd->get(), key_of(where.st), times);
}

int Sandbox::set_times(const OpenedFile& file, const NewTimes& times) {
    struct stat st {};
    if (int error = refuse_change(file, st); error != 0) return error;
    return put_times(file.fd.get(), file.key, times);
}

} // namespace trapline
