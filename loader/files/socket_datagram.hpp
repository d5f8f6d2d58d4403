// loader/files/socket_datagram.hpp: sockets without connections: UDP, and UNIX datagrams.
//
// A datagram goes into the queue of the socket that is bound to its destination. UNIX datagrams wait until there is
// room there (unix(7)); UDP ones that find no room are dropped, and those that find nobody are reported to a connected
// sender as ECONNREFUSED by its next call (udp(7)).
#pragma once

#include "loader/files/socket.hpp"

namespace trapline {

class DatagramSocket final : public Socket {
  public:
    using Socket::Socket;
    ~DatagramSocket() override;
    static void pair(Io& io, DatagramSocket& a, DatagramSocket& b);

    long connect(Io& io, const SocketAddress& address) override;
    long shutdown(Io& io, int how) override;
    long send(Io& io, IoBuffer& from, Message& message, int flags) override;
    long receive(Io& io, IoBuffer& to, Message& message, int flags) override;
    [[nodiscard]] OrErrno<SocketAddress> peer_address() const override;
    void discard() override;
    short poll(Io& io) override;
    long available(Io& io) override;

  private:
    long send_unix(Io& io, IoBuffer& from, Message& message);
    long send_internet(IoBuffer& from, Message& message);
    OrErrno<Packet> make_packet(IoBuffer& from, std::size_t most);
    void deliver(Packet packet);
    [[nodiscard]] std::shared_ptr<DatagramSocket> self();
    [[nodiscard]] bool may_receive_from(const DatagramSocket* sender) const;
    [[nodiscard]] bool full_for(const DatagramSocket& sender) const;
    /// `sender` hears when there is room again.
    void keep_waiting(const std::shared_ptr<DatagramSocket>& sender);
    void wake_waiting();

    bool end_received_ = false, end_sent_ = false;
    std::optional<std::weak_ptr<DatagramSocket>> peer_; ///< UNIX: whom it is connected to
    std::optional<InternetAddress> remote_;             ///< Internet: the same
    std::string peer_name_;
    std::deque<Packet> queue_;
    std::size_t queued_ = 0;
    std::vector<std::weak_ptr<DatagramSocket>> senders_; ///< who wait for room here
};

} // namespace trapline
