// loader/resolve.hpp: from a path that the guest names to the file it means.
//
// A path is walked as the kernel walks it: `..` stops at the guest's root, absolute links start there again, forty
// links are the limit. Two places are left to others: what lies below /proc, /dev and /sys is made by the emulator (the
// walk stops there and returns the rest of the path), and files of the host's own /proc, /sys and the like are not
// there at all, wherever they are mounted. The result is a path without links, so that whoever uses it can have the
// kernel refuse any link (RESOLVE_NO_SYMLINKS): if the host changed something meanwhile, the use fails instead of going
// elsewhere.
#pragma once

#include "loader/host_fd.hpp"

#include <map>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace trapline {

/// What happens to a link that is the last component.
enum class LastLink {
    follow, ///< as open and stat do
    keep,   ///< as lstat does: but a slash behind it follows
    entry   ///< as unlink and rename do: never followed, they are about the name
};

/// How the last component of the path was spelled: unlink, rmdir and rename refuse the special ones.
enum class LastName { plain, dot, dot_dot, root };

/// Where a guest path leads. Move-only: it holds the file open (O_PATH) so that it cannot be replaced by another inode.
struct Resolved {
    std::string path;      ///< absolute guest path without links; of a modelled place as far as it was walked
    bool modelled = false; ///< below /proc, /dev or /sys: ask the emulator, nothing else here is set
    LastName last = LastName::plain;
    bool must_be_directory = false; ///< the path ended in a slash
    HostFd handle;                  ///< O_PATH; empty when the last component does not exist
    struct stat st {};              ///< valid with a handle

    [[nodiscard]] bool exists() const { return static_cast<bool>(handle); }
    [[nodiscard]] std::string parent() const;
    [[nodiscard]] std::string name() const;
};

/// Walks paths below one directory of the host, the guest's root.
class Resolver {
  public:
    explicit Resolver(HostFd root) : root_(std::move(root)) {}

    /// Resolves `path`, relative to `base` (an absolute guest path without links) unless it is absolute. A last
    /// component that is missing is no error; -ENOENT for the host's kernel file systems, else what the walk met. The
    /// rest of a modelled path is returned as it was written, `..` included, because only the emulator knows its links.
    OrErrno<Resolved> resolve(std::string_view base, std::string_view path, LastLink last);

    /// Whether an open file belongs to a file system that shows the host's kernel instead of files (procfs, sysfs ...).
    bool shows_host_kernel(int fd, const struct stat& st);

    [[nodiscard]] int root() const { return root_.get(); }

  private:
    OrErrno<bool> look(const std::string& path, Resolved& out);
    bool resolve_at_once(std::string_view base, std::string_view path, LastLink last, Resolved& out);

    HostFd root_;
    std::map<dev_t, bool> kernel_devices_; // verdicts by device: one fstatfs for each
};

/// `dir` + `/` + `name` for absolute guest paths.
std::string join_path(std::string_view directory, std::string_view name);

} // namespace trapline
