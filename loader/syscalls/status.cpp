// What can be asked about a file: stat and its relatives, access, statfs, extended attributes.
#include "loader/syscalls/file_support.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

namespace trapline {
namespace {

/// What a reader's buffer should have: /proc has blocks of its own (Linux: proc_fill_super).
std::uint32_t block_size(const FileStat& st) {
    constexpr std::uint64_t kProc = 0x16;
    constexpr std::uint32_t kProcBlock = 1024;
    return st.device == kProc ? kProcBlock : FileView::block_size;
}

/// The kernel's struct stat for x86-64 is the C library's.
long put_stat(Call& c, Addr to, const OrErrno<FileStat>& st) {
    if (!st) return st.error();
    struct stat out {};
    out.st_dev = st->device;
    out.st_ino = st->view.inode;
    out.st_nlink = st->view.links;
    out.st_mode = st->view.mode;
    out.st_uid = st->view.uid;
    out.st_gid = st->view.gid;
    out.st_rdev = st->special;
    out.st_size = static_cast<off_t>(st->view.size);
    out.st_blksize = block_size(*st);
    out.st_blocks = static_cast<blkcnt_t>(st->view.blocks);
    out.st_mtim = out.st_ctim = st->view.mtime;
    out.st_atim = st->view.atime.value_or(st->view.mtime);
    return c.mm().put(to, out) ? 0 : -EFAULT;
}

OrErrno<FileStat> stat_of_descriptor(Call& c, int fd) {
    const auto file = files_of(c).get(fd);
    if (file == nullptr) return refuse(EBADF);
    Io io = io_of(c);
    return file->stat(io);
}

/// fstatat: with AT_EMPTY_PATH and an empty path the descriptor, or the working directory.
OrErrno<FileStat> stat_of_path(Call& c, int fd, Addr path, std::uint64_t flags) {
    auto text = path_at(c, path);
    if (!text && (path != 0 || (flags & AT_EMPTY_PATH) == 0)) return tl::make_unexpected(text.error());
    if (!text || text->empty()) {
        if ((flags & AT_EMPTY_PATH) == 0) return refuse(ENOENT);
        if (fd != AT_FDCWD) return stat_of_descriptor(c, fd);
        text = std::string(".");
    }
    Io io = io_of(c);
    auto place = find_place(io, fd, *text, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::keep : LastLink::follow);
    if (!place) return tl::make_unexpected(place.error());
    return place_stat(io, *place);
}

long sys_stat(Call& c) { return put_stat(c, c.args[1], stat_of_path(c, AT_FDCWD, c.args[0], 0)); }
long sys_lstat(Call& c) { return put_stat(c, c.args[1], stat_of_path(c, AT_FDCWD, c.args[0], AT_SYMLINK_NOFOLLOW)); }
long sys_fstat(Call& c) { return put_stat(c, c.args[1], stat_of_descriptor(c, c.fd(0))); }

long sys_newfstatat(Call& c) {
    if ((c.args[3] & ~std::uint64_t{AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH}) != 0) return -EINVAL;
    return put_stat(c, c.args[2], stat_of_path(c, c.fd(0), c.args[1], c.args[3]));
}

long sys_statx(Call& c) {
    constexpr std::uint64_t kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    if ((c.args[2] & ~kFlags) != 0 || (c.args[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE) return -EINVAL;
    if ((c.args[3] & STATX__RESERVED) != 0) return -EINVAL;
    auto st = stat_of_path(c, c.fd(0), c.args[1], c.args[2]);
    if (!st) return st.error();
    struct statx out {};
    out.stx_mask = STATX_BASIC_STATS;
    out.stx_blksize = block_size(*st);
    out.stx_nlink = static_cast<std::uint32_t>(st->view.links);
    out.stx_uid = st->view.uid;
    out.stx_gid = st->view.gid;
    out.stx_mode = static_cast<std::uint16_t>(st->view.mode);
    out.stx_ino = st->view.inode;
    out.stx_size = st->view.size;
    out.stx_blocks = st->view.blocks;
    out.stx_mtime.tv_sec = st->view.mtime.tv_sec;
    out.stx_mtime.tv_nsec = static_cast<std::uint32_t>(st->view.mtime.tv_nsec);
    out.stx_atime = out.stx_ctime = out.stx_mtime;
    if (st->view.atime) {
        out.stx_atime.tv_sec = st->view.atime->tv_sec;
        out.stx_atime.tv_nsec = static_cast<std::uint32_t>(st->view.atime->tv_nsec);
    }
    out.stx_dev_major = major(st->device);
    out.stx_dev_minor = minor(st->device);
    out.stx_rdev_major = major(st->special);
    out.stx_rdev_minor = minor(st->special);
    return c.mm().put(c.args[4], out) ? 0 : -EFAULT;
}

/// access to a model: by its permission bits for others, or for its owner, who the guest is.
long access_node(const Node& node, int mode) {
    if ((mode & 2) != 0 && (node.mode & 0222) == 0) return -EACCES;
    if ((mode & 1) != 0 && (node.mode & 0111) == 0) return -EACCES;
    return 0;
}

long access(Call& c, int fd, Addr path, std::uint64_t mode_bits, std::uint64_t flags) {
    constexpr std::uint64_t kFlags = AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH;
    if ((mode_bits & ~7ull) != 0 || (flags & ~kFlags) != 0) return -EINVAL;
    const int mode = static_cast<int>(mode_bits);
    auto text = path_at(c, path);
    if (!text) return text.error();
    Io io = io_of(c);
    int from = fd;
    if (text->empty()) {
        if ((flags & AT_EMPTY_PATH) == 0) return -ENOENT;
        const auto file = fd == AT_FDCWD ? nullptr : files_of(c).get(fd);
        if (fd != AT_FDCWD && file == nullptr) return -EBADF;
        if (file != nullptr && file->opened() == nullptr) return 0;
        text = file == nullptr ? std::string(".") : file->opened()->path;
        from = AT_FDCWD;
    }
    auto place = find_place(io, from, *text, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastLink::keep : LastLink::follow);
    if (!place) return place.error();
    if (place->missing()) return -ENOENT;
    return place->node ? access_node(*place->node, mode) : c.system.sandbox().access(place->host, mode);
}

long sys_access(Call& c) { return access(c, AT_FDCWD, c.args[0], c.args[1], 0); }
long sys_faccessat(Call& c) { return access(c, c.fd(0), c.args[1], c.args[2], 0); }
long sys_faccessat2(Call& c) { return access(c, c.fd(0), c.args[1], c.args[2], c.args[3]); }

/// One disk of 64 GiB, half full, whatever the host has.
long put_statfs(Call& c, Addr to, const OrErrno<FileStat>& st) {
    if (!st) return st.error();
    struct statfs out {};
    out.f_bsize = out.f_frsize = static_cast<long>(FileView::block_size);
    out.f_namelen = 255;
    constexpr long kValid = 0x20, kRelatime = 0x1000;
    out.f_flags = kValid | kRelatime;
    if (st->device == FileView::device) {
        out.f_type = EXT4_SUPER_MAGIC;
        out.f_blocks = 1u << 24;
        out.f_bfree = out.f_bavail = 1u << 23;
        out.f_files = 1u << 22;
        out.f_ffree = 1u << 21;
        out.f_fsid.__val[0] = static_cast<int>(FileView::device);
    } else {
        out.f_type = st->device == 0x16 ? PROC_SUPER_MAGIC : st->device == 0x17 ? SYSFS_MAGIC : TMPFS_MAGIC;
        if (st->device == 0xd) out.f_type = PIPEFS_MAGIC;
    }
    return c.mm().put(to, out) ? 0 : -EFAULT;
}

long sys_statfs(Call& c) { return put_statfs(c, c.args[1], stat_of_path(c, AT_FDCWD, c.args[0], 0)); }
long sys_fstatfs(Call& c) { return put_statfs(c, c.args[1], stat_of_descriptor(c, c.fd(0))); }

} // namespace

std::span<const SyscallInfo> status_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {4, "stat", "sp", "full", sys_stat},
        {5, "fstat", "fp", "full", sys_fstat},
        {6, "lstat", "sp", "full", sys_lstat},
        {21, "access", "si", "full", sys_access},
        {137, "statfs", "sp", "partial: a model of one disk", sys_statfs},
        {138, "fstatfs", "fp", "partial: a model of one disk", sys_fstatfs},
        {262, "newfstatat", "fspx", "full", sys_newfstatat},
        {269, "faccessat", "fsi", "full", sys_faccessat},
        {332, "statx", "fsxxp", "partial: no birth time, no mount", sys_statx},
        {439, "faccessat2", "fsix", "full", sys_faccessat2},
    };
    return kCalls;
}

} // namespace trapline
