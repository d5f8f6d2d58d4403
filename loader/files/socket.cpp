#include "loader/files/socket.hpp"

#include "loader/files/file_table.hpp"
#include "loader/files/place.hpp"
#include "loader/files/socket_datagram.hpp"
#include "loader/files/socket_names.hpp"
#include "loader/files/socket_stream.hpp"
#include "loader/system.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace trapline {

Socket::Socket(Kernel& kernel, std::shared_ptr<SocketNames> names, Kind k, int status_flags, std::uint64_t inode)
    : File(status_flags | O_RDWR), kind(k), number_(inode), kernel_(kernel), names_(std::move(names)) {
    constexpr int kBuffer = 212992, kTcpSend = 16384, kTcpReceive = 131072; // wmem_default, tcp_wmem, tcp_rmem
    options.send_bytes = !is_unix() && is_stream() ? kTcpSend : kBuffer;
    options.receive_bytes = !is_unix() && is_stream() ? kTcpReceive : kBuffer;
    if (!is_unix()) local_ = InternetAddress::any(kind.domain == AF_INET);
    names_->enter(*this);
}

Socket::~Socket() { names_->forget(*this); }

bool Socket::is_unix() const { return kind.domain == AF_UNIX; }
bool Socket::is_stream() const { return kind.type == SOCK_STREAM; }

SocketAddress Socket::own_address() const {
    return is_unix() ? unix_address(unix_name_) : internet_address(kind.domain, local_);
}

long Socket::listen(Io&, int) { return -EOPNOTSUPP; }
OrErrno<std::shared_ptr<Socket>> Socket::accept(Io&, int) { return refuse(EOPNOTSUPP); }

long Socket::bind(Io& io, const SocketAddress& address) {
    if (is_unix()) return bind_unix(io, address);
    auto wanted = parse_internet(kind.domain, address);
    if (!wanted) return wanted.error();
    if (!wanted->is_any() && !wanted->is_loopback()) return -EADDRNOTAVAIL;
    if (local_.port != 0) return -EINVAL;
    if (const long r = names_->bind_port(*this, *wanted); r != 0) return r;
    local_ = *wanted;
    return 0;
}

long Socket::bind_unix(Io& io, const SocketAddress& address) {
    auto wanted = parse_unix(address);
    if (!wanted) return wanted.error();
    if (!unix_name_.empty()) return -EINVAL;
    if (wanted->empty()) *wanted = names_->free_abstract();
    if (wanted->front() == 0) {
        if (const long r = names_->bind_abstract(*wanted, *this); r != 0) return r;
    } else {
        auto place = find_place(io, AT_FDCWD, *wanted, LastLink::entry);
        if (!place) return place.error();
        if (!place->missing()) return -EADDRINUSE;
        if (place->node) return -EACCES;
        const mode_t mode = 0777 & ~files_of(*io.task.process).umask;
        auto made = io.system.sandbox().make_special(place->host, S_IFSOCK | mode);
        if (!made) return made.error() == -EEXIST ? -EADDRINUSE : made.error();
        names_->bind_file(*made, *this);
    }
    unix_name_ = std::move(*wanted);
    return 0;
}

OrErrno<Socket*> Socket::find_unix(Io& io, const SocketNames& names, const std::string& name) {
    Socket* s = nullptr;
    if (name.empty()) return refuse(EINVAL);
    if (name.front() == 0) {
        s = names.abstract(name);
    } else {
        auto place = find_place(io, AT_FDCWD, name, LastLink::follow);
        if (!place) return tl::make_unexpected(place.error());
        if (place->missing()) return refuse(ENOENT);
        if (!place->node && S_ISSOCK(place->host.st.st_mode)) s = names.file(key_of(place->host.st));
    }
    if (s == nullptr) return refuse(ECONNREFUSED);
    return s;
}

long Socket::bind_port() {
    if (local_.port != 0) return 0;
    InternetAddress source = local_;
    if (names_->bind_port(*this, source) != 0) return -EAGAIN;
    local_ = source;
    return 0;
}

