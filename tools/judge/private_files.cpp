#include "tools/judge/private_files.hpp"

#include "tools/judge/descriptor.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

namespace trapline::judge {
namespace {

namespace fs = std::filesystem;

/// Any folder that every machine has will do: the tmpfs is there only while the copies are made.
constexpr const char* kWorkshop = "/proc";

tl::unexpected<Error> failed(const std::string& what, int code = 0) {
    return tl::make_unexpected(Error{fmt::format("{}: {}", what, std::strerror(errno)), {}, {}, 0, code});
}

/// The host path of what is at `path` below `root`, links followed as the program would. Empty: nothing.
std::string host_path(const std::string& root, const std::string& path) {
    const Descriptor top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const Descriptor file(static_cast<int>(::syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof how)));
    if (!file) return {};
    std::error_code missing;
    return fs::read_symlink(fmt::format("/proc/self/fd/{}", file.get()), missing).string();
}

/// Copies a file, or a folder with all that is in it, with owner and rights.
bool copy(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
    if (error) {
        errno = error.value();
        return false;
    }
    struct stat st {};
    if (::stat(from.c_str(), &st) != 0 || ::chown(to.c_str(), st.st_uid, st.st_gid) != 0) return false;
    return ::chmod(to.c_str(), st.st_mode & 07777) == 0;
}

/// Of /proc: nobody executes such a file, and a copy would be another kind of file.
bool is_of_proc(const std::string& path) {
    struct statfs fs {};
    return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

bool bind(const std::string& from, const std::string& to) {
    return ::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

/// The root folder and everything mounted below it becomes read-only, in this namespace.
bool make_read_only(const std::string& root) {
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    return ::syscall(SYS_mount_setattr, AT_FDCWD, root.c_str(), AT_RECURSIVE, &attr, sizeof attr) == 0;
}

} // namespace

Result<std::map<std::string, std::string>> make_files_private(const LiveRequest& request) {
    if (::unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0) return failed("a mount namespace", kUnavailable);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return failed("private mounts", kUnavailable);
    // A root folder of one's own has to be a mount, or it could not be made read-only.
    if (request.root != "/" &&
        ::mount(request.root.c_str(), request.root.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        return failed(request.root);

    // Every name is looked up before anything is mounted over it.
    std::map<std::string, std::string> probed; // as the program sees it, and on the host
    for (const LiveProbe& p : request.probes)
        if (std::string path = host_path(request.root, p.path); !path.empty()) probed[p.path] = std::move(path);
    std::vector<std::string> writable;
    for (const std::string& folder : request.write_directories) {
        writable.push_back(host_path("/", folder));
        if (writable.back().empty()) return failed(folder);
    }
    if (::mount("trapline", kWorkshop, "tmpfs", 0, nullptr) != 0) return failed("a tmpfs", kUnavailable);
    if (!make_read_only(request.root)) return failed("a read-only root folder", kUnavailable);
    // That caught the tmpfs, too, if it is below the root folder.
    mount_attr attr{};
    attr.attr_clr = MOUNT_ATTR_RDONLY;
    ::syscall(SYS_mount_setattr, AT_FDCWD, kWorkshop, 0, &attr, sizeof attr);

    int number = 0;
    const auto replace = [&](const std::string& path) {
        const std::string mine = fmt::format("{}/{}", kWorkshop, number++);
        return copy(path, mine) && bind(mine, path);
    };
    std::map<std::string, bool> done;
    for (const auto& [seen, path] : probed)
        if (!std::exchange(done[path], true) && fs::is_regular_file(path) && !is_of_proc(path) && !replace(path))
            return failed(path);
    for (const std::string& folder : writable)
        if (!replace(folder)) return failed(folder);
    ::umount2(kWorkshop, MNT_DETACH); // what is bound elsewhere stays
    return probed;
}

Result<void> enter_root(const LiveRequest& request) {
    if (::chdir(request.root.c_str()) != 0 || ::chroot(".") != 0) return failed(request.root);
    if (::chdir(request.working_directory.c_str()) != 0) return failed(request.working_directory);
    return {};
}

} // namespace trapline::judge
