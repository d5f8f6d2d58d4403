// Moving bytes: read and write in all their forms, lseek, sendfile; pipes and other channels.
#include "loader/files/eventfd.hpp"
#include "loader/files/pipe.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::uint64_t kLargest = ~0ull >> 1;

Path<long> read_into(Call& c, OrErrno<GuestBuffer> to, std::uint64_t* at) {
    auto file = opened_for(c, c.fd(0), false);
    if (!file) co_return file.error();
    if (at != nullptr && *at > kLargest) co_return -EINVAL;
    if (at != nullptr && !(*file)->seekable()) co_return -ESPIPE;
    if (!to) co_return to.error();
    if (at != nullptr && to->left() > kLargest - *at) co_return -EINVAL;
    co_return co_await read_file(c, *file, *to, at != nullptr ? *at : (*file)->position);
}

Path<long> write_from(Call& c, OrErrno<GuestBuffer> from, std::uint64_t* at) {
    auto file = opened_for(c, c.fd(0), true);
    if (!file) co_return file.error();
    if (at != nullptr && *at > kLargest) co_return -EINVAL;
    if (at != nullptr && !(*file)->seekable()) co_return -ESPIPE;
    if (!from) co_return from.error();
    if (at != nullptr && from->left() > kLargest - *at) co_return -EINVAL;
    co_return co_await write_file(c, *file, std::move(*from), at != nullptr ? *at : (*file)->position);
}

OrErrno<GuestBuffer> one_range(Call& c) { return GuestBuffer::range(c.mm(), c.args[1], c.args[2]); }
OrErrno<GuestBuffer> ranges(Call& c) {
    return GuestBuffer::list(c.mm(), c.args[1], static_cast<std::uint32_t>(c.args[2]));
}

Path<long> sys_read(Call& c) { return read_into(c, one_range(c), nullptr); }
Path<long> sys_write(Call& c) { return write_from(c, one_range(c), nullptr); }
Path<long> sys_readv(Call& c) { return read_into(c, ranges(c), nullptr); }
Path<long> sys_writev(Call& c) { return write_from(c, ranges(c), nullptr); }
// The offset is the call's own argument, which nobody looks at again.
Path<long> sys_pread64(Call& c) { return read_into(c, one_range(c), &c.args[3]); }
Path<long> sys_pwrite64(Call& c) { return write_from(c, one_range(c), &c.args[3]); }
Path<long> sys_preadv(Call& c) { return read_into(c, ranges(c), &c.args[3]); }
Path<long> sys_pwritev(Call& c) { return write_from(c, ranges(c), &c.args[3]); }
/// What says how soon the bytes have to be on the disk changes nothing here.
constexpr std::uint64_t kNoMatter = RWF_HIPRI | RWF_DSYNC | RWF_SYNC;
Path<long> sys_preadv2(Call& c) {
    if ((c.args[5] & ~kNoMatter) != 0) co_return -EOPNOTSUPP;
    co_return co_await read_into(c, ranges(c), c.args[3] == ~0ull ? nullptr : &c.args[3]);
}
Path<long> sys_pwritev2(Call& c) {
    if ((c.args[5] & ~kNoMatter) != 0) co_return -EOPNOTSUPP;
    co_return co_await write_from(c, ranges(c), c.args[3] == ~0ull ? nullptr : &c.args[3]);
}

long sys_lseek(Call& c) {
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr) return -EBADF;
    Io io = io_of(c);
    return file->seek(io, static_cast<std::int64_t>(c.args[1]), static_cast<int>(c.args[2]));
}

Path<long> sys_sendfile(Call& c) {
    auto in = opened_for(c, c.fd(1), false);
    auto out = opened_for(c, c.fd(0), true);
    if (!in || !out) co_return -EBADF;
    if (!(*in)->seekable()) co_return -EINVAL; // as for splice, the source is a file with pages
    if (((*out)->flags & O_APPEND) != 0) co_return -EINVAL;
    Offset at{c.args[2]};
    if (const long r = at.load(c, **in); r != 0) co_return r;
    const long n =
        co_await copy_bytes(c, *in, at.value, *out, (*out)->position, std::min(c.args[3], GuestBuffer::kMost));
    if (n < 0) co_return n;
    const long r = at.store(c, **in);
    co_return r != 0 ? r : n;
}

