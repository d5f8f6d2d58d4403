#include "loader/files/socket_names.hpp"

#include "loader/files/socket.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr std::uint16_t kFirstPort = 32768, kLastPort = 60999; // ip_local_port_range

bool is_wide(const Socket& s, const InternetAddress& a) {
    return s.kind.domain == AF_INET6 && a.is_any() && !a.is_v4() && !s.options.v6_only();
}

} // namespace

void SocketNames::forget(Socket& s) {
    all_.erase(&s);
    std::erase_if(abstract_, [&](const auto& e) { return e.second == &s; });
    std::erase_if(files_, [&](const auto& e) { return e.second == &s; });
    Ports& ports = ports_of(s);
    const auto at = ports.find(s.local().port);
    if (at == ports.end()) return;
    std::erase_if(at->second, [&](const Holder& h) { return h.socket == &s; });
    if (at->second.empty()) ports.erase(at);
}

void SocketNames::discard_all() {
    // Discarding closes sockets, which takes them out of the set.
    while (!all_.empty()) {
        Socket& s = **all_.begin();
        all_.erase(all_.begin());
        s.discard();
    }
}

long SocketNames::bind_abstract(const std::string& name, Socket& s) {
    return abstract_.emplace(name, &s).second ? 0 : -EADDRINUSE;
}

std::string SocketNames::free_abstract() {
    constexpr unsigned kNames = 1u << 20;
    std::string name;
    do {
        last_name_ = (last_name_ + 1) % kNames;
        name = std::string(1, '\0') + fmt::format("{:05x}", last_name_);
    } while (abstract_.contains(name));
    return name;
}

Socket* SocketNames::abstract(const std::string& name) const {
    const auto at = abstract_.find(name);
    return at == abstract_.end() ? nullptr : at->second;
}

Socket* SocketNames::file(const FileKey& file) const {
    const auto at = files_.find(file);
    return at == files_.end() ? nullptr : at->second;
}

SocketNames::Ports& SocketNames::ports_of(const Socket& s) { return s.is_stream() ? tcp_ : udp_; }

/// Whether a socket bound at `h` receives what is sent to `to`.
bool SocketNames::covers(const Holder& h, const InternetAddress& to) {
    if (h.address.host == to.host) return true;
    return h.address.is_any() && (h.address.is_v4() == to.is_v4() || is_wide(*h.socket, h.address));
}

/// Two sockets share a port only if both allow it, and no listener is one of them (socket(7), SO_REUSEADDR).
bool SocketNames::conflicts(const Socket& s, const InternetAddress& address, const Holder& other) const {
    const bool overlap = covers(other, address) || (address.is_any() && address.is_v4() == other.address.is_v4()) ||
                         (is_wide(s, address) && other.address.is_v4());
    if (other.socket == &s || !overlap) return false;
    const SocketOptions& theirs = other.socket->options;
    if (s.options.reuse_port() && theirs.reuse_port()) return false;
    return !(s.options.reuse_address() && theirs.reuse_address() && !other.socket->listening());
}

long SocketNames::bind_port(Socket& s, InternetAddress& address) {
    Ports& ports = ports_of(s);
    if (address.port == 0) {
        constexpr unsigned kRange = kLastPort - kFirstPort + 1;
        for (unsigned tries = 0; tries < kRange && address.port == 0; ++tries) {
            const auto port = static_cast<std::uint16_t>(kFirstPort + last_port_);
            last_port_ = static_cast<std::uint16_t>((last_port_ + 1) % kRange);
            if (!ports.contains(port)) address.port = port;
        }
        if (address.port == 0) return -EADDRINUSE;
    }
    std::vector<Holder>& holders = ports[address.port];
    if (std::any_of(holders.begin(), holders.end(), [&](const Holder& h) { return conflicts(s, address, h); }))
        return -EADDRINUSE;
    holders.push_back({&s, address});
    return 0;
}

void SocketNames::share_port(Socket& s, const InternetAddress& address) {
    ports_of(s)[address.port].push_back({&s, address});
}

bool SocketNames::may_listen(const Socket& s) const {
    const auto at = tcp_.find(s.local().port);
    if (at == tcp_.end()) return true;
    return std::none_of(at->second.begin(), at->second.end(),
                        [&](const Holder& h) { return h.socket->listening() && conflicts(s, s.local(), h); });
}

Socket* SocketNames::listener(const InternetAddress& to) const {
    const auto at = tcp_.find(to.port);
    if (at == tcp_.end()) return nullptr;
    Socket* best = nullptr;
    for (const Holder& h : at->second)
        if (h.socket->listening() && covers(h, to) && (best == nullptr || h.address.host == to.host)) best = h.socket;
    return best;
}

std::vector<Socket*> SocketNames::receivers(const InternetAddress& to) const {
    std::vector<Socket*> out;
    const auto at = udp_.find(to.port);
    if (at == udp_.end()) return out;
    for (const bool exact : {true, false})
        for (const Holder& h : at->second)
            if (covers(h, to) && (h.address.host == to.host) == exact) out.push_back(h.socket);
    return out;
}

} // namespace trapline
