// Sockets come into being, get names, find each other and part.
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/socket_support.hpp"

#include <algorithm>
#include <array>
#include <sys/socket.h>

namespace trapline {

OrErrno<std::shared_ptr<Socket>> socket_at(Call& c, int fd) {
    const auto file = files_of(c).use(fd);
    if (file == nullptr) return refuse(EBADF);
    auto socket = std::dynamic_pointer_cast<Socket>(file);
    if (socket == nullptr) return refuse(ENOTSOCK);
    return socket;
}

OrErrno<SocketAddress> read_address(Call& c, Addr from, std::uint64_t bytes) {
    SocketAddress address;
    const auto size = static_cast<std::int32_t>(bytes);
    if (size < 0 || static_cast<std::size_t>(size) > SocketAddress::kMost) return refuse(EINVAL);
    address.size = static_cast<std::uint32_t>(size);
    if (!c.mm().read(from, address.bytes.data(), address.size)) return refuse(EFAULT);
    return address;
}

long write_address(Call& c, const SocketAddress& address, Addr to, Addr length) {
    if (to == 0) return 0;
    std::int32_t room = 0;
    if (!c.mm().get(length, room)) return -EFAULT;
    if (room < 0) return -EINVAL;
    const std::size_t n = std::min<std::size_t>(static_cast<std::size_t>(room), address.size);
    if (!c.mm().write(to, address.bytes.data(), n)) return -EFAULT;
    return c.mm().put(length, address.size) ? 0 : -EFAULT;
}

namespace {

constexpr int kTypeFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

struct Wanted {
    Socket::Kind kind;
    int status = 0;
    bool close_on_exec = false;
};

OrErrno<Wanted> wanted(const Call& c) {
    const int type = static_cast<int>(c.args[1]);
    constexpr int kTypeMask = 0xf; // SOCK_TYPE_MASK
    if ((type & ~kTypeMask & ~kTypeFlags) != 0) return refuse(EINVAL);
    return Wanted{{static_cast<int>(c.args[0]), type & kTypeMask, static_cast<int>(c.args[2])},
                  type & SOCK_NONBLOCK,
                  (type & SOCK_CLOEXEC) != 0};
}

long sys_socket(Call& c) {
    const auto w = wanted(c);
    if (!w) return w.error();
    Io io = io_of(c);
    auto socket = make_socket(io, w->kind, w->status);
    if (!socket) return socket.error();
    return files_of(c).add(std::move(*socket), w->close_on_exec, descriptor_limit(c));
}

long sys_socketpair(Call& c) {
    const auto w = wanted(c);
    if (!w) return w.error();
    Io io = io_of(c);
    auto a = make_socket(io, w->kind, w->status), b = make_socket(io, w->kind, w->status);
    if (!a || !b) return a ? b.error() : a.error();
    if (!(*a)->is_unix()) return -EOPNOTSUPP;
    make_pair(io, **a, **b);
    FileTable& files = files_of(c);
    const int first = files.add(std::move(*a), w->close_on_exec, descriptor_limit(c));
    if (first < 0) return first;
    const int second = files.add(std::move(*b), w->close_on_exec, descriptor_limit(c));
    const std::array<std::int32_t, 2> both = {first, second};
    if (second >= 0 && c.mm().put(c.args[3], both)) return 0;
    files.close(first);
    if (second < 0) return second;
    files.close(second);
    return -EFAULT;
}

long sys_bind(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    auto address = read_address(c, c.args[1], c.args[2]);
    if (!address) return address.error();
    Io io = io_of(c);
    return (*socket)->bind(io, *address);
}

long sys_listen(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    Io io = io_of(c);
    return (*socket)->listen(io, static_cast<int>(c.args[1]));
}

Path<long> sys_connect(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) co_return socket.error();
    auto address = read_address(c, c.args[1], c.args[2]);
    if (!address) co_return address.error();
    Socket& s = **socket;
    Io io = io_of(c);
    const Cycles deadline = give_up_at(c, s, true);
    for (;;) {
        const long r = s.connect(io, *address);
        if ((r != -EINPROGRESS && r != -EALREADY) || (s.flags & O_NONBLOCK) != 0) co_return r;
        const Wake w = co_await c.kernel.sleep(c.task, &s.readiness()->queue, deadline);
        if (w == Wake::timeout) co_return s.is_unix() ? -EAGAIN : -EINPROGRESS;
        if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
    }
}

Path<long> accept(Call& c, std::uint64_t flags) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) co_return socket.error();
    if ((flags & ~std::uint64_t{kTypeFlags}) != 0) co_return -EINVAL;
    Socket& s = **socket;
    Io io = io_of(c);
    FileTable& files = files_of(c);
    const Cycles deadline = give_up_at(c, s, false);
    for (;;) {
        if (const int fd = files.free_number(descriptor_limit(c)); fd < 0) co_return fd;
        auto accepted = s.accept(io, static_cast<int>(flags & SOCK_NONBLOCK));
        if (accepted) {
            const auto peer = (*accepted)->peer_address();
            if (const long r = write_address(c, peer.value_or(SocketAddress{}), c.args[1], c.args[2]); r != 0)
                co_return r;
            co_return files.add(std::move(*accepted), (flags & SOCK_CLOEXEC) != 0, descriptor_limit(c));
        }
        if (accepted.error() != -EAGAIN || (s.flags & O_NONBLOCK) != 0) co_return accepted.error();
        const Wake w = co_await c.kernel.sleep(c.task, &s.readiness()->queue, deadline);
        if (w == Wake::timeout) co_return -EAGAIN;
        if (w == Wake::signal) co_return deadline == kNever ? c.interrupted() : -EINTR;
    }
}

Path<long> sys_accept(Call& c) { return accept(c, 0); }
Path<long> sys_accept4(Call& c) { return accept(c, c.args[3]); }

long sys_shutdown(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    const int how = static_cast<int>(c.args[1]);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return -EINVAL;
    Io io = io_of(c);
    return (*socket)->shutdown(io, how);
}

long sys_getsockname(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    return c.args[1] == 0 ? -EFAULT : write_address(c, (*socket)->own_address(), c.args[1], c.args[2]);
}

long sys_getpeername(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    auto address = (*socket)->peer_address();
    if (!address) return address.error();
    return c.args[1] == 0 ? -EFAULT : write_address(c, *address, c.args[1], c.args[2]);
}

} // namespace

std::span<const SyscallInfo> socket_calls() {
    static constexpr std::string_view kInside =
        "partial: AF_UNIX, and TCP and UDP on loopback; nothing leaves the machine";
    static constexpr SyscallInfo kCalls[] = {
        {41, "socket", "iii", kInside, sys_socket},
        {42, "connect", "fpu", kInside, nullptr, sys_connect},
        {43, "accept", "fpp", "full", nullptr, sys_accept},
        {48, "shutdown", "fi", "full", sys_shutdown},
        {49, "bind", "fpu", kInside, sys_bind},
        {50, "listen", "fi", "full", sys_listen},
        {51, "getsockname", "fpp", "full", sys_getsockname},
        {52, "getpeername", "fpp", "full", sys_getpeername},
        {53, "socketpair", "iiip", "full", sys_socketpair},
        {288, "accept4", "fppx", "full", nullptr, sys_accept4},
    };
    return kCalls;
}

} // namespace trapline
