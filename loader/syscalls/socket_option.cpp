// getsockopt and setsockopt.
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/socket_support.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr int kLargest = 212992;          // net.core.wmem_max, rmem_max
constexpr int kTimeoutsNew[2] = {66, 67}; // SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW: the same structure on x86-64

/// Copies an answer of `bytes` bytes, as many as the caller has room for.
long answer(Call& c, const void* data, std::size_t bytes) {
    std::int32_t room = 0;
    if (!c.mm().get(c.args[4], room)) return -EFAULT;
    if (room < 0) return -EINVAL;
    const auto n = std::min(static_cast<std::size_t>(room), bytes);
    if (!c.mm().write(c.args[3], data, n)) return -EFAULT;
    return c.mm().put(c.args[4], static_cast<std::int32_t>(n)) ? 0 : -EFAULT;
}
long answer(Call& c, int value) { return answer(c, &value, sizeof value); }

bool is_receive_timeout(int name) { return name == SO_RCVTIMEO || name == kTimeoutsNew[0]; }
bool is_send_timeout(int name) { return name == SO_SNDTIMEO || name == kTimeoutsNew[1]; }

/// What a socket is, which no setsockopt changes.
OrErrno<int> identity(Socket& s, int name) {
    switch (name) {
    case SO_TYPE:
        return s.kind.type;
    case SO_DOMAIN:
        return s.kind.domain;
    case SO_PROTOCOL:
        return s.kind.protocol;
    case SO_ERROR:
        return s.take_error();
    case SO_ACCEPTCONN:
        return s.listening() ? 1 : 0;
    case SO_SNDBUF:
        return s.options.send_bytes;
    case SO_RCVBUF:
        return s.options.receive_bytes;
    case SO_SNDLOWAT:
        return 1;
    case SO_MARK:
    case SO_INCOMING_CPU:
        return 0;
    default:
        return refuse(ENOPROTOOPT);
    }
}

long get_common(Call& c, Socket& s, int name) {
    if (is_receive_timeout(name)) {
        const GuestTime t = to_timeval(s.options.receive_timeout);
        return answer(c, &t, sizeof t);
    }
    if (is_send_timeout(name)) {
        const GuestTime t = to_timeval(s.options.send_timeout);
        return answer(c, &t, sizeof t);
    }
    if (name == SO_LINGER) {
        const std::array<std::int32_t, 2> linger = {s.options.linger_on, s.options.linger_seconds};
        return answer(c, &linger, sizeof linger);
    }
    if (name == SO_PEERCRED) {
        const Credentials nobody{0, ~0u, ~0u};
        const Credentials peer = s.peer_credentials().value_or(nobody);
        return answer(c, &peer, sizeof peer);
    }
    if (name == SO_BINDTODEVICE) return answer(c, "", 0);
    const auto value = identity(s, name);
    return value ? answer(c, *value) : value.error();
}

/// struct tcp_info: the state is what there is to say about a connection without a network.
long get_tcp_info(Call& c, const Socket& s) {
    std::array<std::uint8_t, sizeof(tcp_info)> info{};
    const bool connected = s.peer_address().has_value();
    info[0] = static_cast<std::uint8_t>(s.listening() ? TCP_LISTEN : connected ? TCP_ESTABLISHED : TCP_CLOSE);
    return answer(c, info.data(), info.size());
}

long sys_getsockopt(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    Socket& s = **socket;
    const int level = c.fd(1), name = c.fd(2);
    if (s.is_unix() && level != SOL_SOCKET) return -EOPNOTSUPP;
    if (level == IPPROTO_TCP && s.kind.protocol == IPPROTO_TCP) {
        if (name == TCP_INFO) return get_tcp_info(c, s);
        if (name == TCP_CONGESTION) return answer(c, "cubic\0\0\0\0\0\0\0\0\0\0", 16);
    }
    if (const SocketOption* o = SocketOptions::find(s.kind.domain, s.kind.protocol, level, name))
        return answer(c, s.options.get(o->level, o->name));
    if (level == SOL_SOCKET) return get_common(c, s, name);
    const bool known_level = level == IPPROTO_IP || (level == IPPROTO_IPV6 && s.kind.domain == AF_INET6) ||
                             (level == IPPROTO_TCP && s.kind.protocol == IPPROTO_TCP);
    return known_level ? -ENOPROTOOPT : -EOPNOTSUPP;
}

