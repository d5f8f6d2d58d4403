// loader/sandbox.hpp: the files of the host as the guest sees them.
//
// The guest's `/` is one directory of the host (--root) and may be read; only below the directories of --write may
// anything change. Every operation takes two steps. resolve() turns the guest's path into one without links
// (loader/resolve.hpp). The operation then has the kernel look that path up once more, for a change relative to a
// descriptor of the write directory, with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: what was checked and what is used is
// one lookup, so `..`, links, renames and /proc are no way around. Paths are guest paths; flags and modes are Linux's
// x86-64 values; errors are negative errnos: EROFS where writing is not allowed, EACCES for device nodes and FIFOs
// of the host, ENXIO for its sockets (none is opened, so nothing hangs), ENOENT for its kernel file systems.
//
// Hard links: the guest may not link a file into a write directory from outside (EXDEV), and may not change a file
// there that has further names which the guest did not make (EROFS): they may lie outside. Set-user-ID bits are never
// set. Paths below /proc, /dev and /sys come back `modelled`: the emulator answers for them and does not ask here.
#pragma once

#include "emu/result.hpp"
#include "loader/file_view.hpp"
#include "loader/host_fd.hpp"
#include "loader/resolve.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

/// A file that the guest has opened.
struct OpenedFile {
    HostFd fd;
    std::string path;        ///< guest path without links, at the time of opening
    FileKey key;             ///< for changed() after each write
    bool changeable = false; ///< lies below a write directory
};

/// One name in a directory.
struct DirectoryEntry {
    std::string name;
    std::uint64_t inode = 0; ///< as FileView says
    std::uint8_t type = 0;   ///< DT_*
};

/// A time to set: the machine's now, left as it is, or a given one.
struct NewTime {
    enum class What { now, keep, given } what = What::now;
    timespec time{};
};

struct NewTimes {
    NewTime accessed, modified;
};

class Sandbox {
  public:
    /// `root` and `write_directories` are directories of the host, the latter below the root; `now` is the virtual time
    /// of day. An Error names a directory that is missing or outside, and a host without openat2 (Linux 5.6).
    static Result<Sandbox> create(const std::string& root, const std::vector<std::string>& write_directories,
                                  FileViews::Clock now);

    /// The first step of everything below; see Resolver::resolve.
    OrErrno<Resolved> resolve(std::string_view base, std::string_view path, LastLink last);

    /// open(2). Resolve with LastLink::keep for O_NOFOLLOW or O_CREAT|O_EXCL. The mode has the guest's umask applied.
    /// Directories open for reading only. O_PATH, O_TMPFILE, O_TRUNC, O_APPEND are as in Linux.
    OrErrno<OpenedFile> open(const Resolved& where, int flags, mode_t mode);
    /// stat, lstat (by LastLink) and fstat.
    OrErrno<FileView> stat(const Resolved& where);
    OrErrno<FileView> stat(int fd);
    OrErrno<std::string> read_link(const Resolved& where);
    /// All names of an open directory: `.` and `..`, then sorted by bytes, unless `host_order`.
    OrErrno<std::vector<DirectoryEntry>> list(const OpenedFile& directory);
    /// access(2) for the user that trapline runs as; W_OK outside the write directories is -EROFS. 0 or a negative
    /// errno.
    int access(const Resolved& where, int mode);

    // Changes: 0 or a negative errno. Names are resolved with LastLink::entry, files with follow or keep.
    int make_directory(const Resolved& where, mode_t mode);
    /// mknod of a FIFO or a socket, which on the host is a name that nobody uses. Which file it is, or a negative
    /// errno.
    OrErrno<FileKey> make_special(const Resolved& where, mode_t type_and_mode);
    int unlink(const Resolved& where);
    int remove_directory(const Resolved& where);
    /// renameat2 with RENAME_NOREPLACE or RENAME_EXCHANGE. Paths that the caller remembers below `from` are stale then.
    int rename(const Resolved& from, const Resolved& to, unsigned flags);
    int make_link(std::string_view target, const Resolved& where);
    int make_hard_link(const Resolved& file, const Resolved& where);
    int change_mode(const Resolved& where, mode_t mode);
    int change_mode(const OpenedFile& file, mode_t mode);
    int truncate(const Resolved& where, std::uint64_t size);
    /// Sets the modification time, also of a link itself. Access times are not kept.
    int set_times(const Resolved& where, const NewTimes& times);
    int set_times(const OpenedFile& file, const NewTimes& times);

    /// To be called after each write to or ftruncate of an opened file: its time is virtual from then on.
    void changed(const OpenedFile& file) { views_.changed(file.key); }
    /// Whether the guest may change what has this path (without links).
    [[nodiscard]] bool writable(std::string_view path) const { return write_place(path).has_value(); }

    /// List directories as the host does: for whoever compares with a run on the host. It may differ elsewhere.
    bool host_order = false;

  private:
    struct WriteDirectory {
        std::string path; // guest path without links
        HostFd fd;
    };
    struct WritePlace {
        int fd;
        std::string below; // relative to fd, "." for the directory itself
    };

    Sandbox(HostFd root, FileViews::Clock now) : resolver_(std::move(root)), views_(std::move(now)) {}

    [[nodiscard]] std::optional<WritePlace> write_place(std::string_view path) const;
    OrErrno<HostFd> open_checked(const Resolved& where, std::uint64_t flags, bool write);
    OrErrno<OpenedFile> create_file(const Resolved& where, int flags, mode_t mode);
    OrErrno<OpenedFile> create_unnamed(const Resolved& where, int flags, mode_t mode);
    OrErrno<OpenedFile> finish_open(HostFd fd, const Resolved& where);
    OrErrno<HostFd> open_parent(const Resolved& where);
    int refuse_change(const Resolved& where) const;
    int refuse_change(const OpenedFile& file, struct stat& st) const;
    int refuse_shared(const struct stat& st) const;
    void changed_directory(int fd);
    static int set_mode(int fd, const struct stat& st, mode_t mode);
    int put_times(int fd, const FileKey& key, const NewTimes& times);

    Resolver resolver_;
    FileViews views_;
    std::vector<WriteDirectory> write_directories_;
    std::set<FileKey> own_links_; // files all of whose names the guest made in this run
};

} // namespace trapline
