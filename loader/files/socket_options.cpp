#include "loader/files/socket_options.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr int kMost = std::numeric_limits<int>::max(), kLeast = std::numeric_limits<int>::min();
constexpr SocketOption flag(int level, int name, int initial = 0) {
    return {level, name, initial, kLeast, kMost, true};
}
constexpr SocketOption number(int level, int name, int initial, int least, int most) {
    return {level, name, initial, least, most, false};
}

// Defaults: Documentation/networking/ip-sysctl.rst, socket(7), ip(7), ipv6(7), tcp(7).
constexpr SocketOption kOptions[] = {
    flag(SOL_SOCKET, SO_DEBUG),
    flag(SOL_SOCKET, SO_REUSEADDR),
    flag(SOL_SOCKET, SO_REUSEPORT),
    flag(SOL_SOCKET, SO_KEEPALIVE),
    flag(SOL_SOCKET, SO_BROADCAST),
    flag(SOL_SOCKET, SO_OOBINLINE),
    flag(SOL_SOCKET, SO_DONTROUTE),
    flag(SOL_SOCKET, SO_NO_CHECK),
    flag(SOL_SOCKET, SO_PASSCRED),
    flag(SOL_SOCKET, SO_TIMESTAMP),
    flag(SOL_SOCKET, SO_TIMESTAMPNS),
    flag(SOL_SOCKET, SO_ZEROCOPY),
    number(SOL_SOCKET, SO_PRIORITY, 0, 0, 6),
    number(SOL_SOCKET, SO_RCVLOWAT, 1, 0, kMost),
    number(SOL_SOCKET, SO_BUSY_POLL, 0, 0, 0),
    flag(IPPROTO_TCP, TCP_NODELAY),
    flag(IPPROTO_TCP, TCP_CORK),
    flag(IPPROTO_TCP, TCP_QUICKACK, 1),
    number(IPPROTO_TCP, TCP_MAXSEG, 65483, 88, 32767),
    number(IPPROTO_TCP, TCP_KEEPIDLE, 7200, 1, 32767),
    number(IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 32767),
    number(IPPROTO_TCP, TCP_KEEPCNT, 9, 1, 127),
    number(IPPROTO_TCP, TCP_SYNCNT, 6, 1, 127),
    number(IPPROTO_TCP, TCP_LINGER2, 60, kLeast, kMost),
    number(IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, kLeast, kMost),
    number(IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 0, kMost),
    number(IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 0, kMost),
    number(IPPROTO_TCP, TCP_FASTOPEN, 0, 0, kMost),
    number(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, kLeast, kMost),
    number(IPPROTO_IP, IP_TOS, 0, 0, 255),
    number(IPPROTO_IP, IP_TTL, 64, 1, 255),
    number(IPPROTO_IP, IP_MTU_DISCOVER, 1, 0, 5),
    number(IPPROTO_IP, IP_MULTICAST_TTL, 1, -1, 255),
    flag(IPPROTO_IP, IP_MULTICAST_LOOP, 1),
    flag(IPPROTO_IP, IP_RECVERR),
    flag(IPPROTO_IP, IP_RECVTTL),
    flag(IPPROTO_IP, IP_RECVTOS),
    flag(IPPROTO_IP, IP_RECVOPTS),
    flag(IPPROTO_IP, IP_FREEBIND),
    flag(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
    flag(IPPROTO_IPV6, IPV6_V6ONLY),
    number(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, -1, 255),
    number(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, -1, 255),
    flag(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1),
    number(IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1, 0, 5),
    number(IPPROTO_IPV6, IPV6_TCLASS, 0, -1, 255),
    flag(IPPROTO_IPV6, IPV6_RECVERR),
    flag(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
    flag(IPPROTO_IPV6, IPV6_RECVTCLASS),
    number(IPPROTO_UDPLITE, 10, 0, 0, 65535), // UDPLITE_SEND_CSCOV
    number(IPPROTO_UDPLITE, 11, 0, 0, 65535), // UDPLITE_RECV_CSCOV
};

const SocketOption* in_table(int level, int name) {
    const auto* at = std::find_if(std::begin(kOptions), std::end(kOptions),
                                  [&](const SocketOption& o) { return o.level == level && o.name == name; });
    return at == std::end(kOptions) ? nullptr : at;
}

} // namespace

const SocketOption* SocketOptions::find(int domain, int protocol, int level, int name) {
    const bool has_level = level == SOL_SOCKET ||
                           (level == protocol && (level == IPPROTO_TCP || level == IPPROTO_UDPLITE)) ||
                           (level == IPPROTO_IP && domain != AF_UNIX) || (level == IPPROTO_IPV6 && domain == AF_INET6);
    return has_level ? in_table(level, name) : nullptr;
}

int SocketOptions::get(int level, int name) const {
    const auto at = changed_.find({level, name});
    if (at != changed_.end()) return at->second;
    const SocketOption* o = in_table(level, name);
    return o != nullptr ? o->initial : 0;
}

void SocketOptions::set(const SocketOption& option, int value) {
    changed_[{option.level, option.name}] = option.flag ? (value != 0 ? 1 : 0) : value;
}

bool SocketOptions::reuse_address() const { return get(SOL_SOCKET, SO_REUSEADDR) != 0; }
bool SocketOptions::reuse_port() const { return get(SOL_SOCKET, SO_REUSEPORT) != 0; }
bool SocketOptions::pass_credentials() const { return get(SOL_SOCKET, SO_PASSCRED) != 0; }
bool SocketOptions::v6_only() const { return get(IPPROTO_IPV6, IPV6_V6ONLY) != 0; }

} // namespace trapline
