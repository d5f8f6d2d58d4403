// loader/files/file.hpp: an open file description, what Linux calls struct file.
//
// Descriptors that dup and fork made share one description with its position and status flags. Each kind of file is a
// class of its own: host files and directories (host_file.hpp), standard streams (stream.hpp), pipes (pipe.hpp),
// eventfd, epoll, memory (memory_file.hpp), and what the models of /proc and /dev open (loader/proc/). Nothing here
// sleeps: an attempt that cannot go on returns -EAGAIN, and the system call decides whether to wait for the file's
// Readiness. Read next: readiness.hpp, file_table.hpp.
#pragma once

#include "loader/file_view.hpp"
#include "loader/files/io_buffer.hpp"
#include "loader/files/readiness.hpp"
#include "loader/sandbox.hpp"

#include <memory>
#include <string>
#include <vector>

namespace trapline {

class FileTable;
class LockHolder;
class System;
struct Task;

/// On whose behalf a file is used.
struct Io {
    System& system;
    Kernel& kernel;
    Task& task;
};

/// What stat shows.
struct FileStat {
    FileView view;
    std::uint64_t device = FileView::device;
    std::uint64_t special = 0; ///< st_rdev
};

class File {
  public:
    explicit File(int status_flags);
    virtual ~File();
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int flags; ///< access mode and status flags as F_GETFL shows them
    std::uint64_t position = 0;

    [[nodiscard]] bool readable() const;
    [[nodiscard]] bool writable() const;
    [[nodiscard]] bool is_path() const; ///< O_PATH: names a file, and that is all

    /// Moves bytes from the file at `at` (advanced; meaningless to streams) to `to`. Bytes moved, 0 at the end, or a
    /// negative errno; -EAGAIN: nothing there yet.
    virtual long read(Io& io, IoBuffer& to, std::uint64_t& at);
    /// The other way. -EAGAIN: no room. -EPIPE: the caller sends SIGPIPE.
    virtual long write(Io& io, IoBuffer& from, std::uint64_t& at);
    /// Whether a write that waits goes on until everything is written, as to a pipe.
    [[nodiscard]] virtual bool writes_all() const { return false; }
    /// Whether EPIPE comes with SIGPIPE.
    [[nodiscard]] virtual bool signals_broken_pipe() const { return true; }
    /// Nanoseconds that a read or write waits before it gives up with EAGAIN, 0: for ever.
    [[nodiscard]] virtual std::uint64_t patience(bool writing) const;
    /// POLL* bits that hold now.
    virtual short poll(Io& io);
    /// A process has closed a descriptor of it, maybe not the last one.
    virtual void flush(const FileTable& of) { (void)of; }
    /// What becomes ready; nullptr: always is.
    virtual Readiness* readiness() { return nullptr; }
    /// Makes `poller` hear of changes.
    virtual void watch(Poller& poller);

    virtual OrErrno<FileStat> stat(Io& io) = 0;
    [[nodiscard]] virtual bool seekable() const { return false; }
    /// For SEEK_END, SEEK_DATA, SEEK_HOLE.
    virtual OrErrno<std::uint64_t> size(Io& io);
    /// lseek: the new position or a negative errno.
    virtual long seek(Io& io, std::int64_t offset, int whence);
    virtual long truncate(Io& io, std::uint64_t bytes);
    /// What a mapping of the file shows; a null inode means fresh zeroes (/dev/zero). -ENODEV: cannot be mapped.
    virtual OrErrno<std::shared_ptr<Inode>> inode(Io& io);
    virtual OrErrno<std::vector<DirectoryEntry>> list(Io& io);
    /// A new description of the same thing, as opening /proc/self/fd/N gives.
    virtual OrErrno<std::shared_ptr<File>> reopen(Io& io, int new_flags);

    /// Guest path of a directory, nullptr for everything else.
    [[nodiscard]] virtual std::string* directory() { return nullptr; }
    /// What /proc/self/fd/N points to.
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual bool is_terminal() const { return false; }
    /// FIONREAD: bytes that a read would find now; -1: the file does not say; or a negative errno.
    [[nodiscard]] virtual long available(Io& io);
    /// The file of the sandbox behind it, if any.
    [[nodiscard]] virtual OpenedFile* opened() { return nullptr; }

    /// Its OFD locks and flock's; they end with it. Null until there is one.
    std::unique_ptr<LockHolder> locks;
    /// The listing that getdents64 is going through; made anew at position 0.
    std::vector<DirectoryEntry> entries;
};

/// A description that is served from a stat alone: anonymous inodes.
FileStat plain_stat(std::uint64_t number, std::uint32_t mode, Kernel& kernel);
/// The machine's time of day now.
timespec time_of_day(const Kernel& kernel);

} // namespace trapline
