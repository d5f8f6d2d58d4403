// loader/files/socket.hpp: sockets between the processes of the guest.
//
// No socket ever touches the host: what one process sends, another one of the same machine receives. UNIX sockets and
// the Internet protocols on the loopback interface are there (unix(7), tcp(7), udp(7)); every other destination is a
// network without a route. Bytes arrive the moment they are sent, in order, and nothing is lost, so that a run stays
// the same. As everywhere in files/, nothing here sleeps: -EAGAIN says that the caller may wait for `readiness`.
//
// Two kinds do the work: StreamSocket (socket_stream.hpp: connections) and DatagramSocket (socket_datagram.hpp). Who is
// bound to which name is known to SocketNames (socket_names.hpp). Read next: socket_stream.hpp, syscalls/socket.cpp.
#pragma once

#include "loader/files/file.hpp"
#include "loader/files/socket_address.hpp"
#include "loader/files/socket_options.hpp"

#include <deque>
#include <optional>

namespace trapline {

class SocketNames;

/// struct ucred.
struct Credentials {
    std::int32_t pid = 0;
    std::uint32_t uid = 0, gid = 0;
    bool operator==(const Credentials&) const = default;
};

/// What sendmsg and recvmsg carry beside the bytes.
struct Message {
    SocketAddress address;                     ///< to whom, or from whom; empty: the peer
    std::vector<std::shared_ptr<File>> rights; ///< SCM_RIGHTS
    std::optional<Credentials> sender;         ///< SCM_CREDENTIALS, or what the kernel fills in
    int flags = 0;                             ///< of a received message: MSG_TRUNC, MSG_EOR
};

/// Bytes on their way.
struct Packet {
    std::vector<std::uint8_t> bytes;
    std::size_t taken = 0; ///< by reads of a stream
    SocketAddress from;
    std::vector<std::shared_ptr<File>> rights;
    Credentials sender;
    [[nodiscard]] std::size_t left() const { return bytes.size() - taken; }
};

class Socket : public File, public std::enable_shared_from_this<Socket> {
  public:
    struct Kind {
        int domain = 0, type = 0, protocol = 0; ///< AF_*, SOCK_*, IPPROTO_*
    };
    Socket(Kernel& kernel, std::shared_ptr<SocketNames> names, Kind kind, int status_flags, std::uint64_t inode);
    ~Socket() override;

    // The calls, by their names: 0, a value, or a negative errno.
    /// -EINVAL when it has a name already, -EADDRINUSE, -EADDRNOTAVAIL, or what making a file says.
    long bind(Io& io, const SocketAddress& address);
    /// -EINPROGRESS, -EALREADY: it goes on by itself; whoever may wait does so and asks again.
    virtual long connect(Io& io, const SocketAddress& address) = 0;
    virtual long listen(Io& io, int backlog);
    virtual OrErrno<std::shared_ptr<Socket>> accept(Io& io, int status_flags);
    virtual long shutdown(Io& io, int how) = 0;
    /// `flags` are MSG_*; those about waiting are the caller's business.
    virtual long send(Io& io, IoBuffer& from, Message& message, int flags) = 0;
    virtual long receive(Io& io, IoBuffer& to, Message& message, int flags) = 0;
    [[nodiscard]] SocketAddress own_address() const;
    [[nodiscard]] virtual OrErrno<SocketAddress> peer_address() const = 0;
    [[nodiscard]] virtual bool listening() const { return false; }
    [[nodiscard]] const std::optional<Credentials>& peer_credentials() const { return peer_credentials_; }
    /// Whatever waits to be received goes: files that are on their way may hold each other.
    virtual void discard() = 0;

    [[nodiscard]] bool is_unix() const;
    [[nodiscard]] bool is_stream() const;
    /// SO_ERROR: the error that has happened since somebody asked last, 0 for none.
    int take_error() { return std::exchange(error_, 0); }
    /// Where it is bound to: the name of a UNIX socket (empty: none), and the address of an Internet socket.
    [[nodiscard]] const std::string& unix_name() const { return unix_name_; }
    [[nodiscard]] const InternetAddress& local() const { return local_; }

    const Kind kind;
    SocketOptions options;

    long read(Io& io, IoBuffer& to, std::uint64_t& at) override;
    long write(Io& io, IoBuffer& from, std::uint64_t& at) override;
    [[nodiscard]] bool writes_all() const override { return is_stream(); }
    [[nodiscard]] bool signals_broken_pipe() const override { return is_stream(); }
    [[nodiscard]] std::uint64_t patience(bool writing) const override;
    Readiness* readiness() override { return &readiness_; }
    OrErrno<FileStat> stat(Io& io) override;
    std::string name() const override;

  protected:
    void changed() { readiness_.changed(kernel_); }
    [[nodiscard]] Kernel& kernel() const { return kernel_; }
    [[nodiscard]] const std::shared_ptr<SocketNames>& names() const { return names_; }
    /// An Internet socket that has no port yet gets one: 0 or -EAGAIN.
    long bind_port();
    /// The same for one that is about to talk to `to`, and now it has a host, too.
    long bind_source(const InternetAddress& to);
    /// A destination as it is meant: nowhere in particular is this machine. -ENETUNREACH for everything off loopback.
    OrErrno<InternetAddress> destination(const SocketAddress& address) const;
    /// The socket that has this name: -ECONNREFUSED, or what the path says.
    static OrErrno<Socket*> find_unix(Io& io, const SocketNames& names, const std::string& name);
    static Credentials credentials_of(const Io& io);

    int error_ = 0; ///< positive errno
    std::string unix_name_;
    InternetAddress local_;
    std::optional<Credentials> peer_credentials_;
    std::uint64_t number_; ///< inode

  private:
    long bind_unix(Io& io, const SocketAddress& address);
    Kernel& kernel_;
    const std::shared_ptr<SocketNames> names_;
    Readiness readiness_;
};

/// A socket as socket(2) makes it: -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EPERM for raw ones, -EINVAL.
OrErrno<std::shared_ptr<Socket>> make_socket(Io& io, Socket::Kind kind, int status_flags);
/// Connects two fresh sockets of AF_UNIX, as socketpair(2) does.
void make_pair(Io& io, Socket& a, Socket& b);

} // namespace trapline
