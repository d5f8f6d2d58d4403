#include "loader/files/socket_stream.hpp"

#include "loader/files/file_table.hpp"
#include "loader/files/socket_names.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

namespace trapline {
namespace {

constexpr std::size_t kTcpCapacity = 2626560; // what fits between two TCP sockets of loopback before a send waits
constexpr std::size_t kMostRecords = 11;      // net.unix.max_dgram_qlen, and the one that finds it full
constexpr std::size_t kMostBacklog = 4096;    // net.core.somaxconn
constexpr std::size_t kGlue = 65536;          // small sends share a packet up to this size

} // namespace

StreamSocket::~StreamSocket() {
    if (listening()) stop_listening();
    if (listener_ != nullptr) std::erase(listener_->waiting_, this);
    if (peer_ != nullptr) peer_->peer_closed(!queue_.empty(), options.linger_on == 0 || options.linger_seconds != 0);
}

void StreamSocket::pair(Io& io, StreamSocket& a, StreamSocket& b) {
    a.peer_ = &b;
    b.peer_ = &a;
    a.state_ = b.state_ = State::connected;
    a.peer_name_ = b.peer_name_ = unix_address({});
    a.peer_credentials_ = b.peer_credentials_ = credentials_of(io);
}

bool StreamSocket::keeps_records() const { return kind.type == SOCK_SEQPACKET; }

// Connecting.

OrErrno<StreamSocket*> StreamSocket::find_listener(Io& io, const SocketAddress& address) {
    if (!is_unix()) {
        auto to = destination(address);
        if (!to) return tl::make_unexpected(to.error());
        if (const long r = bind_source(*to); r != 0) return tl::make_unexpected(static_cast<int>(r));
        peer_name_ = internet_address(kind.domain, *to);
        Socket* s = names()->listener(*to);
        if (s == nullptr) return refuse(ECONNREFUSED);
        return static_cast<StreamSocket*>(s);
    }
    auto name = parse_unix(address);
    if (!name) return tl::make_unexpected(name.error());
    auto found = find_unix(io, *names(), *name);
    if (!found) return tl::make_unexpected(found.error());
    if ((*found)->kind.type != kind.type) return refuse(EPROTOTYPE);
    if (!(*found)->listening()) return refuse(ECONNREFUSED);
    return static_cast<StreamSocket*>(*found);
}

long StreamSocket::connect(Io& io, const SocketAddress& address) {
    if (address.size < sizeof(std::uint16_t)) return -EINVAL;
    switch (state_) {
    case State::listening:
        return is_unix() ? -EINVAL : -EISCONN;
    case State::connected:
        return std::exchange(told_, true) ? -EISCONN : 0;
    case State::waiting:
        return -EALREADY;
    case State::refused: {
        state_ = State::fresh;
        const int error = take_error();
        return error != 0 ? -error : -ECONNABORTED;
    }
    case State::fresh:
        break;
    }
    if (address.family() == AF_UNSPEC && !is_unix()) return 0;
    auto listener = find_listener(io, address);
    if (listener) return start_connecting(io, **listener);
    if (is_unix() || listener.error() != -ECONNREFUSED || (flags & O_NONBLOCK) == 0) return listener.error();
    // As TCP has it, the answer comes after the call.
    state_ = State::refused;
    error_ = ECONNREFUSED;
    changed();
    return -EINPROGRESS;
}

long StreamSocket::start_connecting(Io& io, StreamSocket& listener) {
    const bool nonblocking = (flags & O_NONBLOCK) != 0;
    const bool full = listener.pending_.size() > listener.backlog_ || !listener.waiting_.empty();
    if (full && nonblocking && is_unix()) return -EAGAIN;
    peer_credentials_ = listener.listener_credentials_;
    listener_credentials_ = credentials_of(io); // whom the other end will see
    told_ = false;
    if (full) {
        state_ = State::waiting;
        listener_ = &listener;
        listener.waiting_.push_back(this);
        return -EINPROGRESS;
    }
    establish(listener);
    if (nonblocking && !is_unix()) return -EINPROGRESS;
    told_ = true;
    return 0;
}

/// The other end of the connection comes into being and waits to be accepted.
void StreamSocket::establish(StreamSocket& listener) {
    auto other = std::make_shared<StreamSocket>(kernel(), names(), listener.kind, 0, 0);
    if (!is_unix()) other->options = listener.options;
    other->state_ = state_ = State::connected;
    other->peer_ = this;
    peer_ = other.get();
    other->peer_credentials_ = listener_credentials_;
    if (is_unix()) {
        other->unix_name_ = listener.unix_name_;
        peer_name_ = unix_address(listener.unix_name_);
        other->peer_name_ = unix_address(unix_name_);
    } else {
        other->local_ = *parse_internet(kind.domain, peer_name_);
        names()->share_port(*other, other->local_);
        other->peer_name_ = internet_address(other->kind.domain, local_);
    }
    listener.pending_.push_back(std::move(other));
    listener.changed();
    changed();
}

void StreamSocket::connect_waiting() {
    while (!waiting_.empty() && pending_.size() <= backlog_) {
        StreamSocket* next = waiting_.front();
        waiting_.pop_front();
        next->listener_ = nullptr;
        next->establish(*this);
    }
}

long StreamSocket::listen(Io& io, int backlog) {
    if (state_ != State::fresh && state_ != State::listening) return -EINVAL;
    if (is_unix() && unix_name_.empty()) return -EINVAL;
    if (!is_unix())
        if (const long r = bind_port(); r != 0) return r;
    if (!is_unix() && !listening() && !names()->may_listen(*this)) return -EADDRINUSE;
    state_ = State::listening;
    backlog_ = std::min(static_cast<std::size_t>(static_cast<unsigned>(backlog)), kMostBacklog);
    listener_credentials_ = credentials_of(io);
    connect_waiting();
    return 0;
}

OrErrno<std::shared_ptr<Socket>> StreamSocket::accept(Io& io, int status_flags) {
    if (state_ != State::listening) return refuse(EINVAL);
    if (pending_.empty()) return refuse(EAGAIN);
    std::shared_ptr<StreamSocket> s = std::move(pending_.front());
    pending_.pop_front();
    s->flags |= status_flags;
    s->number_ = ++files_of(*io.task.process).shared->last_number;
    connect_waiting();
    return s;
}

void StreamSocket::stop_listening() {
    state_ = State::refused; // who accepts now gets EINVAL
    told_ = true;
    for (StreamSocket* s : std::exchange(waiting_, {})) {
        s->listener_ = nullptr;
        s->state_ = State::refused;
        s->error_ = ECONNREFUSED;
        s->changed();
    }
    // Whoever was connected and not accepted finds the connection broken.
    const auto gone = std::exchange(pending_, {});
    for (const auto& s : gone)
        if (s->peer_ != nullptr) {
            s->peer_->peer_closed(true, true);
            s->peer_ = nullptr;
        }
    changed();
}

OrErrno<SocketAddress> StreamSocket::peer_address() const {
    if (state_ != State::connected || (!is_unix() && peer_ == nullptr && end_sent_)) return refuse(ENOTCONN);
    return peer_name_;
}

// Ending.

/// The other end is gone. `unread`: it had not read all that was sent to it. `!orderly`: it wanted the connection
/// broken (SO_LINGER with no time).
void StreamSocket::peer_closed(bool unread, bool orderly) {
    peer_ = nullptr;
    const bool broken = unread || !orderly;
    if (broken && (is_unix() ? unread : true)) error_ = ECONNRESET;
    end_received_ = true;
    // TCP learns of a closed peer by the answer to what it sends next; until then only one direction has ended.
    if (is_unix() || broken) end_sent_ = true;
    changed();
}

long StreamSocket::shutdown(Io&, int how) {
    if (listening()) {
        if (how != SHUT_WR) stop_listening();
        return 0;
    }
    if (state_ != State::connected) return is_unix() ? 0 : -ENOTCONN;
    if (how != SHUT_WR) end_received_ = true;
    if (how != SHUT_RD) end_sent_ = true;
    if (peer_ != nullptr) {
        if (how != SHUT_RD) peer_->end_received_ = true;
        if (how != SHUT_WR && is_unix()) peer_->end_sent_ = true;
        peer_->changed();
    }
    changed();
    return 0;
}

void StreamSocket::discard() {
    const auto pending = std::exchange(pending_, {});
    const auto gone = std::exchange(queue_, {}); // goes last: this socket may be in it
    queued_ = 0;
}

// Sending.

std::size_t StreamSocket::capacity() const {
    const auto own = static_cast<std::size_t>(options.send_bytes);
    if (is_unix()) return own;
    return options.send_bytes_set && peer_ != nullptr ? own + static_cast<std::size_t>(peer_->options.receive_bytes)
                                                      : kTcpCapacity;
}

/// As poll has it: UNIX sockets are writable while a quarter is used, TCP while a third is free.
bool StreamSocket::roomy() const {
    if (keeps_records() && peer_ != nullptr && peer_->queue_.size() >= kMostRecords) return false;
    return is_unix() ? unread() * 4 <= capacity() : unread() * 3 <= capacity() * 2;
}

bool StreamSocket::takes(std::size_t bytes) const {
    if (!keeps_records()) return unread() < capacity();
    return peer_->queue_.size() < kMostRecords && (unread() == 0 || unread() + bytes <= capacity());
}

/// What a send gets when nothing more may be sent: the error that ended it, once, then EPIPE.
long StreamSocket::broken() {
    const int error = is_unix() ? 0 : take_error();
    return error != 0 ? -error : -EPIPE;
}

long StreamSocket::send(Io& io, IoBuffer& from, Message& message, int how) {
    if ((how & MSG_OOB) != 0) return -EOPNOTSUPP;
    if (is_unix() && !keeps_records() && message.address.size != 0)
        return state_ == State::connected ? -EISCONN : -EOPNOTSUPP;
    if (state_ == State::waiting) return -EAGAIN;
    if (state_ != State::connected) return is_unix() ? -ENOTCONN : broken();
    if (end_sent_) return broken();
    const auto wanted = static_cast<std::size_t>(from.left());
    if (keeps_records() && wanted + 32 > capacity()) return -EMSGSIZE;
    if (wanted == 0 && !keeps_records()) return 0;
    const bool lost = peer_ == nullptr; // TCP: the peer is closed, and nobody has told us so far
    if (!lost && !takes(wanted)) return -EAGAIN;
    const std::size_t room = lost || keeps_records() ? wanted : std::min(wanted, capacity() - unread());
    const Credentials sender = message.sender.value_or(credentials_of(io));

    std::vector<std::uint8_t> bytes(room);
    const std::size_t taken = from.take(bytes.data(), room);
    if (taken == 0 && wanted != 0) return -EFAULT;
    bytes.resize(taken);
    if (lost) {
        end_sent_ = true;
        error_ = EPIPE;
        return static_cast<long>(taken);
    }
    auto& queue = peer_->queue_;
    const bool glue = !keeps_records() && message.rights.empty() && !queue.empty() && queue.back().rights.empty() &&
                      queue.back().sender == sender && queue.back().bytes.size() + taken <= kGlue;
    if (glue)
        queue.back().bytes.insert(queue.back().bytes.end(), bytes.begin(), bytes.end());
    else
        queue.push_back(Packet{std::move(bytes), 0, {}, std::move(message.rights), sender});
    if (!unix_name_.empty()) queue.back().from = unix_address(unix_name_);
    peer_->queued_ += taken;
    peer_->changed();
    return static_cast<long>(taken);
}

// Receiving.

void StreamSocket::has_read(bool was_roomy) {
    if (peer_ != nullptr && !was_roomy && peer_->roomy()) peer_->changed();
}

long StreamSocket::receive(Io&, IoBuffer& to, Message& message, int how) {
    if ((how & MSG_OOB) != 0) return is_unix() ? -EOPNOTSUPP : -EINVAL;
    if (queue_.empty()) {
        if (state_ == State::connected || state_ == State::refused) {
            if (const int error = take_error(); error != 0) return -error;
            if (end_received_ || state_ == State::refused) return 0;
            return to.left() == 0 && !keeps_records() ? 0 : -EAGAIN;
        }
        if (state_ == State::waiting) return -EAGAIN;
        return is_unix() && !keeps_records() ? -EINVAL : -ENOTCONN;
    }
    const bool peek = (how & MSG_PEEK) != 0;
    if (keeps_records()) return receive_record(to, message, peek, (how & MSG_TRUNC) != 0);
    return receive_stream(to, message, peek, (how & MSG_TRUNC) != 0 && !is_unix());
}

long StreamSocket::receive_record(IoBuffer& to, Message& message, bool peek, bool whole) {
    const bool was_roomy = peer_ != nullptr && peer_->roomy();
    Packet taken = queue_.front();
    if (!peek) {
        queued_ -= taken.bytes.size();
        queue_.pop_front();
        has_read(was_roomy);
    }
    const std::size_t wanted = std::min<std::uint64_t>(to.left(), taken.bytes.size());
    const std::size_t copied = to.put(taken.bytes.data(), wanted);
    message.address = taken.from;
    message.rights = std::move(taken.rights);
    message.sender = taken.sender;
    if (wanted < taken.bytes.size()) message.flags |= MSG_TRUNC;
    if (copied < wanted) return -EFAULT;
    return static_cast<long>(whole ? taken.bytes.size() : copied);
}

/// Bytes of several sends are one read, up to those that files came with; `drop`: they are thrown away (tcp(7)).
long StreamSocket::receive_stream(IoBuffer& to, Message& message, bool peek, bool drop) {
    const bool was_roomy = peer_ != nullptr && peer_->roomy();
    const bool checks_sender = options.pass_credentials();
    long done = 0;
    std::uint64_t left = to.left();
    for (std::size_t i = 0; i < queue_.size() && left > 0;) {
        Packet& p = queue_[i];
        if (message.sender && checks_sender && *message.sender != p.sender) break;
        message.sender = p.sender;
        message.address = p.from;
        const std::size_t wanted = std::min<std::uint64_t>(left, p.left());
        const std::size_t copied = drop ? wanted : to.put(p.bytes.data() + p.taken, wanted);
        done += static_cast<long>(copied);
        left -= copied;
        const bool has_rights = !p.rights.empty();
        if (has_rights) message.rights = peek ? p.rights : std::exchange(p.rights, {});
        if (!peek) {
            p.taken += copied;
            queued_ -= copied;
        }
        if (copied < wanted) {
            if (done == 0) done = -EFAULT;
            break;
        }
        if (peek)
            ++i;
        else if (p.left() == 0)
            queue_.pop_front();
        if (has_rights) break;
    }
    has_read(was_roomy);
    return done;
}

// Waiting.

short StreamSocket::poll(Io&) {
    if (listening()) return pending_.empty() ? 0 : POLLIN | POLLRDNORM;
    short now = 0;
    if (error_ != 0) now |= POLLERR;
    if (state_ == State::waiting) return now;
    const bool ended = end_received_ || state_ == State::refused;
    if (!queue_.empty() || ended) now |= POLLIN | POLLRDNORM;
    if (ended) now |= POLLRDHUP;
    if (state_ != State::connected || (end_received_ && end_sent_)) now |= POLLHUP;
    if (roomy() || (end_sent_ && !is_unix())) now |= POLLOUT | POLLWRNORM | (is_unix() ? POLLWRBAND : 0);
    return now;
}

long StreamSocket::available(Io&) {
    if (listening()) return -EINVAL;
    if (keeps_records()) return queue_.empty() ? 0 : static_cast<long>(queue_.front().bytes.size());
    return static_cast<long>(queued_);
}

} // namespace trapline
