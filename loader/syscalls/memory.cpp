// The address space: mmap and its family. Errors as mm/mmap.c, mm/mprotect.c, mm/mremap.c and mm/madvise.c give them.
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <sys/mman.h>

namespace trapline {
namespace {

constexpr Addr kLowest = 65536; // vm.mmap_min_addr
constexpr std::uint64_t kRights = PROT_READ | PROT_WRITE | PROT_EXEC;

/// The highest free range that ends below 2 GiB, for MAP_32BIT; 0 when there is none.
Addr find_low(const Mm& mm, std::uint64_t bytes) {
    constexpr Addr kStart = 0x40000000, kEnd = 0x80000000;
    Addr top = kEnd;
    for (auto it = mm.vmas().lower_bound(kEnd); it != mm.vmas().begin();) {
        --it;
        if (top >= it->second.end && top - it->second.end >= bytes) break;
        top = std::min(top, it->first);
    }
    return top >= kStart + bytes ? top - bytes : 0;
}

/// What the file adds to the area: its inode, and whether its open mode allows the mapping.
long attach_file(Call& c, Vma& v, std::uint64_t flags, std::uint64_t bytes) {
    const auto file = files_of(c).use(c.fd(4));
    if (file == nullptr) return -EBADF;
    if (c.args[5] + bytes < c.args[5] || static_cast<std::int64_t>(c.args[5] + bytes) < 0) return -EOVERFLOW;
    if (!file->readable()) return -EACCES;
    const bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    if (shared && (v.prot & prot::write) != 0 && !file->writable()) return -EACCES;
    Io io = io_of(c);
    auto inode = file->inode(io);
    if (!inode) return inode.error();
    if (const auto* memory = dynamic_cast<MemoryFile*>(file.get()); memory != nullptr && shared) {
        constexpr unsigned kFutureWrite = 0x10; // F_SEAL_FUTURE_WRITE
        const bool sealed = (memory->node().seals & (F_SEAL_WRITE | kFutureWrite)) != 0;
        if (sealed && (v.prot & prot::write) != 0) return -EPERM;
        v.may_write = !sealed;
    }
    v.inode = std::move(*inode);
    v.offset = c.args[5];
    v.shared = shared;
    v.may_write = !shared || (v.may_write && file->writable());
    return 0;
}

/// Zeroes that several processes share are a file in memory.
std::shared_ptr<Inode> shared_zeroes(Call& c, std::uint64_t bytes) {
    const std::uint64_t number = ++files_of(c).shared->last_number;
    return std::make_shared<MemoryInode>(c.kernel.frames(), number, "/dev/zero (deleted)", bytes);
}

long sys_mmap(Call& c) {
    Mm& mm = c.mm();
    const std::uint64_t flags = c.args[3];
    if ((c.args[5] & kPageMask) != 0 || c.args[1] == 0) return -EINVAL;
    if (c.args[1] > kTaskSize) return -ENOMEM;
    const std::uint64_t bytes = page_ceil(c.args[1]);
    const std::uint64_t type = flags & MAP_TYPE;
    if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) return -EINVAL;
    if ((flags & MAP_HUGETLB) != 0) return -ENOMEM; // no huge pages are set aside

    Vma v;
    v.prot = static_cast<std::uint8_t>(c.args[2] & kRights);
    if ((flags & MAP_ANONYMOUS) == 0) {
        if (const long r = attach_file(c, v, flags, bytes); r != 0) return r;
    } else {
        v.shared = type != MAP_PRIVATE;
        v.grows_down = (flags & MAP_GROWSDOWN) != 0;
        if (v.shared && v.grows_down) return -EINVAL;
    }
    if (v.shared && !v.inode) v.inode = shared_zeroes(c, bytes);
    // The kernel's heuristic: what can never fit into memory is refused now (Documentation/mm/overcommit-accounting).
    if (!v.inode && (v.prot & prot::write) != 0 && (flags & MAP_NORESERVE) == 0 && bytes > c.kernel.frames().bytes())
        return -ENOMEM;

