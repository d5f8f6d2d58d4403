// loader/syscalls/file_support.hpp: what the system calls on files have in common, and the parts their families are
// made of.
#pragma once

#include "loader/files/file_table.hpp"
#include "loader/files/place.hpp"
#include "loader/syscalls/call.hpp"

#include <fcntl.h>

namespace trapline {

inline Io io_of(Call& c) { return {c.system, c.kernel, c.task}; }
inline FileTable& files_of(Call& c) { return files_of(c.process()); }
/// RLIMIT_NOFILE of the caller.
std::uint64_t descriptor_limit(Call& c);
/// The path at a guest address: -EFAULT, -ENAMETOOLONG.
OrErrno<std::string> path_at(Call& c, Addr address);
/// Reads the path and finds its place.
OrErrno<Place> place_at(Call& c, int fd, Addr path, LastLink last);

/// When a call that waits for the file gives up with EAGAIN: virtual cycles, ~0 for never.
Cycles give_up_at(Call& c, const File& file, bool writing);
/// SIGPIPE to the caller.
void send_broken_pipe(Call& c);
/// Reads once, waiting if the file makes its readers wait. `at` is the position that is used and advanced.
Path<long> read_file(Call& c, std::shared_ptr<File> file, IoBuffer& to, std::uint64_t& at);
/// Writes all of `from`, waiting where needed; sends SIGPIPE with EPIPE.
Path<long> write_file(Call& c, std::shared_ptr<File> file, GuestBuffer from, std::uint64_t& at);
Path<long> write_file(Call& c, std::shared_ptr<File> file, HostBuffer from, std::uint64_t& at);

/// fcntl's F_GETLK and F_SETLK with their relatives (locks.cpp).
long get_record_lock(Call& c);
Path<long> set_record_lock(Call& c);

/// A position that a call names by pointer, or the file's own where the pointer is null.
struct Offset {
    Addr address;
    std::uint64_t value = 0;
    long load(Call& c, const File& file);
    long store(Call& c, File& file) const;
};
/// The description for reading or writing, or a negative errno.
OrErrno<std::shared_ptr<File>> opened_for(Call& c, int fd, bool write);
/// From one description to another through a buffer of ours: bytes moved, or a negative errno.
Path<long> copy_bytes(Call& c, std::shared_ptr<File> in, std::uint64_t& in_at, std::shared_ptr<File> out,
                      std::uint64_t& out_at, std::uint64_t count);

// The parts of file_calls() and io_calls().
std::span<const SyscallInfo> open_calls();
std::span<const SyscallInfo> descriptor_calls();
std::span<const SyscallInfo> lock_calls();
std::span<const SyscallInfo> directory_calls();
std::span<const SyscallInfo> attribute_calls();
std::span<const SyscallInfo> status_calls();
std::span<const SyscallInfo> message_queue_calls();
std::span<const SyscallInfo> splice_calls();
std::span<const SyscallInfo> transfer_calls();
std::span<const SyscallInfo> channel_calls();
std::span<const SyscallInfo> poll_calls();
std::span<const SyscallInfo> epoll_calls();
std::span<const SyscallInfo> event_file_calls();
std::span<const SyscallInfo> ioctl_calls();
std::span<const SyscallInfo> socket_calls();
std::span<const SyscallInfo> socket_message_calls();
std::span<const SyscallInfo> socket_option_calls();

} // namespace trapline
