// tests/loader/sandbox_fixture.hpp: a guest's file system in a temporary directory of the host.
//
//   ROOT/            the guest's /
//     etc/secret     "secret", read-only for the guest
//     w/             the one place where the guest may write
//       file         "old"
//   OUTSIDE/         beside the root, never visible: outside "outside"
#pragma once

#include "loader/sandbox.hpp"
#include "tests/loader/files.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace trapline::test {

namespace fs = std::filesystem;

struct Guest {
    TemporaryDirectory host;
    fs::path root = host.path / "root";
    fs::path outside = host.path / "outside";
    std::int64_t seconds = 1000; ///< virtual time
    Sandbox sandbox = make();

    std::string read(const std::string& path, int flags = O_RDONLY) {
        auto file = open(path, flags);
        if (!file) return "errno " + std::to_string(-file.error());
        char buffer[256];
        ssize_t n = ::read(file->fd.get(), buffer, sizeof buffer);
        return n < 0 ? "unreadable" : std::string(buffer, static_cast<std::size_t>(n));
    }
    OrErrno<OpenedFile> open(const std::string& path, int flags, mode_t mode = 0644) {
        bool keep = (flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
        auto where = sandbox.resolve("/", path, keep ? LastLink::keep : LastLink::follow);
        if (!where) return tl::make_unexpected(where.error());
        if (where->modelled) return refuse(ENXIO); // the emulator would answer
        return sandbox.open(*where, flags, mode);
    }
    /// 0, or the errno with its sign.
    int open_error(const std::string& path, int flags) {
        auto file = open(path, flags);
        return file ? 0 : file.error();
    }
    Resolved at(const std::string& path, LastLink last = LastLink::entry, const std::string& base = "/") {
        auto where = sandbox.resolve(base, path, last);
        REQUIRE_MESSAGE(where, path);
        return std::move(*where);
    }
    FileView view(const std::string& path, LastLink last = LastLink::keep) {
        auto v = sandbox.stat(at(path, last));
        REQUIRE_MESSAGE(v, path);
        return *v;
    }

  private:
    Sandbox make() {
        fs::create_directories(root / "etc");
        fs::create_directories(root / "w");
        fs::create_directories(outside);
        write_file(root / "etc/secret", "secret");
        write_file(root / "w/file", "old");
        write_file(outside / "outside", "outside");
        auto made = Sandbox::create(root.string(), {(root / "w").string()}, [this] { return timespec{seconds, 0}; });
        REQUIRE(made);
        return std::move(*made);
    }
};

} // namespace trapline::test
