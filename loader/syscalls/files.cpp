// Descriptors: close, dup, fcntl, and new files that live in memory. How they are opened is in open.cpp.
#include "loader/files/pipe.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <bit>
#include <linux/close_range.h>
#include <sys/mman.h>

namespace trapline {
namespace {

long sys_close(Call& c) { return files_of(c).close(c.fd(0)); }

long sys_close_range(Call& c) {
    const auto first = static_cast<std::uint32_t>(c.args[0]), last = static_cast<std::uint32_t>(c.args[1]);
    if ((c.args[2] & ~std::uint64_t{CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE}) != 0 || first > last) return -EINVAL;
    FileTable& files = files_of(c); // shared by threads only, who cannot be given tables of their own
    for (std::size_t fd = first; fd < files.all().size() && fd <= last; ++fd) {
        auto* d = files.descriptor(static_cast<int>(fd));
        if (d == nullptr) continue;
        if ((c.args[2] & CLOSE_RANGE_CLOEXEC) != 0)
            d->close_on_exec = true;
        else
            files.close(static_cast<int>(fd));
    }
    return 0;
}

long duplicate(Call& c, int old, int wanted, bool close_on_exec) {
    FileTable& files = files_of(c);
    auto file = files.get(old);
    if (file == nullptr || wanted < 0 || static_cast<std::uint64_t>(wanted) >= descriptor_limit(c)) return -EBADF;
    files.put(wanted, std::move(file), close_on_exec);
    return wanted;
}

long sys_dup(Call& c) {
    auto file = files_of(c).get(c.fd(0));
    return file == nullptr ? -EBADF : files_of(c).add(std::move(file), false, descriptor_limit(c));
}

long sys_dup2(Call& c) {
    if (c.fd(0) == c.fd(1)) return files_of(c).get(c.fd(0)) == nullptr ? -EBADF : c.fd(0);
    return duplicate(c, c.fd(0), c.fd(1), false);
}

long sys_dup3(Call& c) {
    if ((c.args[2] & ~std::uint64_t{O_CLOEXEC}) != 0 || c.fd(0) == c.fd(1)) return -EINVAL;
    return duplicate(c, c.fd(0), c.fd(1), c.args[2] != 0);
}

/// Whether some process has the file mapped so that it may change it.
bool mapped_for_writing(const Kernel& kernel, const Inode* inode) {
    for (const auto& [pid, p] : kernel.processes()) {
        if (p->mm == nullptr) continue;
        for (const auto& [start, v] : p->mm->vmas())
            if (v.inode.get() == inode && v.shared && v.may_write) return true;
    }
    return false;
}

long seals(Call& c, File& file, int command) {
    auto* memory = dynamic_cast<MemoryFile*>(&file);
    if (memory == nullptr) return -EINVAL;
    unsigned& now = memory->node().seals;
    if (command == F_GET_SEALS) return now;
    if (!file.writable() || (now & F_SEAL_SEAL) != 0) return -EPERM;
    constexpr unsigned kFutureWrite = 0x10, kExec = 0x20;
    constexpr std::uint64_t kKnown = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | kFutureWrite | kExec;
    if ((c.args[2] & ~kKnown) != 0) return -EINVAL;
    if ((c.args[2] & F_SEAL_WRITE) != 0 && mapped_for_writing(c.kernel, memory->node().inode.get())) return -EBUSY;
    now |= static_cast<unsigned>(c.args[2]);
    return 0;
}

/// A power of two of pages that holds what is asked for, at most fs.pipe-max-size.
long pipe_size(Call& c, Pipe& pipe, bool change) {
    constexpr std::uint64_t kMost = 1u << 20;
    const std::uint64_t wanted = c.args[2];
    if (!change) return static_cast<long>(pipe.capacity);
    if (wanted > 1u << 31) return -EINVAL;
    const std::uint64_t size = std::bit_ceil(std::max(wanted, kPageSize));
    if (size > kMost) return -EPERM;
    if (size < pipe.bytes.size()) return -EBUSY;
    pipe.capacity = size;
    pipe.readiness.changed(c.kernel);
    return static_cast<long>(size);
}

long control(Call& c) {
    constexpr int kSettable = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
    FileTable& files = files_of(c);
    auto* d = files.descriptor(c.fd(0));
    if (d == nullptr) return -EBADF;
    File& file = *d->file;
    const int command = c.fd(1);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (c.args[2] >= descriptor_limit(c)) return -EINVAL;
        return files.add(d->file, command == F_DUPFD_CLOEXEC, descriptor_limit(c), c.fd(2));
    case F_GETFD:
        return d->close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
        d->close_on_exec = (c.args[2] & FD_CLOEXEC) != 0;
        return 0;
    case F_GETFL:
        return file.flags;
    default:
        break;
    }
    if (file.is_path()) return -EBADF;
    switch (command) {
    case F_SETFL:
        file.flags = (file.flags & ~kSettable) | (c.fd(2) & kSettable);
        return 0;
    case F_GETOWN:
    case F_SETOWN:
    case F_GETSIG:
    case F_SETSIG:
        return 0;
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ: {
        const auto* end = dynamic_cast<PipeEnd*>(&file);
        return end == nullptr ? -EBADF : pipe_size(c, *end->pipe(), command == F_SETPIPE_SZ);
    }
    case F_ADD_SEALS:
    case F_GET_SEALS:
        return seals(c, file, command);
    default:
        return -EINVAL;
    }
}

Path<long> sys_fcntl(Call& c) {
    switch (c.fd(1)) {
    case F_GETLK:
    case F_OFD_GETLK:
        co_return get_record_lock(c);
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        co_return co_await set_record_lock(c);
    default:
        co_return control(c);
    }
}

long sys_umask(Call& c) { return std::exchange(files_of(c).umask, static_cast<mode_t>(c.args[0] & 0777)); }

long sys_memfd_create(Call& c) {
    constexpr std::uint64_t kNoExecSeal = 8, kExec = 16; // MFD_NOEXEC_SEAL, MFD_EXEC
    if ((c.args[1] & ~std::uint64_t{MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal | kExec}) != 0) return -EINVAL;
    const bool no_exec = (c.args[1] & kNoExecSeal) != 0;
    if (no_exec && (c.args[1] & kExec) != 0) return -EINVAL;
    auto name = path_at(c, c.args[0]);
    if (!name) return name.error() == -ENAMETOOLONG ? -EINVAL : name.error();
    if (name->size() > NAME_MAX - 6) return -EINVAL; // "memfd:" belongs to it
    auto node = std::make_shared<MemoryNode>();
    node->inode = std::make_shared<MemoryInode>(c.kernel.frames(), ++files_of(c).shared->last_number,
                                                "/memfd:" + *name + " (deleted)", 0);
    node->mode = no_exec ? 0666 : 0777;
    node->links = 0;
    node->mtime = time_of_day(c.kernel);
    constexpr unsigned kExecSealed = 0x20; // F_SEAL_EXEC
    if (no_exec)
        node->seals = kExecSealed;
    else if ((c.args[1] & MFD_ALLOW_SEALING) == 0)
        node->seals = F_SEAL_SEAL;
    auto file = std::make_shared<MemoryFile>(std::move(node), O_RDWR | 0100000);
    return files_of(c).add(std::move(file), (c.args[1] & MFD_CLOEXEC) != 0, descriptor_limit(c));
}

} // namespace

std::span<const SyscallInfo> descriptor_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {3, "close", "f", "full", sys_close},
        {32, "dup", "f", "full", sys_dup},
        {33, "dup2", "ff", "full", sys_dup2},
        {72, "fcntl", "fix", "partial: no leases, no signals", nullptr, sys_fcntl},
        {95, "umask", "o", "full", sys_umask},
        {292, "dup3", "ffx", "full", sys_dup3},
        {319, "memfd_create", "sx", "partial: no huge pages", sys_memfd_create},
        {436, "close_range", "uux", "full", sys_close_range},
    };
    return kCalls;
}

std::span<const SyscallInfo> file_calls() {
    static const std::vector<SyscallInfo> all = [] {
        std::vector<SyscallInfo> v;
        for (std::span<const SyscallInfo> part :
             {open_calls(), descriptor_calls(), lock_calls(), directory_calls(), attribute_calls(), status_calls()})
            v.insert(v.end(), part.begin(), part.end());
        return v;
    }();
    return all;
}

} // namespace trapline