Path<long> sys_copy_file_range(Call& c) {
    auto in = opened_for(c, c.fd(0), false);
    auto out = opened_for(c, c.fd(2), true);
    if (!in || !out || ((*out)->flags & O_APPEND) != 0) co_return -EBADF;
    if (c.args[5] != 0 || (*in)->opened() == nullptr || (*out)->opened() == nullptr) co_return -EINVAL;
    if ((*in)->directory() != nullptr) co_return -EISDIR;
    Offset from{c.args[1]}, to{c.args[3]};
    if (const long r = from.load(c, **in); r != 0) co_return r;
    if (const long r = to.load(c, **out); r != 0) co_return r;
    const long n = co_await copy_bytes(c, *in, from.value, *out, to.value, std::min(c.args[4], GuestBuffer::kMost));
    if (n < 0) co_return n;
    const long r = from.store(c, **in), s = to.store(c, **out);
    co_return r != 0 ? r : s != 0 ? s : n;
}

long make_pipe(Call& c, std::uint64_t flags) {
    if ((flags & ~std::uint64_t{O_CLOEXEC | O_NONBLOCK}) != 0) return -EINVAL;
    FileTable& files = files_of(c);
    auto pipe = std::make_shared<Pipe>(c.kernel, ++files.shared->last_number);
    const int status = static_cast<int>(flags & O_NONBLOCK);
    const bool close_on_exec = (flags & O_CLOEXEC) != 0;
    const int in = files.add(std::make_shared<PipeEnd>(pipe, O_RDONLY | status), close_on_exec, descriptor_limit(c));
    if (in < 0) return in;
    const int out = files.add(std::make_shared<PipeEnd>(pipe, O_WRONLY | status), close_on_exec, descriptor_limit(c));
    const std::array<std::int32_t, 2> both = {in, out};
    if (out >= 0 && c.mm().put(c.args[0], both)) return 0;
    files.close(in);
    if (out < 0) return out;
    files.close(out);
    return -EFAULT;
}

long sys_pipe(Call& c) { return make_pipe(c, 0); }
long sys_pipe2(Call& c) { return make_pipe(c, c.args[1]); }

long make_eventfd(Call& c, std::uint64_t flags) {
    if ((flags & ~std::uint64_t{EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE}) != 0) return -EINVAL;
    FileTable& files = files_of(c);
    auto file = std::make_shared<EventFd>(static_cast<std::uint32_t>(c.args[0]), (flags & EFD_SEMAPHORE) != 0,
                                          O_RDWR | static_cast<int>(flags & O_NONBLOCK), ++files.shared->last_number);
    return files.add(std::move(file), (flags & EFD_CLOEXEC) != 0, descriptor_limit(c));
}

long sys_eventfd(Call& c) { return make_eventfd(c, 0); }
long sys_eventfd2(Call& c) { return make_eventfd(c, c.args[1]); }

} // namespace

std::span<const SyscallInfo> transfer_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {0, "read", "fru", "full", nullptr, sys_read},
        {1, "write", "fbu", "full", nullptr, sys_write},
        {8, "lseek", "fli", "full", sys_lseek},
        {17, "pread64", "frul", "full", nullptr, sys_pread64},
        {18, "pwrite64", "fbul", "full", nullptr, sys_pwrite64},
        {19, "readv", "fpu", "full", nullptr, sys_readv},
        {20, "writev", "fpu", "full", nullptr, sys_writev},
        {40, "sendfile", "ffpu", "full", nullptr, sys_sendfile},
        {295, "preadv", "fpui", "full", nullptr, sys_preadv},
        {296, "pwritev", "fpui", "full", nullptr, sys_pwritev},
        {326, "copy_file_range", "fpfpux", "partial: files of the host only", nullptr, sys_copy_file_range},
        {327, "preadv2", "fpuiix", "partial: no RWF_NOWAIT", nullptr, sys_preadv2},
        {328, "pwritev2", "fpuiix", "partial: no RWF_APPEND, RWF_NOWAIT", nullptr, sys_pwritev2},
    };
    return kCalls;
}

std::span<const SyscallInfo> channel_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {22, "pipe", "p", "full", sys_pipe},
        {284, "eventfd", "u", "full", sys_eventfd},
        {290, "eventfd2", "ux", "full", sys_eventfd2},
        {293, "pipe2", "px", "partial: no packet mode", sys_pipe2},
    };
    return kCalls;
}

std::span<const SyscallInfo> io_calls() {
    static const std::vector<SyscallInfo> all = [] {
        std::vector<SyscallInfo> v;
        for (std::span<const SyscallInfo> part :
             {transfer_calls(), splice_calls(), channel_calls(), poll_calls(), epoll_calls(), event_file_calls(),
              message_queue_calls(), ioctl_calls(), socket_calls(), socket_message_calls(), socket_option_calls()})
            v.insert(v.end(), part.begin(), part.end());
        return v;
    }();
    return all;
}

} // namespace trapline
