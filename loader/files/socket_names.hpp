// loader/files/socket_names.hpp: which socket has which name: ports of the loopback, abstract names, paths.
//
// One for each machine (SharedFiles). Ports and names that are not asked for are handed out by counting, so that they
// are the same on every run. A path's socket is known by the file that bind made, whatever that is called later.
#pragma once

#include "loader/file_view.hpp"
#include "loader/files/socket_address.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace trapline {

class Socket;

class SocketNames {
  public:
    // All sockets that are open.
    void enter(Socket& s) { all_.insert(&s); }
    /// The socket is gone, and so are its names.
    void forget(Socket& s);
    /// The machine ends: what is on its way to any socket goes.
    void discard_all();

    // UNIX.
    /// -EADDRINUSE when the name is taken.
    long bind_abstract(const std::string& name, Socket& s);
    /// A name of five digits that nobody has (unix(7), "Autobind feature").
    std::string free_abstract();
    void bind_file(const FileKey& file, Socket& s) { files_[file] = &s; }
    [[nodiscard]] Socket* abstract(const std::string& name) const;
    [[nodiscard]] Socket* file(const FileKey& file) const;

    // Internet. Port 0 is replaced by a free one.
    /// -EADDRINUSE.
    long bind_port(Socket& s, InternetAddress& address);
    /// A connection that was accepted shares its listener's port.
    void share_port(Socket& s, const InternetAddress& address);
    /// Whether the socket, which is bound, may listen: nobody else does at its address.
    [[nodiscard]] bool may_listen(const Socket& s) const;
    /// Who listens at an address: rather at just this one than at any.
    [[nodiscard]] Socket* listener(const InternetAddress& to) const;
    /// Those who may receive datagrams for an address: rather at just this one than at any.
    [[nodiscard]] std::vector<Socket*> receivers(const InternetAddress& to) const;

  private:
    struct Holder {
        Socket* socket;
        InternetAddress address;
    };
    using Ports = std::map<std::uint16_t, std::vector<Holder>>;
    Ports& ports_of(const Socket& s);
    [[nodiscard]] bool conflicts(const Socket& s, const InternetAddress& address, const Holder& other) const;
    static bool covers(const Holder& h, const InternetAddress& to);

    std::set<Socket*> all_; // for discarding: the order does not show
    std::map<std::string, Socket*> abstract_;
    std::map<FileKey, Socket*> files_;
    Ports tcp_, udp_;
    unsigned last_name_ = 0;
    std::uint16_t last_port_ = 0;
};

} // namespace trapline