long Socket::bind_source(const InternetAddress& to) {
    if (const long r = bind_port(); r != 0) return r;
    if (local_.is_any()) local_.host = InternetAddress::loopback(to.is_v4()).host;
    return 0;
}

OrErrno<InternetAddress> Socket::destination(const SocketAddress& address) const {
    auto to = parse_internet(kind.domain, address);
    if (!to) return to;
    if (to->is_any()) to->host = InternetAddress::loopback(to->is_v4()).host;
    if (!to->is_loopback() || (to->is_v4() && options.v6_only())) return refuse(ENETUNREACH);
    if (!local_.is_any() && local_.is_v4() != to->is_v4()) return refuse(ENETUNREACH);
    return to;
}

Credentials Socket::credentials_of(const Io& io) { return {io.task.process->pid, 0, 0}; }

long Socket::read(Io& io, IoBuffer& to, std::uint64_t&) {
    Message message;
    // Files that came along and that nobody asked for are closed.
    return receive(io, to, message, 0);
}

long Socket::write(Io& io, IoBuffer& from, std::uint64_t&) {
    Message message;
    return send(io, from, message, 0);
}

std::uint64_t Socket::patience(bool writing) const { return writing ? options.send_timeout : options.receive_timeout; }

OrErrno<FileStat> Socket::stat(Io& io) {
    FileStat st = plain_stat(number_, S_IFSOCK | 0777, io.kernel);
    st.device = 0x8; // sockfs
    return st;
}

std::string Socket::name() const { return "socket:[" + std::to_string(number_) + "]"; }

OrErrno<std::shared_ptr<Socket>> make_socket(Io& io, Socket::Kind kind, int status_flags) {
    SharedFiles& shared = *files_of(*io.task.process).shared;
    const bool internet = kind.domain == AF_INET || kind.domain == AF_INET6;
    if (!internet && kind.domain != AF_UNIX) return refuse(EAFNOSUPPORT);
    constexpr int kMostTypes = 11; // SOCK_MAX
    if (kind.type < 0 || kind.type >= kMostTypes) return refuse(EINVAL);
    if (internet) {
        const int usual = kind.type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
        if (kind.protocol < 0 || kind.protocol >= IPPROTO_MAX) return refuse(EINVAL);
        if (kind.type == SOCK_RAW) return refuse(EPERM);
        if (kind.type != SOCK_STREAM && kind.type != SOCK_DGRAM) return refuse(ESOCKTNOSUPPORT);
        if (kind.protocol == 0) kind.protocol = usual;
        // UDP-Lite: nothing is damaged on the way, so what its checksum covers makes no difference.
        const bool lite = kind.type == SOCK_DGRAM && kind.protocol == IPPROTO_UDPLITE;
        if (kind.protocol != usual && !lite) return refuse(EPROTONOSUPPORT);
    } else {
        if (kind.protocol != 0 && kind.protocol != AF_UNIX) return refuse(EPROTONOSUPPORT);
        kind.protocol = 0;
        if (kind.type == SOCK_RAW) kind.type = SOCK_DGRAM; // as BSD has it (af_unix.c)
        if (kind.type != SOCK_STREAM && kind.type != SOCK_DGRAM && kind.type != SOCK_SEQPACKET)
            return refuse(ESOCKTNOSUPPORT);
    }
    const std::uint64_t number = ++shared.last_number;
    if (kind.type == SOCK_DGRAM)
        return std::make_shared<DatagramSocket>(io.kernel, shared.sockets, kind, status_flags, number);
    return std::make_shared<StreamSocket>(io.kernel, shared.sockets, kind, status_flags, number);
}

void make_pair(Io& io, Socket& a, Socket& b) {
    if (a.kind.type == SOCK_DGRAM)
        DatagramSocket::pair(io, static_cast<DatagramSocket&>(a), static_cast<DatagramSocket&>(b));
    else
        StreamSocket::pair(io, static_cast<StreamSocket&>(a), static_cast<StreamSocket&>(b));
}

} // namespace trapline
