#include "loader/files/socket_datagram.hpp"

#include "loader/files/socket_names.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr std::size_t kMostUdp = 65507;  // 65,535 less the headers of IPv4 and UDP
constexpr std::size_t kMostWaiting = 11; // net.unix.max_dgram_qlen, and the one that finds it full
constexpr std::size_t kOverhead = 256;   // of a datagram in a receive buffer: struct sk_buff

} // namespace

DatagramSocket::~DatagramSocket() { wake_waiting(); }

void DatagramSocket::pair(Io& io, DatagramSocket& a, DatagramSocket& b) {
    a.peer_ = b.self();
    b.peer_ = a.self();
    a.peer_credentials_ = b.peer_credentials_ = credentials_of(io);
}

std::shared_ptr<DatagramSocket> DatagramSocket::self() {
    return std::static_pointer_cast<DatagramSocket>(shared_from_this());
}

long DatagramSocket::connect(Io& io, const SocketAddress& address) {
    if (address.size < sizeof(std::uint16_t)) return -EINVAL;
    if (address.family() == AF_UNSPEC) {
        peer_.reset();
        remote_.reset();
        return 0;
    }
    if (!is_unix()) {
        auto to = destination(address);
        if (!to) return to.error();
        if (const long r = bind_source(*to); r != 0) return r;
        remote_ = *to;
        return 0;
    }
    auto name = parse_unix(address);
    if (!name) return name.error();
    auto found = find_unix(io, *names(), *name);
    if (!found) return found.error();
    if ((*found)->kind.type != SOCK_DGRAM) return -EPROTOTYPE;
    auto* other = static_cast<DatagramSocket*>(*found);
    if (!other->may_receive_from(this)) return -EPERM;
    peer_ = other->self();
    peer_name_ = other->unix_name();
    return 0;
}

/// A UNIX socket that is connected hears its peer only.
bool DatagramSocket::may_receive_from(const DatagramSocket* sender) const {
    return !peer_ || peer_->lock().get() == sender;
}

OrErrno<SocketAddress> DatagramSocket::peer_address() const {
    if (remote_) return internet_address(kind.domain, *remote_);
    if (!peer_) return refuse(ENOTCONN);
    return unix_address(peer_name_);
}

long DatagramSocket::shutdown(Io&, int how) {
    if (!is_unix() && !remote_) return -ENOTCONN;
    end_received_ |= how != SHUT_WR;
    end_sent_ |= how != SHUT_RD;
    changed();
    return 0;
}

/// The number of datagrams is bounded where many may send, their bytes where the peer does (af_unix.c).
bool DatagramSocket::full_for(const DatagramSocket& sender) const {
    const bool peers = peer_ && peer_->lock().get() == &sender;
    return (!peers && queue_.size() >= kMostWaiting) || queued_ >= static_cast<std::size_t>(sender.options.send_bytes);
}

void DatagramSocket::keep_waiting(const std::shared_ptr<DatagramSocket>& sender) {
    std::erase_if(senders_, [&](const auto& s) { return s.expired() || s.lock() == sender; });
    senders_.push_back(sender);
}

void DatagramSocket::wake_waiting() {
    for (const auto& waiting : std::exchange(senders_, {}))
        if (auto s = waiting.lock()) s->changed();
}

OrErrno<Packet> DatagramSocket::make_packet(IoBuffer& from, std::size_t most) {
    if (from.left() > most) return refuse(EMSGSIZE);
    Packet packet;
    packet.bytes.resize(from.left());
    if (from.take(packet.bytes.data(), packet.bytes.size()) < packet.bytes.size()) return refuse(EFAULT);
    packet.from = own_address();
    return packet;
}

void DatagramSocket::deliver(Packet packet) {
    queued_ += packet.bytes.size() + kOverhead;
    queue_.push_back(std::move(packet));
    changed();
}

long DatagramSocket::send(Io& io, IoBuffer& from, Message& message, int how) {
    if ((how & MSG_OOB) != 0) return -EOPNOTSUPP;
    if (const int error = take_error(); error != 0) return -error;
    if (end_sent_) return -EPIPE;
    return is_unix() ? send_unix(io, from, message) : send_internet(from, message);
}

