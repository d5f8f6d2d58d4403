// The sandbox: its creation, and what only reads. Changes are in loader/sandbox_change.cpp.
#include "loader/sandbox.hpp"

#include <algorithm>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <memory>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::uint64_t kNoLinks = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/// The absolute name of a directory of the host.
Result<std::string> real_directory(const std::string& name, const char* option) {
    std::unique_ptr<char, decltype(&::free)> real(::realpath(name.c_str(), nullptr), &::free);
    struct stat st {};
    if (!real || ::stat(real.get(), &st) != 0) return fail(fmt::format("{} {}: {}", option, name, ::strerror(errno)));
    if (!S_ISDIR(st.st_mode)) return fail(fmt::format("{} {}: is not a directory", option, name));
    return std::string(real.get());
}

/// The part of a path below a directory, starting with a slash; empty for the directory itself.
std::optional<std::string> path_below(std::string_view path, std::string_view directory) {
    if (directory == "/") return path == "/" ? std::string() : std::string(path);
    if (path.substr(0, directory.size()) != directory) return std::nullopt;
    if (path.size() > directory.size() && path[directory.size()] != '/') return std::nullopt;
    return std::string(path.substr(directory.size()));
}

} // namespace

Result<Sandbox> Sandbox::create(const std::string& root, const std::vector<std::string>& write_directories,
                                FileViews::Clock now) {
    auto root_path = real_directory(root, "--root");
    if (!root_path) return tl::make_unexpected(root_path.error());
    auto root_fd = open_below(AT_FDCWD, *root_path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
    if (!root_fd && (root_fd.error() == -ENOSYS || root_fd.error() == -EPERM))
        return fail("this host has no openat2, without which files cannot be kept apart safely",
                    "Linux 5.6 or newer is needed; some container runtimes have to be told to allow it");
    if (!root_fd) return fail(fmt::format("--root {}: {}", root, ::strerror(-root_fd.error())));

    Sandbox sandbox(std::move(*root_fd), std::move(now));
    struct stat st {};
    if (::fstat(sandbox.resolver_.root(), &st) != 0 ||
        sandbox.resolver_.shows_host_kernel(sandbox.resolver_.root(), st))
        return fail(fmt::format("--root {}: is not on a file system of files", root));

    for (const std::string& name : write_directories) {
        auto path = real_directory(name, "--write");
        if (!path) return tl::make_unexpected(path.error());
        auto below = path_below(*path, *root_path);
        if (!below) return fail(fmt::format("--write {}: is not below the root {}", name, *root_path));
        auto where = sandbox.resolve("/", below->empty() ? "/" : *below, LastLink::keep);
        if (!where || where->modelled || !where->exists() || where->path != (below->empty() ? "/" : *below))
            return fail(fmt::format("--write {}: cannot be written to by the guest", name),
                        "directories below /proc, /dev and /sys are made by the emulator");
        sandbox.write_directories_.push_back({where->path, std::move(where->handle)});
    }
    // A directory inside another one says nothing new, and after a rename it would say something wrong.
    auto& all = sandbox.write_directories_;
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    for (auto outer = all.begin(); outer != all.end(); ++outer)
        all.erase(std::remove_if(outer + 1, all.end(), [&](const auto& d) { return path_below(d.path, outer->path); }),
                  all.end());
    return sandbox;
}

std::optional<Sandbox::WritePlace> Sandbox::write_place(std::string_view path) const {
    for (const WriteDirectory& d : write_directories_)
        if (auto below = path_below(path, d.path))
            return WritePlace{d.fd.get(), below->empty() ? "." : below->substr(1)};
    return std::nullopt;
}

OrErrno<Resolved> Sandbox::resolve(std::string_view base, std::string_view path, LastLink last) {
    return resolver_.resolve(base, path, last);
}

/// Opens the very file that was resolved: without links, bounded by the root or by a write directory.
OrErrno<HostFd> Sandbox::open_checked(const Resolved& where, std::uint64_t flags, bool write) {
    flags |= O_NOFOLLOW;
    if ((flags & O_PATH) == 0) flags |= O_NOCTTY | O_NONBLOCK; // whatever it has become, opening must not wait
    auto place = write_place(where.path);
    if (write && !place) return refuse(EROFS);
    auto fd = write ? open_below(place->fd, place->below, flags, 0, RESOLVE_BENEATH | kNoLinks)
                    : open_below(resolver_.root(), where.path, flags, 0, RESOLVE_IN_ROOT | kNoLinks);
    if (!fd) return fd;
    struct stat st {};
    if (::fstat(fd->get(), &st) != 0) return refuse(errno);
    // Somebody on the host put another file there since it was looked at.
    if (key_of(st) != key_of(where.st)) return refuse(EACCES);
    return fd;
}

OrErrno<FileView> Sandbox::stat(const Resolved& where) {
    if (!where.exists()) return refuse(ENOENT);
    return views_.view(where.st);
}

OrErrno<FileView> Sandbox::stat(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return refuse(errno);
    return views_.view(st);
}

OrErrno<std::string> Sandbox::read_link(const Resolved& where) {
    if (!where.exists()) return refuse(ENOENT);
    if (!S_ISLNK(where.st.st_mode)) return refuse(EINVAL);
    std::string target(PATH_MAX, '\0');
    ssize_t length = ::readlinkat(where.handle.get(), "", target.data(), target.size());
    if (length < 0) return refuse(errno);
    target.resize(static_cast<std::size_t>(length));
    return target;
}

int Sandbox::access(const Resolved& where, int mode) {
    if (!where.exists()) return -ENOENT;
    bool special = !S_ISREG(where.st.st_mode) && !S_ISDIR(where.st.st_mode) && !S_ISLNK(where.st.st_mode);
    if ((mode & W_OK) != 0 && !special && !writable(where.path)) return -EROFS;
    return ::faccessat(where.handle.get(), "", mode, AT_EACCESS | AT_EMPTY_PATH) == 0 ? 0 : -errno;
}

OrErrno<std::vector<DirectoryEntry>> Sandbox::list(const OpenedFile& directory) {
    // A stream of its own, so that the guest's descriptor keeps its position.
    int copy = ::openat(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return refuse(errno);
    auto close_stream = [](DIR* d) { ::closedir(d); };
    std::unique_ptr<DIR, decltype(close_stream)> stream(::fdopendir(copy), close_stream);
    if (!stream) {
        int error = errno;
        ::close(copy);
        return refuse(error);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream.get())) names.emplace_back(entry->d_name);
    if (errno != 0) return refuse(errno);
    const auto dots = [](const std::string& name) { return name == "." ? 0 : name == ".." ? 1 : 2; };
    const auto before = [&](const std::string& a, const std::string& b) {
        return std::make_pair(dots(a), std::string_view(a)) < std::make_pair(dots(b), std::string_view(b));
    };
    if (!host_order) std::sort(names.begin(), names.end(), before);

    std::vector<DirectoryEntry> out;
    auto add = [&](std::string name, const struct stat& st) {
        out.push_back({std::move(name), views_.view(st).inode, static_cast<std::uint8_t>(IFTODT(st.st_mode))});
    };
    for (std::string& name : names) {
        struct stat st {};
        if (name == "..") { // of the root folder: itself
            auto up = resolve(directory.path, "..", LastLink::follow);
            if (up && up->exists()) add(std::move(name), up->st);
        } else if (::fstatat(copy, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
            add(std::move(name), st);
        }
    }
    return out;
}

} // namespace trapline