long set_timeout(Call& c, std::uint64_t& timeout) {
    GuestTime t;
    if (static_cast<std::int32_t>(c.args[4]) < static_cast<std::int32_t>(sizeof t)) return -EINVAL;
    if (!c.mm().get(c.args[3], t)) return -EFAULT;
    if (t.fraction < 0 || t.fraction >= 1'000'000) return -EDOM;
    timeout = t.seconds < 0 ? 1 : from_timeval(t).value_or(0); // a negative one is over at once
    return 0;
}

long set_common(Socket& s, int name, int value) {
    switch (name) {
    case SO_SNDBUF:
        // Twice of what is asked for, as the kernel keeps its own records in it (socket(7)).
        s.options.send_bytes = std::max(std::clamp(value, 0, kLargest) * 2, 4608);
        s.options.send_bytes_set = true;
        return 0;
    case SO_RCVBUF:
        s.options.receive_bytes = std::max(std::clamp(value, 0, kLargest) * 2, 2304);
        return 0;
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
    case SO_MARK:
    case SO_BINDTODEVICE:
        return -EPERM;
    default:
        return -ENOPROTOOPT;
    }
}

long set_linger(Call& c, Socket& s) {
    std::array<std::int32_t, 2> linger{};
    if (static_cast<std::int32_t>(c.args[4]) < static_cast<std::int32_t>(sizeof linger)) return -EINVAL;
    if (!c.mm().get(c.args[3], linger)) return -EFAULT;
    s.options.linger_on = linger[0] != 0 ? 1 : 0;
    if (linger[0] != 0) s.options.linger_seconds = linger[1];
    return 0;
}

/// There is one way to share a line that nobody else uses, and it has two names.
long set_congestion(Call& c) {
    std::array<char, 16> name{};
    const auto bytes = static_cast<std::int32_t>(c.args[4]);
    if (bytes < 1) return -EINVAL;
    if (!c.mm().read(c.args[3], name.data(), std::min<std::size_t>(name.size() - 1, static_cast<std::size_t>(bytes))))
        return -EFAULT;
    return std::strcmp(name.data(), "cubic") == 0 || std::strcmp(name.data(), "reno") == 0 ? 0 : -ENOENT;
}

long sys_setsockopt(Call& c) {
    auto socket = socket_at(c, c.fd(0));
    if (!socket) return socket.error();
    Socket& s = **socket;
    const int level = c.fd(1), name = c.fd(2);
    const auto bytes = static_cast<std::int32_t>(c.args[4]);
    if (bytes < 0) return -EINVAL;
    if (s.is_unix() && level != SOL_SOCKET) return -EOPNOTSUPP;
    if (level == SOL_SOCKET) {
        if (is_receive_timeout(name)) return set_timeout(c, s.options.receive_timeout);
        if (is_send_timeout(name)) return set_timeout(c, s.options.send_timeout);
        if (name == SO_LINGER) return set_linger(c, s);
    }
    if (level == IPPROTO_TCP && s.kind.protocol == IPPROTO_TCP && name == TCP_CONGESTION) return set_congestion(c);
    int value = 0;
    // Options of IP may be given as one byte, too (ip(7)).
    if (level == IPPROTO_IP && bytes >= 1 && bytes < static_cast<std::int32_t>(sizeof value)) {
        std::uint8_t byte = 0;
        if (!c.mm().get(c.args[3], byte)) return -EFAULT;
        value = byte;
    } else {
        if (bytes < static_cast<std::int32_t>(sizeof value)) return -EINVAL;
        if (!c.mm().get(c.args[3], value)) return -EFAULT;
    }
    if (const SocketOption* o = SocketOptions::find(s.kind.domain, s.kind.protocol, level, name)) {
        if (value < o->least || value > o->most) return -EINVAL;
        s.options.set(*o, value);
        return 0;
    }
    return level == SOL_SOCKET ? set_common(s, name, value) : -ENOPROTOOPT;
}

} // namespace

std::span<const SyscallInfo> socket_option_calls() {
    static constexpr std::string_view kKept =
        "partial: buffers, timeouts, address reuse and credentials matter; others are kept and shown";
    static constexpr SyscallInfo kCalls[] = {
        {54, "setsockopt", "fiipu", kKept, sys_setsockopt},
        {55, "getsockopt", "fiipp", kKept, sys_getsockopt},
    };
    return kCalls;
}

} // namespace trapline