    constexpr std::uint64_t kNoReplace = 0x100000; // MAP_FIXED_NOREPLACE
    if ((flags & (MAP_FIXED | kNoReplace)) != 0) {
        const Addr at = c.args[0];
        if ((at & kPageMask) != 0) return -EINVAL;
        if (at > kTaskSize - bytes) return -ENOMEM;
        if (at < kLowest) return -EPERM;
        if ((flags & kNoReplace) != 0 && !mm.range_free(at, bytes)) return -EEXIST;
        v.start = at;
    } else {
        const Addr hint = c.args[0] >= kLowest && c.args[0] <= kTaskSize - bytes ? c.args[0] : 0;
        v.start = (flags & MAP_32BIT) != 0 ? find_low(mm, bytes) : mm.find_free(bytes, page_ceil(hint));
        if (v.start == 0) return -ENOMEM;
    }
    v.end = v.start + bytes;
    constexpr std::size_t kMostAreas = 65530; // vm.max_map_count
    if (mm.vmas().size() >= kMostAreas) return -ENOMEM;
    const Addr start = v.start;
    const long r = mm.map(std::move(v));
    return r != 0 ? r : static_cast<long>(start);
}

long sys_munmap(Call& c) { return c.mm().unmap(c.args[0], c.args[1]); }

long sys_mprotect(Call& c) {
    constexpr std::uint64_t kGrows = PROT_GROWSDOWN | PROT_GROWSUP, kSemaphores = 8;
    const std::uint64_t wanted = c.args[2];
    if ((wanted & ~(kRights | kGrows | kSemaphores)) != 0 || (wanted & kGrows) == kGrows) return -EINVAL;
    Addr start = c.args[0];
    std::uint64_t bytes = c.args[1];
    if ((start & kPageMask) != 0) return -EINVAL;
    if (bytes == 0) return 0;
    if (bytes > kTaskSize || start > kTaskSize - bytes) return -ENOMEM;
    bytes = page_ceil(bytes);
    const Vma* v = c.mm().find(start);
    if (v == nullptr) return -ENOMEM;
    if ((wanted & PROT_GROWSUP) != 0 || ((wanted & PROT_GROWSDOWN) != 0 && !v->grows_down)) return -EINVAL;
    if ((wanted & PROT_GROWSDOWN) != 0) {
        bytes += start - v->start;
        start = v->start;
    }
    const auto rights = static_cast<std::uint8_t>(wanted & kRights);
    for (Addr a = start; v != nullptr && a < start + bytes; v = c.mm().find(a)) {
        if ((rights & prot::write) != 0 && !v->may_write) return -EACCES;
        a = v->end;
    }
    return c.mm().protect(start, bytes, rights);
}

long sys_mremap(Call& c) {
    const Addr old = c.args[0], to = c.args[4];
    const std::uint64_t old_bytes = c.args[1], new_bytes = c.args[2], flags = c.args[3];
    if ((flags & ~(std::uint64_t{MREMAP_MAYMOVE} | MREMAP_FIXED)) != 0) return -EINVAL;
    const bool fixed = (flags & MREMAP_FIXED) != 0;
    if (fixed && (flags & MREMAP_MAYMOVE) == 0) return -EINVAL;
    if ((old & kPageMask) != 0 || new_bytes == 0 || old_bytes > kTaskSize || new_bytes > kTaskSize) return -EINVAL;
    const Vma* v = c.mm().find(old);
    if (v == nullptr) return -EFAULT;
    if (old_bytes == 0 && !v->shared) return -EINVAL;
    if (fixed) {
        if ((to & kPageMask) != 0 || to < kLowest || to > kTaskSize - page_ceil(new_bytes)) return -EINVAL;
        if (to < old + page_ceil(old_bytes) && old < to + page_ceil(new_bytes)) return -EINVAL;
    }
    return c.mm().remap(old, old_bytes, new_bytes, (flags & MREMAP_MAYMOVE) != 0, fixed ? to : 0);
}

long sys_brk(Call& c) {
    Mm& mm = c.mm();
    const Addr wanted = c.args[0], now = mm.program_break();
    if (wanted > now && wanted - now > c.kernel.frames().bytes()) return static_cast<long>(now);
    return static_cast<long>(mm.set_break(wanted));
}

/// Whether every page of the range belongs to some area.
bool all_mapped(const Mm& mm, Addr start, std::uint64_t bytes) {
    for (Addr a = start; a < start + bytes;) {
        const Vma* v = mm.find(a);
        if (v == nullptr) return false;
        a = v->end;
    }
    return true;
}

/// Checks a range as madvise, msync and mincore take it; makes `bytes` whole pages.
long check_range(Addr start, std::uint64_t& bytes, long when_too_long) {
    if ((start & kPageMask) != 0) return -EINVAL;
    if (bytes > kTaskSize || start > kTaskSize - bytes) return when_too_long;
    bytes = page_ceil(bytes);
    return 0;
}

long sys_madvise(Call& c) {
    constexpr int kPopulateRead = 22, kPopulateWrite = 23, kCold = 20, kPageOut = 21;
    std::uint64_t bytes = c.args[1];
    if (const long r = check_range(c.args[0], bytes, -EINVAL); r != 0) return r;
    const int advice = static_cast<int>(c.args[2]);
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
        if (bytes == 0) return 0;
        c.mm().discard(c.args[0], bytes);
        break;
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_DOFORK:
    case kCold:
    case kPageOut:
    case kPopulateRead:
    case kPopulateWrite:
        break;
    default:
        return -EINVAL;
    }
    return all_mapped(c.mm(), c.args[0], bytes) ? 0 : -ENOMEM;
}

