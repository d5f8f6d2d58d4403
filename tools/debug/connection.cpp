#include "tools/debug/connection.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <numeric>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr char kInterrupt = 3, kEscape = '}', kFlip = 0x20;

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

unsigned checksum(std::string_view data) {
    return std::accumulate(data.begin(), data.end(), 0u,
                           [](unsigned sum, char c) { return (sum + static_cast<unsigned char>(c)) & 0xff; });
}

} // namespace

std::string to_hex(std::string_view bytes) {
    std::string out;
    for (char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const int high = digit(hex[i]), low = digit(hex[i + 1]);
        if (high < 0 || low < 0) break;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

std::optional<std::uint64_t> take_hex(std::string_view& text) {
    std::uint64_t value = 0;
    std::size_t n = 0;
    for (; n < text.size() && n < 16 && digit(text[n]) >= 0; ++n)
        value = value << 4 | static_cast<std::uint64_t>(digit(text[n]));
    if (n == 0) return std::nullopt;
    text.remove_prefix(n);
    return value;
}

Result<Connection> Connection::accept(std::uint16_t port) {
    const auto wrong = [](const char* what) { return fail(fmt::format("{}: {}", what, std::strerror(errno))); };
    HostFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (listener.get() < 0) return wrong("socket");
    const int yes = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK); // whoever may connect may look at everything the guest reads
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.get(), any, sizeof address) != 0 || ::listen(listener.get(), 1) != 0)
        return wrong(fmt::format("port {}", port).c_str());
    socklen_t size = sizeof address;
    ::getsockname(listener.get(), any, &size);
    fmt::print(stderr, "waiting for gdb: target remote localhost:{}\n", ntohs(address.sin_port));
    HostFd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.get() < 0) return wrong("accept");
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    Connection connection(socket.get(), socket.get());
    connection.socket_ = std::move(socket);
    return connection;
}

bool Connection::fill(bool wait) {
    if (closed_) return false;
    for (;;) {
        pollfd ready{in_, POLLIN, 0};
        const int n = ::poll(&ready, 1, wait ? -1 : 0);
        if (n == 0) return false;
        char bytes[4096];
        const ssize_t got = n > 0 ? ::read(in_, bytes, sizeof bytes) : -1;
        if (got > 0) {
            buffer_.append(bytes, static_cast<std::size_t>(got));
            return true;
        }
        if (got < 0 && errno == EINTR) continue;
        closed_ = true;
        return false;
    }
}

std::optional<char> Connection::next() {
    if (buffer_.empty() && !fill(true)) return std::nullopt;
    const char c = buffer_.front();
    buffer_.erase(0, 1);
    return c;
}

std::optional<std::string> Connection::receive() {
    for (;;) {
        auto c = next();
        if (!c) return std::nullopt;
        if (*c == kInterrupt) interrupt_ = true;
        if (*c == '-' && acknowledge_) send(last_);
        if (*c != '$') continue;
        std::string raw, data;
        while ((c = next()) && *c != '#') raw += *c;
        const auto high = next(), low = next();
        if (!high || !low) return std::nullopt;
        if (acknowledge_) {
            const bool right = checksum(raw) == static_cast<unsigned>(digit(*high) << 4 | digit(*low));
            if (::write(out_, right ? "+" : "-", 1) != 1) closed_ = true;
            if (!right) continue;
        }
        for (std::size_t i = 0; i < raw.size(); ++i)
            data += raw[i] == kEscape && i + 1 < raw.size() ? static_cast<char>(raw[++i] ^ kFlip) : raw[i];
        return data;
    }
}

void Connection::send(std::string_view data) {
    last_ = data;
    std::string packet = "$";
    for (char c : data) {
        if (c == '$' || c == '#' || c == kEscape || c == '*') {
            packet += kEscape;
            c = static_cast<char>(c ^ kFlip);
        }
        packet += c;
    }
    packet += fmt::format("#{:02x}", checksum(std::string_view(packet).substr(1)));
    for (std::size_t done = 0; done < packet.size() && !closed_;) {
        const ssize_t n = ::write(out_, packet.data() + done, packet.size() - done);
        if (n > 0)
            done += static_cast<std::size_t>(n);
        else if (n < 0 && errno != EINTR)
            closed_ = true;
    }
}

bool Connection::interrupted() {
    while (fill(false)) {
    }
    if (const std::size_t at = buffer_.find(kInterrupt); at != std::string::npos && buffer_.find('$') > at) {
        buffer_.erase(0, at + 1);
        interrupt_ = true;
    }
    return std::exchange(interrupt_, false);
}

} // namespace trapline
