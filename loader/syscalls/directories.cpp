// Names: directories, links, renaming, removing, listing.
#include "loader/files/host_file.hpp"
#include "loader/files/shared_memory.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <linux/fs.h>

namespace trapline {
namespace {

/// For a change of names: what the sandbox may be asked about. Nothing in the models can be changed but shared memory.
OrErrno<Place> entry_at(Call& c, int fd, Addr path) { return place_at(c, fd, path, LastLink::entry); }

long refuse_model(const Place& p) { return p.missing() ? -ENOENT : -EPERM; }

/// A new name in the models: procfs and sysfs have no room for it.
long refuse_new(const Place& p) {
    if (!p.missing()) return -EEXIST;
    return p.path().starts_with("/proc") ? -ENOENT : -EPERM;
}

bool is_shared(const Place& p) { return p.node && p.node->kind == Node::Kind::memory; }

long make_directory(Call& c, int fd, Addr path, std::uint64_t mode) {
    auto place = entry_at(c, fd, path);
    if (!place) return place.error();
    if (place->node) return refuse_new(*place);
    return c.system.sandbox().make_directory(place->host, static_cast<mode_t>(mode) & 07777 & ~files_of(c).umask);
}

long remove_file(Call& c, int fd, Addr path) {
    auto place = entry_at(c, fd, path);
    if (!place) return place.error();
    if (!place->node) return c.system.sandbox().unlink(place->host);
    if (place->node->kind != Node::Kind::memory) return refuse_model(*place);
    return unlink_shared(*files_of(c).shared, place->path());
}

long remove_directory(Call& c, int fd, Addr path) {
    auto place = entry_at(c, fd, path);
    if (!place) return place.error();
    return place->node ? refuse_model(*place) : c.system.sandbox().remove_directory(place->host);
}

long rename(Call& c, int from_fd, Addr from, int to_fd, Addr to, std::uint64_t flags) {
    auto old_place = entry_at(c, from_fd, from);
    if (!old_place) return old_place.error();
    auto new_place = entry_at(c, to_fd, to);
    if (!new_place) return new_place.error();
    if ((flags >> 32) != 0) return -EINVAL;
    if (is_shared(*old_place) && new_place->node)
        return rename_shared(*files_of(c).shared, old_place->path(), new_place->path(), static_cast<unsigned>(flags));
    if (old_place->node || new_place->node)
        return old_place->missing() ? -ENOENT : old_place->node && new_place->node ? -EPERM : -EXDEV;
    const int r = c.system.sandbox().rename(old_place->host, new_place->host, static_cast<unsigned>(flags));
    if (r == 0 && old_place->is_directory())
        for (const auto& [pid, p] : c.kernel.processes())
            if (p->files != nullptr) files_of(*p).renamed(old_place->path(), new_place->path());
    return r;
}

long make_link(Call& c, Addr target, int fd, Addr path) {
    auto text = path_at(c, target);
    if (!text) return text.error();
    auto place = entry_at(c, fd, path);
    if (!place) return place.error();
    if (place->node) return refuse_new(*place);
    return c.system.sandbox().make_link(*text, place->host);
}

long make_hard_link(Call& c, int from_fd, Addr from, int to_fd, Addr to, std::uint64_t flags) {
    if ((flags & ~std::uint64_t{AT_SYMLINK_FOLLOW | AT_EMPTY_PATH}) != 0) return -EINVAL;
    auto file = place_at(c, from_fd, from, (flags & AT_SYMLINK_FOLLOW) != 0 ? LastLink::follow : LastLink::entry);
    if (!file) return file.error();
    auto place = entry_at(c, to_fd, to);
    if (!place) return place.error();
    if (is_shared(*file) && place->node) return link_shared(*files_of(c).shared, file->path(), place->path());
    if (file->node || place->node) return file->missing() ? -ENOENT : -EXDEV;
    return c.system.sandbox().make_hard_link(file->host, place->host);
}

long read_link(Call& c, int fd, Addr path, Addr buffer, std::uint64_t bytes) {
    const auto size = static_cast<std::int32_t>(bytes);
    if (size <= 0) return -EINVAL;
    auto place = place_at(c, fd, path, LastLink::keep);
    if (!place) return place.error();
    if (place->missing()) return -ENOENT;
    std::string target;
    if (place->node) {
        if (!place->node->is_link()) return -EINVAL;
        target = place->node->target;
    } else {
        auto read = c.system.sandbox().read_link(place->host);
        if (!read) return read.error();
        target = std::move(*read);
    }
    const std::size_t n = std::min<std::size_t>(target.size(), static_cast<std::size_t>(size));
    return c.mm().write(buffer, target.data(), n) ? static_cast<long>(n) : -EFAULT;
}

long sys_mkdir(Call& c) { return make_directory(c, AT_FDCWD, c.args[0], c.args[1]); }
long sys_mkdirat(Call& c) { return make_directory(c, c.fd(0), c.args[1], c.args[2]); }
long sys_rmdir(Call& c) { return remove_directory(c, AT_FDCWD, c.args[0]); }
long sys_unlink(Call& c) { return remove_file(c, AT_FDCWD, c.args[0]); }
long sys_unlinkat(Call& c) {
    if ((c.args[2] & ~std::uint64_t{AT_REMOVEDIR}) != 0) return -EINVAL;
    return c.args[2] != 0 ? remove_directory(c, c.fd(0), c.args[1]) : remove_file(c, c.fd(0), c.args[1]);
}
long sys_rename(Call& c) { return rename(c, AT_FDCWD, c.args[0], AT_FDCWD, c.args[1], 0); }
long sys_renameat(Call& c) { return rename(c, c.fd(0), c.args[1], c.fd(2), c.args[3], 0); }
long sys_renameat2(Call& c) { return rename(c, c.fd(0), c.args[1], c.fd(2), c.args[3], c.args[4]); }
long sys_symlink(Call& c) { return make_link(c, c.args[0], AT_FDCWD, c.args[1]); }
long sys_symlinkat(Call& c) { return make_link(c, c.args[0], c.fd(1), c.args[2]); }
long sys_link(Call& c) { return make_hard_link(c, AT_FDCWD, c.args[0], AT_FDCWD, c.args[1], 0); }
long sys_linkat(Call& c) { return make_hard_link(c, c.fd(0), c.args[1], c.fd(2), c.args[3], c.args[4]); }
long sys_readlink(Call& c) { return read_link(c, AT_FDCWD, c.args[0], c.args[1], c.args[2]); }
long sys_readlinkat(Call& c) {
    std::uint8_t first = 0;
    if (c.mm().get(c.args[1], first) && first == 0) { // the link that an O_PATH descriptor was opened on
        auto file = files_of(c).get(c.fd(0));
        if (file == nullptr) return -EBADF;
        if (file->opened() == nullptr) return -ENOENT;
        auto where = c.system.sandbox().resolve("/", file->opened()->path, LastLink::keep);
        if (!where) return where.error();
        auto target = c.system.sandbox().read_link(*where);
        if (!target) return target.error() == -EINVAL ? -ENOENT : target.error();
        const auto n = std::min<std::uint64_t>(target->size(), c.args[3]);
        return c.mm().write(c.args[2], target->data(), n) ? static_cast<long>(n) : -EFAULT;
    }
    return read_link(c, c.fd(0), c.args[1], c.args[2], c.args[3]);
}
/// FIFOs, sockets that nobody is bound to, and plain files; a device takes privilege.
long make_node(Call& c, int fd, Addr path, std::uint64_t mode_bits) {
    const auto mode = static_cast<mode_t>(mode_bits);
    const mode_t type = mode & S_IFMT, rights = mode & 07777 & ~files_of(c).umask;
    if (type == S_IFCHR || type == S_IFBLK || type == S_IFDIR) return -EPERM;
    if (type != 0 && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) return -EINVAL;
    auto place = entry_at(c, fd, path);
    if (!place) return place.error();
    if (!place->missing()) return -EEXIST;
    Io io = io_of(c);
    if (place->node) {
        if (type == S_IFSOCK) return refuse_new(*place);
        auto made = make_shared_file(c.kernel, *files_of(c).shared, place->path(), rights, type == S_IFIFO);
        return made ? 0 : made.error();
    }
    if (type == S_IFIFO || type == S_IFSOCK) {
        auto made = c.system.sandbox().make_special(place->host, type | rights);
        return made ? 0 : made.error();
    }
    auto made = open_host(io, place->host, O_CREAT | O_EXCL | O_WRONLY, rights);
    return made ? 0 : made.error();
}

long sys_mknod(Call& c) { return make_node(c, AT_FDCWD, c.args[0], c.args[1]); }
long sys_mknodat(Call& c) { return make_node(c, c.fd(0), c.args[1], c.args[2]); }

long sys_getcwd(Call& c) {
    const std::string& directory = files_of(c).directory;
    if (c.args[1] < directory.size() + 1) return -ERANGE;
    if (!c.mm().write(c.args[0], directory.c_str(), directory.size() + 1)) return -EFAULT;
    return static_cast<long>(directory.size() + 1);
}

long sys_chdir(Call& c) {
    auto place = place_at(c, AT_FDCWD, c.args[0], LastLink::follow);
    if (!place) return place.error();
    if (place->missing()) return -ENOENT;
    if (!place->is_directory()) return -ENOTDIR;
    if (!place->node) {
        if (const int r = c.system.sandbox().access(place->host, 1 /* X_OK */); r != 0) return r;
    } else if (place->node->kind == Node::Kind::descriptor) {
        files_of(c).directory = *place->node->file->directory();
        return 0;
    }
    files_of(c).directory = place->path();
    return 0;
}

long sys_fchdir(Call& c) {
    const auto file = files_of(c).get(c.fd(0));
    if (file == nullptr) return -EBADF;
    if (file->directory() == nullptr) return -ENOTDIR;
    files_of(c).directory = *file->directory();
    return 0;
}

long sys_getdents64(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    Io io = io_of(c);
    if (file->position == 0) {
        auto entries = file->list(io);
        if (!entries) return entries.error();
        file->entries = std::move(*entries);
    } else if (file->directory() == nullptr) {
        return -ENOTDIR;
    }
    // struct linux_dirent64: inode, offset of the next, length, type, name with its end, rounded up to eight bytes.
    constexpr std::size_t kName = 19;
    const auto room = static_cast<std::uint32_t>(c.args[2]);
    std::uint64_t used = 0;
    while (file->position < file->entries.size()) {
        const DirectoryEntry& e = file->entries[file->position];
        const std::size_t length = (kName + e.name.size() + 1 + 7) / 8 * 8;
        if (length > room - used) {
            if (used == 0) return -EINVAL;
            break;
        }
        std::array<std::uint8_t, kName + 256 + 8> record{};
        const std::uint64_t next = file->position + 1;
        const auto bytes = static_cast<std::uint16_t>(length);
        std::memcpy(record.data(), &e.inode, 8);
        std::memcpy(record.data() + 8, &next, 8);
        std::memcpy(record.data() + 16, &bytes, 2);
        record[18] = e.type;
        std::memcpy(record.data() + kName, e.name.data(), std::min<std::size_t>(e.name.size(), 255));
        if (!c.mm().write(c.args[1] + used, record.data(), length))
            return used != 0 ? static_cast<long>(used) : -EFAULT;
        used += length;
        ++file->position;
    }
    return static_cast<long>(used);
}

} // namespace

std::span<const SyscallInfo> directory_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {79, "getcwd", "pu", "full", sys_getcwd},
        {80, "chdir", "s", "full", sys_chdir},
        {81, "fchdir", "f", "full", sys_fchdir},
        {82, "rename", "ss", "full", sys_rename},
        {83, "mkdir", "so", "full", sys_mkdir},
        {84, "rmdir", "s", "full", sys_rmdir},
        {86, "link", "ss", "full", sys_link},
        {87, "unlink", "s", "full", sys_unlink},
        {88, "symlink", "ss", "full", sys_symlink},
        {89, "readlink", "sru", "full", sys_readlink},
        {133, "mknod", "sox", "partial: no devices", sys_mknod},
        {217, "getdents64", "fpu", "full", sys_getdents64},
        {258, "mkdirat", "fso", "full", sys_mkdirat},
        {259, "mknodat", "fsox", "partial: no devices", sys_mknodat},
        {263, "unlinkat", "fsx", "full", sys_unlinkat},
        {264, "renameat", "fsfs", "full", sys_renameat},
        {265, "linkat", "fsfsx", "partial: no AT_EMPTY_PATH", sys_linkat},
        {266, "symlinkat", "sfs", "full", sys_symlinkat},
        {267, "readlinkat", "fsru", "full", sys_readlinkat},
        {316, "renameat2", "fsfsx", "partial: no RENAME_WHITEOUT", sys_renameat2},
    };
    return kCalls;
}

} // namespace trapline