long sys_msync(Call& c) {
    std::uint64_t bytes = c.args[1];
    const std::uint64_t flags = c.args[2];
    if ((flags & ~std::uint64_t{MS_ASYNC | MS_INVALIDATE | MS_SYNC}) != 0) return -EINVAL;
    if ((flags & MS_ASYNC) != 0 && (flags & MS_SYNC) != 0) return -EINVAL;
    if (const long r = check_range(c.args[0], bytes, -ENOMEM); r != 0) return r;
    const Addr end = c.args[0] + bytes;
    for (const auto& [start, v] : c.mm().vmas())
        if (v.shared && v.inode && start < end && v.end > c.args[0]) v.inode->flush();
    return all_mapped(c.mm(), c.args[0], bytes) ? 0 : -ENOMEM;
}

long sys_mincore(Call& c) {
    std::uint64_t bytes = c.args[1];
    if (const long r = check_range(c.args[0], bytes, -ENOMEM); r != 0) return r;
    if (!all_mapped(c.mm(), c.args[0], bytes)) return -ENOMEM;
    for (std::uint64_t i = 0; i < bytes / kPageSize; ++i) {
        const Addr a = c.args[0] + i * kPageSize;
        const Vma* v = c.mm().find(a);
        const bool present =
            c.mm().frame_at(a) != 0 || (v->inode && v->inode->cached(v->file_offset(a) / kPageSize) != 0);
        if (!c.mm().put(c.args[2] + i, static_cast<std::uint8_t>(present ? 1 : 0))) return -EFAULT;
    }
    return 0;
}

/// Nothing is ever swapped out: locking is already so, if the pages are there.
long sys_mlock(Call& c) {
    const Addr start = page_floor(c.args[0]);
    const std::uint64_t bytes = page_ceil(c.args[1] + (c.args[0] - start)); // may be 0 for the largest numbers
    if (start + bytes < start) return -EINVAL;
    return all_mapped(c.mm(), start, bytes) ? 0 : -ENOMEM;
}

long sys_mlock2(Call& c) { return (c.args[2] & ~std::uint64_t{MLOCK_ONFAULT}) != 0 ? -EINVAL : sys_mlock(c); }

long sys_mlockall(Call& c) {
    constexpr std::uint64_t kWhich = MCL_CURRENT | MCL_FUTURE;
    return (c.args[0] & ~(kWhich | MCL_ONFAULT)) != 0 || (c.args[0] & kWhich) == 0 ? -EINVAL : 0;
}

long sys_munlockall(Call&) { return 0; }
long sys_pkey_mprotect(Call& c) { return static_cast<std::int32_t>(c.args[3]) == -1 ? sys_mprotect(c) : -EINVAL; }

} // namespace

std::span<const SyscallInfo> memory_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {9, "mmap", "xuPMfx", "partial: no huge pages", sys_mmap},
        {10, "mprotect", "xuP", "full", sys_mprotect},
        {11, "munmap", "xu", "full", sys_munmap},
        {12, "brk", "x", "full", sys_brk},
        {25, "mremap", "xuuxx", "partial: no MREMAP_DONTUNMAP", sys_mremap},
        {26, "msync", "xux", "full", sys_msync},
        {27, "mincore", "xup", "full", sys_mincore},
        {28, "madvise", "xui", "partial: no MADV_REMOVE, MADV_DONTFORK, MADV_WIPEONFORK", sys_madvise},
        {149, "mlock", "xu", "full", sys_mlock},
        {150, "munlock", "xu", "full", sys_mlock},
        {151, "mlockall", "x", "full", sys_mlockall},
        {152, "munlockall", "", "full", sys_munlockall},
        {325, "mlock2", "xux", "full", sys_mlock2},
        {329, "pkey_mprotect", "xuPi", "partial: no keys", sys_pkey_mprotect},
    };
    return kCalls;
}

} // namespace trapline
