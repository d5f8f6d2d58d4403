#include "loader/files/socket_address.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace trapline {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kShortIn6 = 24; // SIN6_LEN_RFC2133: without the scope

InternetAddress v4_address(std::array<std::uint8_t, 4> host, std::uint16_t port) {
    InternetAddress a;
    std::copy(kMapped.begin(), kMapped.end(), a.host.begin());
    std::copy(host.begin(), host.end(), a.host.begin() + kMapped.size());
    a.port = port;
    return a;
}

template <class T> T read_as(const SocketAddress& address) {
    T out{};
    std::memcpy(&out, address.bytes.data(), std::min<std::size_t>(sizeof out, address.size));
    return out;
}

template <class T> SocketAddress write_as(const T& in) {
    SocketAddress out;
    std::memcpy(out.bytes.data(), &in, sizeof in);
    out.size = sizeof in;
    return out;
}

} // namespace

int SocketAddress::family() const {
    std::uint16_t f = AF_UNSPEC;
    if (size >= sizeof f) std::memcpy(&f, bytes.data(), sizeof f);
    return f;
}

InternetAddress InternetAddress::loopback(bool v4, std::uint16_t port) {
    if (v4) return v4_address({127, 0, 0, 1}, port);
    InternetAddress a;
    a.host.back() = 1;
    a.port = port;
    return a;
}

InternetAddress InternetAddress::any(bool v4, std::uint16_t port) {
    if (v4) return v4_address({0, 0, 0, 0}, port);
    InternetAddress a;
    a.port = port;
    return a;
}

bool InternetAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), host.begin()); }
bool InternetAddress::is_any() const { return host == any(is_v4()).host; }
bool InternetAddress::is_loopback() const {
    return is_v4() ? host[kMapped.size()] == 127 : host == loopback(false).host;
}

OrErrno<InternetAddress> parse_internet(int family, const SocketAddress& address) {
    if (family == AF_INET) {
        if (address.size < sizeof(sockaddr_in)) return refuse(EINVAL);
        const auto in = read_as<sockaddr_in>(address);
        if (in.sin_family != AF_INET && (in.sin_family != AF_UNSPEC || in.sin_addr.s_addr != 0))
            return refuse(EAFNOSUPPORT);
        return v4_address(std::bit_cast<std::array<std::uint8_t, 4>>(in.sin_addr.s_addr), ntohs(in.sin_port));
    }
    if (address.size >= sizeof(std::uint16_t) && address.family() != AF_INET6) return refuse(EAFNOSUPPORT);
    if (address.size < kShortIn6) return refuse(EINVAL);
    const auto in = read_as<sockaddr_in6>(address);
    InternetAddress out;
    std::memcpy(out.host.data(), &in.sin6_addr, out.host.size());
    out.port = ntohs(in.sin6_port);
    return out;
}

SocketAddress internet_address(int family, const InternetAddress& address) {
    if (family == AF_INET) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(address.port);
        std::memcpy(&in.sin_addr, address.host.data() + kMapped.size(), sizeof in.sin_addr);
        return write_as(in);
    }
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::memcpy(&in.sin6_addr, address.host.data(), sizeof in.sin6_addr);
    return write_as(in);
}

OrErrno<std::string> parse_unix(const SocketAddress& address) {
    constexpr std::size_t kPath = offsetof(sockaddr_un, sun_path);
    if (address.size < kPath || address.size > sizeof(sockaddr_un) || address.family() != AF_UNIX)
        return refuse(EINVAL);
    const char* text = reinterpret_cast<const char*>(address.bytes.data()) + kPath;
    const std::size_t most = address.size - kPath;
    // A path ends at its first zero byte; an abstract name is all the bytes that were given (unix(7)).
    return most == 0 || text[0] == 0 ? std::string(text, most) : std::string(text, ::strnlen(text, most));
}

SocketAddress unix_address(const std::string& name) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::memcpy(un.sun_path, name.data(), std::min(name.size(), sizeof un.sun_path));
    SocketAddress out = write_as(un);
    out.size = static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (!name.empty() && name.front() != 0) ++out.size; // a path is shown with its end
    return out;
}

} // namespace trapline
