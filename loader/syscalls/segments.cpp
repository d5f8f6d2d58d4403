// Shared memory of System V. Errors and their order are those of ipc/shm.c.
#include "loader/files/segments.hpp"

#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <set>
#include <sys/shm.h>

namespace trapline {
namespace {

Segments& segments_of(Call& c) {
    Segments& s = files_of(c).shared->segments;
    std::erase_if(s.all, [](const auto& entry) { return entry.second.gone(); });
    return s;
}

Segment* find(Call& c, std::uint64_t id) {
    Segments& s = segments_of(c);
    const auto at = s.all.find(static_cast<std::int32_t>(id));
    return at == s.all.end() ? nullptr : &at->second;
}

bool shows(const Vma& v, const Inode& inode) { return v.inode.get() == &inode; }

/// How often it is mapped, in all address spaces.
std::uint64_t mappings(Call& c, const Inode& inode) {
    std::set<const Mm*> seen;
    std::uint64_t count = 0;
    for (const auto& [pid, p] : c.kernel.processes())
        if (p->mm != nullptr && seen.insert(p->mm.get()).second)
            for (const auto& [start, v] : p->mm->vmas()) count += shows(v, inode);
    return count;
}

long sys_shmget(Call& c) {
    const auto key = static_cast<std::int32_t>(c.args[0]);
    const std::uint64_t bytes = c.args[1], flags = c.args[2];
    constexpr std::size_t kMost = 4096; // SHMMNI
    Segments& s = segments_of(c);
    const auto at = std::find_if(s.all.begin(), s.all.end(), [&](const auto& entry) {
        return key != IPC_PRIVATE && entry.second.kept != nullptr && entry.second.key == key;
    });
    if (at != s.all.end()) {
        if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL)) return -EEXIST;
        return bytes > at->second.bytes ? -EINVAL : at->first;
    }
    if (key != IPC_PRIVATE && (flags & IPC_CREAT) == 0) return -ENOENT;
    if (bytes == 0 || bytes > kTaskSize) return -EINVAL;
    if ((flags & SHM_HUGETLB) != 0) return -ENOMEM; // no huge pages are set aside
    if (s.all.size() >= kMost) return -ENOSPC;
    if (bytes > c.kernel.frames().bytes()) return -ENOMEM;
    Segment fresh;
    fresh.key = key;
    fresh.mode = static_cast<std::uint32_t>(flags & 0777);
    fresh.bytes = bytes;
    fresh.creator = c.process().pid;
    fresh.changed = time_of_day(c.kernel).tv_sec;
    const std::uint64_t number = ++files_of(c).shared->last_number;
    fresh.kept = std::make_shared<MemoryInode>(c.kernel.frames(), number,
                                               fmt::format("/SYSV{:08x} (deleted)", static_cast<std::uint32_t>(key)),
                                               page_ceil(bytes));
    fresh.inode = fresh.kept;
    s.all.emplace(++s.last_id, std::move(fresh));
    return s.last_id;
}

long sys_shmat(Call& c) {
    constexpr Addr kLowest = 0x10000; // vm.mmap_min_addr
    const std::uint64_t flags = c.args[2];
    Addr at = c.args[1];
    if (static_cast<std::int32_t>(c.args[0]) < 0) return -EINVAL;
    if (at != 0) {
        if ((at & kPageMask) != 0 && (flags & SHM_RND) == 0) return -EINVAL;
        at = page_floor(at);
    }
    if (at == 0 && (flags & SHM_REMAP) != 0) return -EINVAL;
    Segment* s = find(c, c.args[0]);
    if (s == nullptr) return -EINVAL;
    Vma v;
    v.inode = s->inode.lock();
    v.shared = true;
    v.may_write = (flags & SHM_RDONLY) == 0;
    v.prot = static_cast<std::uint8_t>(prot::read | (v.may_write ? prot::write : 0) |
                                       ((flags & SHM_EXEC) != 0 ? prot::exec : 0));
    const std::uint64_t bytes = v.inode->size();
    if (at != 0) {
        if (at < kLowest || at > kTaskSize - bytes) return -EINVAL;
        if ((flags & SHM_REMAP) == 0 && !c.mm().range_free(at, bytes)) return -EINVAL;
        v.start = at;
    } else {
        v.start = c.mm().find_free(bytes);
        if (v.start == 0) return -ENOMEM;
    }
    v.end = v.start + bytes;
    const Addr start = v.start;
    if (const long r = c.mm().map(std::move(v)); r != 0) return r;
    s->attached = time_of_day(c.kernel).tv_sec;
    s->last = c.process().pid;
    return static_cast<long>(start);
}

