// loader/syscalls/socket_support.hpp: what the system calls on sockets have in common.
#pragma once

#include "loader/files/socket.hpp"
#include "loader/syscalls/file_support.hpp"

namespace trapline {

/// -EBADF, -ENOTSOCK.
OrErrno<std::shared_ptr<Socket>> socket_at(Call& c, int fd);
/// The address that a call was given: -EINVAL for a length that none has, -EFAULT.
OrErrno<SocketAddress> read_address(Call& c, Addr from, std::uint64_t bytes);
/// Writes as much of an address as there is room for, and how long it is. A null pointer: nobody asked.
long write_address(Call& c, const SocketAddress& address, Addr to, Addr length);

} // namespace trapline
