#include "loader/resolve.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <vector>

namespace trapline {
namespace {

constexpr int kMaxLinks = 40; // MAXSYMLINKS
constexpr std::array<std::string_view, 3> kModelled = {"/dev", "/proc", "/sys"};

// Values of f_type that <linux/magic.h> lacks in Debian 12, from the kernel's own headers.
constexpr long kConfigfsMagic = 0x62656570;
constexpr long kMqueueMagic = 0x19800202;
constexpr long kFusectlMagic = 0x65735543;

bool is_kernel_file_system(long type) {
    static constexpr std::array<long, 21> types = {
        PROC_SUPER_MAGIC, SYSFS_MAGIC,    DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,       TRACEFS_MAGIC, SECURITYFS_MAGIC,
        SELINUX_MAGIC,    SMACK_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,  PSTOREFS_MAGIC,
        EFIVARFS_MAGIC,   BINFMTFS_MAGIC, NSFS_MAGIC,         SOCKFS_MAGIC,        PIPEFS_MAGIC,  RDTGROUP_SUPER_MAGIC,
        kConfigfsMagic,   kMqueueMagic,   kFusectlMagic};
    return std::find(types.begin(), types.end(), type) != types.end();
}

bool is_modelled(std::string_view path) {
    return std::find(kModelled.begin(), kModelled.end(), path) != kModelled.end();
}

/// The components of a path that are still to be walked, the next one last.
class Pending {
  public:
    /// Puts the components of `path` in front of the others; returns whether it ends in a slash.
    bool push(std::string_view path) {
        bool slash = !path.empty() && path.back() == '/';
        while (!path.empty()) {
            auto cut = path.find_last_of('/');
            std::string_view name = cut == path.npos ? path : path.substr(cut + 1);
            if (!name.empty()) names_.emplace_back(name);
            path = cut == path.npos ? std::string_view() : path.substr(0, cut);
        }
        return slash;
    }
    [[nodiscard]] bool empty() const { return names_.empty(); }
    [[nodiscard]] const std::string& next() const { return names_.back(); }
    std::string pop() {
        std::string name = std::move(names_.back());
        names_.pop_back();
        return name;
    }
    /// What is left, as a path that starts with a slash.
    [[nodiscard]] std::string rest() const {
        std::string out;
        for (auto it = names_.rbegin(); it != names_.rend(); ++it)
            if (*it != ".") out += "/" + *it;
        return out;
    }

