#include "loader/syscalls/file_support.hpp"

#include "loader/files/pipe.hpp"
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"

#include <algorithm>
#include <array>
#include <limits.h>
#include <sys/resource.h>

namespace trapline {

std::uint64_t descriptor_limit(Call& c) {
    constexpr std::uint64_t kMost = 1u << 20; // fs.nr_open
    return std::min(state_of(c.process()).limits[RLIMIT_NOFILE].soft, kMost);
}

OrErrno<std::string> path_at(Call& c, Addr address) {
    std::string path;
    if (c.mm().read_string(address, path, PATH_MAX)) return path;
    return refuse(path.size() >= PATH_MAX ? ENAMETOOLONG : EFAULT);
}

OrErrno<Place> place_at(Call& c, int fd, Addr path, LastLink last) {
    auto text = path_at(c, path);
    if (!text) return tl::make_unexpected(text.error());
    Io io = io_of(c);
    return find_place(io, fd, *text, last);
}

Cycles give_up_at(Call& c, const File& file, bool writing) {
    const std::uint64_t ns = file.patience(writing);
    return ns == 0 ? kNever : deadline_in(c.kernel, c.task, ns);
}

void send_broken_pipe(Call& c) {
    SigInfo info;
    info.signo = sig::pipe;
    info.pid = c.process().pid;
    c.kernel.send(c.task, info);
}

Path<long> read_file(Call& c, std::shared_ptr<File> file, IoBuffer& to, std::uint64_t& at) {
    Io io = io_of(c);
    const Cycles deadline = give_up_at(c, *file, false);
    for (;;) {
        const long r = file->read(io, to, at);
        Readiness* wait = file->readiness();
        if (r != -EAGAIN || wait == nullptr || (file->flags & O_NONBLOCK) != 0) co_return r;
        const Wake w = co_await c.kernel.sleep(c.task, &wait->queue, deadline);
        if (w == Wake::timeout) co_return -EAGAIN;
        // With a timeout it never starts again (signal(7), "Interruption of system calls").
        if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
    }
}

namespace {

template <class Buffer> Path<long> write_all(Call& c, std::shared_ptr<File> file, Buffer from, std::uint64_t& at) {
    Io io = io_of(c);
    const Cycles deadline = give_up_at(c, *file, true);
    long total = 0;
    for (;;) {
        Buffer attempt = from; // what an attempt that fails has taken is not lost
        const long r = file->write(io, attempt, at);
        Readiness* wait = file->readiness();
        if (r >= 0) {
            total += r;
            from = attempt;
            if (!file->writes_all() || from.left() == 0 || (file->flags & O_NONBLOCK) != 0) co_return total;
        } else if (r != -EAGAIN || wait == nullptr || (file->flags & O_NONBLOCK) != 0) {
            if (r == -EPIPE && file->signals_broken_pipe()) send_broken_pipe(c);
            co_return total != 0 ? total : r;
        } else {
            const Wake w = co_await c.kernel.sleep(c.task, &wait->queue, deadline);
            if (w != Wake::woken && total != 0) co_return total;
            if (w == Wake::timeout) co_return -EAGAIN;
            if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
        }
    }
}

} // namespace

Path<long> write_file(Call& c, std::shared_ptr<File> file, GuestBuffer from, std::uint64_t& at) {
    return write_all(c, std::move(file), std::move(from), at);
}

Path<long> write_file(Call& c, std::shared_ptr<File> file, HostBuffer from, std::uint64_t& at) {
    return write_all(c, std::move(file), from, at);
}

OrErrno<std::shared_ptr<File>> opened_for(Call& c, int fd, bool write) {
    auto file = files_of(c).use(fd);
    if (file == nullptr || (write ? !file->writable() : !file->readable())) return refuse(EBADF);
    return file;
}

long Offset::load(Call& c, const File& file) {
    if (address == 0) {
        value = file.position;
        return 0;
    }
    if (!file.seekable()) return -ESPIPE;
    if (!c.mm().get(address, value)) return -EFAULT;
    return value > ~0ull >> 1 ? -EINVAL : 0;
}

long Offset::store(Call& c, File& file) const {
    if (address == 0)
        file.position = value;
    else if (!c.mm().put(address, value))
        return -EFAULT;
    return 0;
}

Path<long> copy_bytes(Call& c, std::shared_ptr<File> in, std::uint64_t& in_at, std::shared_ptr<File> out,
                      std::uint64_t& out_at, std::uint64_t count) {
    std::vector<std::uint8_t> piece(std::min<std::uint64_t>(count, Pipe::kCapacity));
    long total = 0;
    while (count > 0) {
        HostBuffer to(piece.data(), std::min<std::uint64_t>(piece.size(), count));
        const std::uint64_t before = in_at;
        const long got = co_await read_file(c, in, to, in_at);
        if (got <= 0) co_return total != 0 ? total : got;
        const long put = co_await write_file(c, out, HostBuffer(piece.data(), static_cast<std::size_t>(got)), out_at);
        in_at = before + static_cast<std::uint64_t>(std::max(put, 0l));
        if (put < 0) co_return total != 0 ? total : put;
        total += put;
        count -= static_cast<std::uint64_t>(put);
        if (put < got) break;
    }
    co_return total;
}

} // namespace trapline
