// Locks on files: fcntl's F_GETLK, F_SETLK, F_SETLKW, the same for open file descriptions, and flock.
#include "loader/files/locks.hpp"

#include "loader/syscalls/file_support.hpp"

#include <cerrno>
#include <sys/file.h>

namespace trapline {
namespace {

std::shared_ptr<FileLocks>& all_locks(Call& c) {
    std::shared_ptr<FileLocks>& all = files_of(c).shared->locks;
    if (all == nullptr) all = std::make_shared<FileLocks>(c.kernel);
    return all;
}

LockHolder& holder(Call& c, std::unique_ptr<LockHolder>& of, int pid) {
    if (of == nullptr) of = std::make_unique<LockHolder>(all_locks(c), pid);
    return *of;
}

/// A lock as a call names it.
struct Request {
    struct flock guest {};
    std::shared_ptr<File> file;
    std::optional<FileKey> key; ///< none: nobody can be in the way
    FileLocks::Record record;
    bool unlock = false;
};

/// The bytes that l_whence, l_start and l_len mean (fs/locks.c, flock64_to_posix_lock).
long find_range(Call& c, Request& r) {
    const struct flock& l = r.guest;
    std::int64_t start = l.l_start;
    Io io = io_of(c);
    if (l.l_whence == SEEK_CUR) {
        if (__builtin_add_overflow(start, static_cast<std::int64_t>(r.file->position), &start)) return -EOVERFLOW;
    } else if (l.l_whence == SEEK_END) {
        const auto size = r.file->size(io);
        if (!size) return size.error();
        if (__builtin_add_overflow(start, static_cast<std::int64_t>(*size), &start)) return -EOVERFLOW;
    } else if (l.l_whence != SEEK_SET) {
        return -EINVAL;
    }
    if (start < 0) return -EINVAL;
    std::int64_t other = 0;
    if (__builtin_add_overflow(start, l.l_len, &other)) return -EOVERFLOW;
    if (other < 0) return -EINVAL;
    r.record.begin = static_cast<std::uint64_t>(l.l_len < 0 ? other : start);
    r.record.end = l.l_len == 0 ? FileLocks::kToEnd : static_cast<std::uint64_t>(l.l_len < 0 ? start : other);
    return 0;
}

long find_request(Call& c, Request& r) {
    const int command = c.fd(1);
    const bool of_description = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    r.file = files_of(c).use(c.fd(0));
    if (r.file == nullptr) return -EBADF;
    if (!c.mm().get(c.args[2], r.guest)) return -EFAULT;
    if (of_description && r.guest.l_pid != 0) return -EINVAL;
    const bool asks = command == F_GETLK || command == F_OFD_GETLK;
    if (r.guest.l_type != F_RDLCK && r.guest.l_type != F_WRLCK && (r.guest.l_type != F_UNLCK || asks)) return -EINVAL;
    if (const long error = find_range(c, r); error != 0) return error;
    r.record.exclusive = r.guest.l_type == F_WRLCK;
    r.unlock = r.guest.l_type == F_UNLCK;
    if (!asks && r.guest.l_type == F_RDLCK && !r.file->readable()) return -EBADF;
    if (!asks && r.guest.l_type == F_WRLCK && !r.file->writable()) return -EBADF;
    r.key = lock_key(*r.file);
    r.record.holder = of_description ? &holder(c, r.file->locks, 0) : &holder(c, files_of(c).locks, c.process().pid);
    return 0;
}

Path<long> sys_flock(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) co_return -EBADF;
    const int operation = c.fd(1) & ~LOCK_NB;
    if (operation != LOCK_SH && operation != LOCK_EX && operation != LOCK_UN) co_return -EINVAL;
    const auto key = lock_key(*file);
    if (!key) co_return 0;
    FileLocks& all = *all_locks(c);
    LockHolder& own = holder(c, file->locks, 0);
    const bool exclusive = operation == LOCK_EX;
    if (operation != LOCK_UN && all.whole(*key, &own) == exclusive) co_return 0;
    // A lock that changes its kind is given up first (flock(2)).
    all.set_whole(*key, &own, std::nullopt);
    if (operation == LOCK_UN) co_return 0;
    while (all.whole_conflict(*key, &own, exclusive)) {
        if ((c.fd(1) & LOCK_NB) != 0) co_return -EWOULDBLOCK;
        if (co_await c.kernel.sleep(c.task, &all.queue) == Wake::signal) co_return c.interrupted();
    }
    all.set_whole(*key, &own, exclusive);
    co_return 0;
}

} // namespace

long get_record_lock(Call& c) {
    Request r;
    if (const long error = find_request(c, r); error != 0) return error;
    const FileLocks::Record* other = r.key ? all_locks(c)->conflict(*r.key, r.record) : nullptr;
    struct flock answer = r.guest;
    answer.l_type = F_UNLCK;
    if (other != nullptr) {
        answer.l_type = other->exclusive ? F_WRLCK : F_RDLCK;
        answer.l_whence = SEEK_SET;
        answer.l_start = static_cast<off_t>(other->begin);
        answer.l_len = other->end == FileLocks::kToEnd ? 0 : static_cast<off_t>(other->end - other->begin);
        answer.l_pid = other->holder->pid() != 0 ? other->holder->pid() : -1;
    }
    return c.mm().put(c.args[2], answer) ? 0 : -EFAULT;
}

Path<long> set_record_lock(Call& c) {
    Request r;
    if (const long error = find_request(c, r); error != 0) co_return error;
    if (!r.key) co_return 0;
    FileLocks& all = *all_locks(c);
    const bool wait = c.fd(1) == F_SETLKW || c.fd(1) == F_OFD_SETLKW;
    while (!r.unlock) {
        const FileLocks::Record* other = all.conflict(*r.key, r.record);
        if (other == nullptr) break;
        if (!wait) co_return -EAGAIN;
        if (c.fd(1) == F_SETLKW && all.deadlock(r.record.holder, other->holder)) co_return -EDEADLK;
        all.waits(r.record.holder, other->holder);
        const Wake w = co_await c.kernel.sleep(c.task, &all.queue);
        all.waits(r.record.holder, nullptr);
        if (w == Wake::signal) co_return c.interrupted();
    }
    all.set(*r.key, r.record, r.unlock);
    co_return 0;
}

std::span<const SyscallInfo> lock_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {73, "flock", "fi", "full", nullptr, sys_flock},
    };
    return kCalls;
}

} // namespace trapline
