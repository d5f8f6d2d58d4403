// splice, tee and vmsplice: bytes from and to pipes without a buffer of the program's. They are copied here all the
// same; what a program can tell is only who has them afterwards.
#include "loader/files/pipe.hpp"
#include "loader/syscalls/file_support.hpp"

#include <algorithm>

namespace trapline {
namespace {

constexpr std::uint64_t kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

PipeEnd* pipe_end(const std::shared_ptr<File>& file) { return dynamic_cast<PipeEnd*>(file.get()); }

/// Waits until there is something in `in` and room in `out`, where these are pipes. 1: there is; 0: there will be
/// nothing more; or a negative errno.
Path<long> await_pipes(Call& c, PipeEnd* in, PipeEnd* out) {
    const auto may_wait = [&](const PipeEnd& end) {
        return (c.args[c.number == 275 ? 5 : 3] & SPLICE_F_NONBLOCK) == 0 && (end.flags & O_NONBLOCK) == 0;
    };
    for (;;) {
        PipeEnd* wait = nullptr;
        if (out != nullptr && out->pipe()->readers == 0) {
            send_broken_pipe(c);
            co_return -EPIPE;
        }
        if (in != nullptr && in->pipe()->bytes.empty()) {
            if (in->pipe()->writers == 0) co_return 0;
            wait = in;
        } else if (out != nullptr && out->pipe()->room() == 0) {
            wait = out;
        }
        if (wait == nullptr) co_return 1;
        if (!may_wait(*wait)) co_return -EAGAIN;
        if (co_await c.kernel.sleep(c.task, &wait->readiness()->queue) == Wake::signal) co_return c.interrupted();
    }
}

/// How much can go in one piece.
std::uint64_t at_once(const PipeEnd* in, const PipeEnd* out, std::uint64_t wanted) {
    if (in != nullptr) wanted = std::min<std::uint64_t>(wanted, in->pipe()->bytes.size());
    return std::min<std::uint64_t>(wanted, out != nullptr ? out->pipe()->room() : Pipe::kCapacity);
}

Path<long> sys_splice(Call& c) {
    if (c.args[4] == 0) co_return 0;
    if ((c.args[5] & ~kFlags) != 0) co_return -EINVAL;
    auto in = opened_for(c, c.fd(0), false), out = opened_for(c, c.fd(2), true);
    if (!in || !out) co_return -EBADF;
    PipeEnd *from = pipe_end(*in), *to = pipe_end(*out);
    if ((from != nullptr && c.args[1] != 0) || (to != nullptr && c.args[3] != 0)) co_return -ESPIPE;
    if (from == nullptr && to == nullptr) co_return -EINVAL;
    if (from != nullptr && to != nullptr && from->pipe() == to->pipe()) co_return -EINVAL;
    if (to == nullptr && ((*out)->flags & O_APPEND) != 0) co_return -EINVAL;
    if (from == nullptr && (*in)->directory() != nullptr) co_return -EINVAL;
    Offset at{c.args[1]}, put_at{c.args[3]};
    if (const long r = at.load(c, **in); r != 0) co_return r;
    if (const long r = put_at.load(c, **out); r != 0) co_return r;
    if (const long r = co_await await_pipes(c, from, to); r <= 0) co_return r;
    const long n = co_await copy_bytes(c, *in, at.value, *out, put_at.value, at_once(from, to, c.args[4]));
    if (n < 0) co_return n;
    const long r = at.store(c, **in), s = put_at.store(c, **out);
    co_return r != 0 ? r : s != 0 ? s : n;
}

Path<long> sys_tee(Call& c) {
    if ((c.args[3] & ~kFlags) != 0) co_return -EINVAL;
    if (c.args[2] == 0) co_return 0;
    auto in = opened_for(c, c.fd(0), false), out = opened_for(c, c.fd(1), true);
    if (!in || !out) co_return -EBADF;
    PipeEnd *from = pipe_end(*in), *to = pipe_end(*out);
    if (from == nullptr || to == nullptr || from->pipe() == to->pipe()) co_return -EINVAL;
    if (const long r = co_await await_pipes(c, from, to); r <= 0) co_return r;
    const auto& bytes = from->pipe()->bytes;
    const auto n = static_cast<std::ptrdiff_t>(at_once(from, to, c.args[2]));
    to->pipe()->bytes.insert(to->pipe()->bytes.end(), bytes.begin(), bytes.begin() + n);
    to->pipe()->readiness.changed(c.kernel);
    co_return n;
}

/// Out of memory into a pipe, or the other way, by the end that the descriptor is.
Path<long> sys_vmsplice(Call& c) {
    if ((c.args[3] & ~kFlags) != 0) co_return -EINVAL;
    const auto file = files_of(c).use(c.fd(0));
    if (file == nullptr || pipe_end(file) == nullptr) co_return -EBADF;
    auto list = GuestBuffer::list(c.mm(), c.args[1], static_cast<std::uint32_t>(c.args[2]));
    if (!list) co_return list.error();
    const bool writes = file->writable();
    if (list->left() == 0) co_return 0;
    if (const long r = co_await await_pipes(c, writes ? nullptr : pipe_end(file), writes ? pipe_end(file) : nullptr);
        r <= 0)
        co_return r;
    if (writes) co_return co_await write_file(c, file, std::move(*list), file->position);
    co_return co_await read_file(c, file, *list, file->position);
}

} // namespace

std::span<const SyscallInfo> splice_calls() {
    static constexpr SyscallInfo kCalls[] = {
        {275, "splice", "fpfpux", "full", nullptr, sys_splice},
        {276, "tee", "ffux", "full", nullptr, sys_tee},
        {278, "vmsplice", "fpux", "full", nullptr, sys_vmsplice},
    };
    return kCalls;
}

} // namespace trapline