long DatagramSocket::send_unix(Io& io, IoBuffer& from, Message& message) {
    std::shared_ptr<DatagramSocket> to;
    if (message.address.size != 0) {
        auto name = parse_unix(message.address);
        if (!name) return name.error();
        auto found = find_unix(io, *names(), *name);
        if (!found) return found.error();
        if ((*found)->kind.type != SOCK_DGRAM) return -EPROTOTYPE;
        to = static_cast<DatagramSocket*>(*found)->self();
    } else {
        if (!peer_) return -ENOTCONN;
        to = peer_->lock();
        if (to == nullptr) { // it was closed: this is said once
            peer_.reset();
            return -ECONNREFUSED;
        }
    }
    constexpr std::size_t kRoomForHeader = 32;
    if (from.left() > static_cast<std::size_t>(options.send_bytes) - kRoomForHeader) return -EMSGSIZE;
    if (!to->may_receive_from(this)) return -EPERM;
    if (to->end_received_) return -EPIPE;
    if (to.get() != this && to->full_for(*this)) {
        to->keep_waiting(self());
        return -EAGAIN;
    }
    auto packet = make_packet(from, from.left());
    if (!packet) return packet.error();
    const auto bytes = static_cast<long>(packet->bytes.size());
    packet->rights = std::move(message.rights);
    packet->sender = message.sender.value_or(credentials_of(io));
    to->deliver(std::move(*packet));
    return bytes;
}

long DatagramSocket::send_internet(IoBuffer& from, Message& message) {
    std::optional<InternetAddress> to = remote_;
    if (message.address.size != 0) {
        auto named = destination(message.address);
        if (!named) return named.error();
        if (named->port == 0) return -EINVAL;
        to = *named;
    }
    if (const long r = bind_port(); r != 0) return r;
    if (!to) return -EDESTADDRREQ;
    auto packet = make_packet(from, kMostUdp);
    if (!packet) return packet.error();
    InternetAddress source = local_;
    if (source.is_any()) source.host = InternetAddress::loopback(to->is_v4()).host;
    const auto bytes = static_cast<long>(packet->bytes.size());
    DatagramSocket* best = nullptr;
    for (Socket* s : names()->receivers(*to)) {
        auto* candidate = static_cast<DatagramSocket*>(s);
        if (candidate->remote_ && *candidate->remote_ != source) continue;
        if (best == nullptr || (candidate->remote_ && !best->remote_)) best = candidate;
    }
    if (best == nullptr) { // ICMP says so, to a sender that is connected
        if (remote_) {
            error_ = ECONNREFUSED;
            changed();
        }
        return bytes;
    }
    packet->from = internet_address(best->kind.domain, source);
    const bool room = best->queued_ + packet->bytes.size() <= static_cast<std::size_t>(best->options.receive_bytes);
    if (room && !best->end_received_) best->deliver(std::move(*packet));
    return bytes;
}

long DatagramSocket::receive(Io&, IoBuffer& to, Message& message, int how) {
    if ((how & MSG_OOB) != 0) return -EOPNOTSUPP;
    if (const int error = take_error(); error != 0) return -error;
    if (queue_.empty()) return end_received_ ? 0 : -EAGAIN;
    Packet taken;
    if ((how & MSG_PEEK) != 0) {
        taken = queue_.front();
    } else {
        taken = std::move(queue_.front());
        queue_.pop_front();
        queued_ -= taken.bytes.size() + kOverhead;
    }
    const std::size_t wanted = std::min<std::uint64_t>(to.left(), taken.bytes.size());
    const std::size_t copied = to.put(taken.bytes.data(), wanted);
    wake_waiting();
    message.address = taken.from;
    // An unnamed UNIX socket shows no address at all, not an empty one.
    if (is_unix() && taken.from.size <= sizeof(std::uint16_t)) message.address = {};
    message.rights = std::move(taken.rights);
    message.sender = taken.sender;
    if (wanted < taken.bytes.size()) message.flags |= MSG_TRUNC;
    if (copied < wanted) return -EFAULT;
    return static_cast<long>((how & MSG_TRUNC) != 0 ? taken.bytes.size() : copied);
}

void DatagramSocket::discard() {
    const auto gone = std::exchange(queue_, {}); // goes last: this socket may be in it
    queued_ = 0;
}

short DatagramSocket::poll(Io&) {
    short now = 0;
    if (error_ != 0) now |= POLLERR;
    if (end_received_) now |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (end_received_ && end_sent_) now |= POLLHUP;
    if (!queue_.empty()) now |= POLLIN | POLLRDNORM;
    const auto peer = peer_ ? peer_->lock() : nullptr;
    if (peer != nullptr && peer->full_for(*this)) {
        peer->keep_waiting(self());
        return now;
    }
    return static_cast<short>(now | POLLOUT | POLLWRNORM | POLLWRBAND);
}

long DatagramSocket::available(Io&) { return queue_.empty() ? 0 : static_cast<long>(queue_.front().bytes.size()); }

} // namespace trapline
