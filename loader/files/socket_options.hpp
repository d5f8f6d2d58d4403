// loader/files/socket_options.hpp: what setsockopt keeps and getsockopt shows.
//
// Most options of real sockets tell a network what to do that is not there; they are kept and shown, with the defaults
// that Linux has, because programs set them and check. A few matter here: buffer sizes, timeouts, reuse of addresses,
// credentials. What a socket is (SO_TYPE, SO_ERROR ...) is answered by syscalls/socket_option.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

namespace trapline {

struct SocketOption {
    int level, name;
    int initial;
    int least, most; ///< setsockopt: -EINVAL outside
    bool flag;       ///< any value but 0 is kept as 1
};

class SocketOptions {
  public:
    /// The option as the table has it; nullptr: there is no such option.
    static const SocketOption* find(int domain, int protocol, int level, int name);
    [[nodiscard]] int get(int level, int name) const;
    void set(const SocketOption& option, int value);
    [[nodiscard]] bool reuse_address() const;
    [[nodiscard]] bool reuse_port() const;
    [[nodiscard]] bool pass_credentials() const;
    [[nodiscard]] bool v6_only() const;

    std::uint64_t receive_timeout = 0, send_timeout = 0; ///< nanoseconds, 0: for ever
    int linger_on = 0, linger_seconds = 0;
    int send_bytes = 0, receive_bytes = 0; ///< SO_SNDBUF and SO_RCVBUF as they are shown
    bool send_bytes_set = false;           ///< by the program: then it is the limit

  private:
    std::map<std::pair<int, int>, int> changed_;
};

} // namespace trapline
