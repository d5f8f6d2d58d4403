// loader/files/socket_stream.hpp: sockets with connections: TCP, and UNIX sockets that are streams or keep records.
//
// A connection is two sockets that know each other; each has a queue of what the other one has sent. Connecting to a
// listener makes the second socket at once and puts it into the listener's queue, as a handshake over loopback does;
// if that queue is full, the first one waits for its turn. Closing one end ends the stream for the other, or breaks it
// when something was left unread: with ECONNRESET, EPIPE and SIGPIPE as tcp(7) and unix(7) have them.
#pragma once

#include "loader/files/socket.hpp"

namespace trapline {

class StreamSocket final : public Socket {
  public:
    using Socket::Socket;
    ~StreamSocket() override;
    static void pair(Io& io, StreamSocket& a, StreamSocket& b);

    long connect(Io& io, const SocketAddress& address) override;
    long listen(Io& io, int backlog) override;
    OrErrno<std::shared_ptr<Socket>> accept(Io& io, int status_flags) override;
    long shutdown(Io& io, int how) override;
    long send(Io& io, IoBuffer& from, Message& message, int flags) override;
    long receive(Io& io, IoBuffer& to, Message& message, int flags) override;
    [[nodiscard]] OrErrno<SocketAddress> peer_address() const override;
    [[nodiscard]] bool listening() const override { return state_ == State::listening; }
    void discard() override;
    short poll(Io& io) override;
    long available(Io& io) override;

  private:
    enum class State : std::uint8_t {
        fresh,
        listening,
        waiting,   ///< for its turn in a listener's queue
        connected, ///< until it is closed, whatever the other end does
        refused,   ///< connecting failed, and the next call will say so
    };
    long start_connecting(Io& io, StreamSocket& listener);
    OrErrno<StreamSocket*> find_listener(Io& io, const SocketAddress& address);
    void establish(StreamSocket& listener);
    void connect_waiting();
    void stop_listening();
    void peer_closed(bool unread, bool orderly);
    [[nodiscard]] std::size_t capacity() const;
    [[nodiscard]] std::size_t unread() const { return peer_ != nullptr ? peer_->queued_ : 0; }
    [[nodiscard]] bool roomy() const;
    [[nodiscard]] bool keeps_records() const;
    [[nodiscard]] bool takes(std::size_t bytes) const;
    long broken();
    long receive_record(IoBuffer& to, Message& message, bool peek, bool whole);
    long receive_stream(IoBuffer& to, Message& message, bool peek, bool drop);
    void has_read(bool was_roomy);

    State state_ = State::fresh;
    bool told_ = true;          ///< the program knows that it is connected
    bool end_received_ = false; ///< nothing more will come
    bool end_sent_ = false;     ///< nothing more may be sent
    StreamSocket* peer_ = nullptr;
    SocketAddress peer_name_;
    std::deque<Packet> queue_; ///< to be received here
    std::size_t queued_ = 0;

    // A listener's.
    std::size_t backlog_ = 0;
    std::deque<std::shared_ptr<StreamSocket>> pending_; ///< connected, not yet accepted
    std::deque<StreamSocket*> waiting_;
    std::optional<Credentials> listener_credentials_;
    StreamSocket* listener_ = nullptr; ///< whom this waits for
};

} // namespace trapline
