// tools/debug/connection.hpp: packets of gdb's remote protocol over a pair of descriptors.
//
// A packet is `$data#checksum`; each side answers + or - until they have agreed not to (QStartNoAckMode). What is
// special in data is escaped here, in both directions. A single byte 3 between packets is Ctrl-C. (gdb's manual,
// "Remote Protocol".) Read next: tools/debug/server.hpp.
#pragma once

#include "emu/result.hpp"
#include "loader/host_fd.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace trapline {

class Connection {
  public:
    /// Talks over these; they are not closed.
    Connection(int in, int out) : in_(in), out_(out) {}
    /// Waits for a gdb on this port of the local host, and no other; 0 takes a free one, which is said on standard
    /// error.
    static Result<Connection> accept(std::uint16_t port);

    /// The next packet; nothing when the other side is gone.
    std::optional<std::string> receive();
    void send(std::string_view data);
    /// True when Ctrl-C has arrived meanwhile. Never waits.
    bool interrupted();
    /// From now on nobody acknowledges.
    void without_acknowledgements() { acknowledge_ = false; }
    [[nodiscard]] bool closed() const { return closed_; }

  private:
    bool fill(bool wait);
    std::optional<char> next();

    HostFd socket_; // what accept() made
    int in_, out_;
    std::string buffer_;
    std::string last_; // sent, in case it has to be repeated
    bool acknowledge_ = true, closed_ = false, interrupt_ = false;
};

/// Two hex digits for each byte, and back. An odd or wrong digit ends the result.
[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::string from_hex(std::string_view hex);
/// The number of hex digits at the start of `text`, which are taken away.
[[nodiscard]] std::optional<std::uint64_t> take_hex(std::string_view& text);

} // namespace trapline