  private:
    std::vector<std::string> names_;
};

OrErrno<std::string> link_target(int link) {
    std::string target(PATH_MAX, '\0');
    ssize_t length = ::readlinkat(link, "", target.data(), target.size());
    if (length < 0) return refuse(errno);
    if (length == 0) return refuse(ENOENT);
    if (length == PATH_MAX) return refuse(ENAMETOOLONG);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

} // namespace

std::string join_path(std::string_view directory, std::string_view name) {
    std::string out(directory);
    if (out.empty() || out.back() != '/') out += '/';
    return out += name;
}

std::string Resolved::parent() const {
    auto cut = path.find_last_of('/');
    return cut == 0 || cut == path.npos ? "/" : path.substr(0, cut);
}

std::string Resolved::name() const { return path.substr(path.find_last_of('/') + 1); }

bool Resolver::shows_host_kernel(int fd, const struct stat& st) {
    auto known = kernel_devices_.find(st.st_dev);
    if (known != kernel_devices_.end()) return known->second;
    struct statfs fs {};
    bool verdict = ::fstatfs(fd, &fs) != 0 || is_kernel_file_system(static_cast<long>(fs.f_type));
    kernel_devices_.emplace(st.st_dev, verdict);
    return verdict;
}

/// Opens a path without links, except perhaps the last component, as O_PATH; false when there is no such file.
OrErrno<bool> Resolver::look(const std::string& path, Resolved& out) {
    auto fd = open_below(root_.get(), path, O_PATH | O_NOFOLLOW, 0,
                         RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (!fd && fd.error() == -ENOENT) return false;
    if (!fd) return tl::make_unexpected(fd.error());
    if (::fstat(fd->get(), &out.st) != 0) return refuse(errno);
    if (shows_host_kernel(fd->get(), out.st)) return refuse(ENOENT);
    out.handle = std::move(*fd);
    return true;
}

/// Most paths have no links and no `..`: then one lookup by the kernel is the whole walk.
bool Resolver::resolve_at_once(std::string_view base, std::string_view path, LastLink last, Resolved& out) {
    Pending pending;
    out.must_be_directory = pending.push(path);
    if (path.front() != '/') pending.push(base);
    if (pending.empty()) return false;
    std::string whole;
    for (bool first = true; !pending.empty(); first = false) {
        std::string name = pending.pop();
        if (name == "." || name == "..") return false;
        whole += "/" + name;
        if (first && is_modelled(whole)) return false;
    }
    auto found = look(whole, out);
    if (!found || !*found) return false;
    bool link_to_follow = S_ISLNK(out.st.st_mode) && last == LastLink::follow;
    if (link_to_follow || (out.must_be_directory && !S_ISDIR(out.st.st_mode))) return false;
    out.path = std::move(whole);
    return true;
}

OrErrno<Resolved> Resolver::resolve(std::string_view base, std::string_view path, LastLink last) {
    if (path.empty() || path.find('\0') != path.npos) return refuse(ENOENT);
    if (path.size() >= PATH_MAX) return refuse(ENAMETOOLONG);
    Resolved out;
    if (resolve_at_once(base, path, last, out)) return out;
    out = Resolved();
    Pending pending;
    out.must_be_directory = pending.push(path);
    if (path.front() != '/')
        pending.push(base); // without links by contract, but it may be modelled, and `..` may leave it
    out.last = LastName::root;
    std::string at; // the directory reached, without links; empty at the root
    for (int links = 0; !pending.empty();) {
        std::string name = pending.pop();
        out.last = name == "." ? LastName::dot : name == ".." ? LastName::dot_dot : LastName::plain;
        if (name == ".") continue;
        if (name == "..") {
            at.resize(at.empty() ? 0 : at.find_last_of('/'));
            continue;
        }
        std::string here = at + "/" + name;
        if (is_modelled(here)) {
            if (!pending.empty() && pending.next() == "..") {
                out.last = LastName::dot_dot;
                pending.pop();
                continue;
            }
            out.path = here + pending.rest();
            out.modelled = true;
            return out;
        }
        out.handle = HostFd();
        auto found = look(here, out);
        if (!found) return tl::make_unexpected(found.error());
        if (!*found) {
            if (!pending.empty()) return refuse(ENOENT);
            out.path = here;
            return out;
        }
        bool follow = !pending.empty() || last == LastLink::follow || (last == LastLink::keep && out.must_be_directory);
        if (S_ISLNK(out.st.st_mode) && follow) {
            if (++links > kMaxLinks) return refuse(ELOOP);
            auto target = link_target(out.handle.get());
            if (!target) return tl::make_unexpected(target.error());
            if (target->front() == '/') at.clear();
            bool was_last = pending.empty();
            bool slash = pending.push(*target);
            if (was_last && slash) out.must_be_directory = true;
            continue;
        }
        if (!S_ISDIR(out.st.st_mode) && (!pending.empty() || out.must_be_directory)) return refuse(ENOTDIR);
        at = here;
        if (pending.empty()) {
            out.path = at;
            return out;
        }
    }
    // The walk ended by `.`, `..` or `/`: the handle at hand may be another directory's.
    out.path = at.empty() ? "/" : at;
    auto found = look(out.path, out);
    if (!found) return tl::make_unexpected(found.error());
    if (!*found) return refuse(ENOENT);
    return out;
}

} // namespace trapline