/// All that is left of the mapping that began there.
long sys_shmdt(Call& c) {
    const Addr at = c.args[0];
    if ((at & kPageMask) != 0) return -EINVAL;
    Segments& all = segments_of(c);
    const Vma* first = c.mm().find(at);
    if (first == nullptr || first->start != at || first->offset != 0) return -EINVAL;
    const auto owner = std::find_if(all.all.begin(), all.all.end(),
                                    [&](const auto& entry) { return entry.second.inode.lock() == first->inode; });
    if (first->inode == nullptr || owner == all.all.end()) return -EINVAL;
    const std::shared_ptr<Inode> inode = first->inode; // so that it lasts as long as this
    owner->second.detached = time_of_day(c.kernel).tv_sec;
    owner->second.last = c.process().pid;
    for (Addr a = at; a < at + inode->size();) {
        const Vma* v = c.mm().find(a);
        const Addr end = v != nullptr ? v->end : a + kPageSize;
        if (v != nullptr && shows(*v, *inode) && v->file_offset(a) == a - at) c.mm().unmap(a, end - a);
        a = end;
    }
    return 0;
}

long sys_shmctl(Call& c) {
    const int command = c.fd(1);
    if (static_cast<std::int32_t>(c.args[0]) < 0 || command < 0) return -EINVAL;
    Segment* s = find(c, c.args[0]);
    if (s == nullptr) return -EINVAL;
    const std::shared_ptr<Inode> inode = s->inode.lock();
    switch (command) {
    case IPC_STAT: {
        shmid_ds d{};
        d.shm_perm.__key = s->key;
        d.shm_perm.mode = static_cast<decltype(d.shm_perm.mode)>(s->mode);
        d.shm_segsz = s->bytes;
        d.shm_atime = s->attached;
        d.shm_dtime = s->detached;
        d.shm_ctime = s->changed;
        d.shm_cpid = s->creator;
        d.shm_lpid = s->last;
        d.shm_nattch = mappings(c, *inode);
        return c.mm().put(c.args[2], d) ? 0 : -EFAULT;
    }
    case IPC_SET: {
        shmid_ds d{};
        if (!c.mm().get(c.args[2], d)) return -EFAULT;
        s->mode = (s->mode & ~0777u) | (d.shm_perm.mode & 0777u);
        s->changed = time_of_day(c.kernel).tv_sec;
        return 0;
    }
    case IPC_RMID:
        s->key = IPC_PRIVATE; // nobody finds it by its key any more
        s->mode |= SHM_DEST;
        s->kept.reset();
        return 0;
    case SHM_LOCK:
    case SHM_UNLOCK:
        return 0; // no page ever leaves memory
    default:
        return -EINVAL;
    }
}

} // namespace

std::span<const SyscallInfo> segment_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {29, "shmget", "iux", "partial: no huge pages", sys_shmget},
        {30, "shmat", "ipx", "partial: user 0 may always", sys_shmat},
        {31, "shmctl", "iip", "partial: not IPC_INFO, SHM_INFO, SHM_STAT", sys_shmctl},
        {67, "shmdt", "p", "full", sys_shmdt},
    };
    return kCalls;
}

} // namespace trapline
