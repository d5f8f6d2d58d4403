// loader/files/socket_address.hpp: the addresses of sockets: as the guest writes them, and as the machine compares
// them.
//
// There is one network, the loopback, and nothing else on it than the guest's own processes. An IPv4 address is kept as
// the IPv6 address that it is mapped to (RFC 4291, "IPv4-Mapped IPv6 Address"), so that a socket of either family can
// be the other one's peer. Read next: socket.hpp.
#pragma once

#include "loader/host_fd.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace trapline {

/// A sockaddr of any family: the bytes that count.
struct SocketAddress {
    static constexpr std::size_t kMost = 128; ///< sizeof(struct sockaddr_storage)
    std::array<std::uint8_t, kMost> bytes{};
    std::uint32_t size = 0; ///< 0: none

    [[nodiscard]] int family() const;
};

/// Host and port of an Internet socket.
struct InternetAddress {
    std::array<std::uint8_t, 16> host{}; ///< IPv6, or IPv4 mapped into it
    std::uint16_t port = 0;
    auto operator<=>(const InternetAddress&) const = default;

    static InternetAddress loopback(bool v4, std::uint16_t port = 0);
    static InternetAddress any(bool v4, std::uint16_t port = 0);
    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_any() const;
    [[nodiscard]] bool is_loopback() const;
};

/// Reads a sockaddr_in or sockaddr_in6 for a socket of `family`: -EINVAL when it is too short, -EAFNOSUPPORT when it is
/// of another family.
OrErrno<InternetAddress> parse_internet(int family, const SocketAddress& address);
/// The same the other way. A socket of AF_INET6 shows IPv4 addresses as mapped ones.
SocketAddress internet_address(int family, const InternetAddress& address);

/// The name of a UNIX socket: a path, or with a leading zero byte an abstract name; empty when the address holds none.
/// -EINVAL for what is no such address.
OrErrno<std::string> parse_unix(const SocketAddress& address);
SocketAddress unix_address(const std::string& name);

} // namespace trapline
