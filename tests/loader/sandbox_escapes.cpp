// Ways out of the sandbox, tried for real. What must not happen is checked on the host, not by what the sandbox says.
#include "tests/loader/sandbox_fixture.hpp"

#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

using namespace trapline;
using test::Guest;
namespace fs = std::filesystem;

namespace {

constexpr int kWays[] = {
    O_WRONLY,         O_RDWR,   O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND, O_WRONLY | O_CREAT | O_TRUNC,
    O_RDWR | O_CREAT, O_ACCMODE};

/// Tries every way of opening for writing, and writes when it works.
void scribble(Guest& guest, const std::string& path) {
    for (int flags : kWays)
        if (auto file = guest.open(path, flags)) (void)!::write(file->fd.get(), "scribble", 8);
}

} // namespace

TEST_SUITE("loader/sandbox escapes") {
    TEST_CASE("dot-dot stops at the guest's root") {
        Guest g;
        CHECK(g.read("/../outside/outside") == "errno 2");
        CHECK(g.read("/../../../../../../etc/secret") == "secret"); // the guest's own
        CHECK(g.read("/w/../../outside/outside") == "errno 2");
        CHECK(g.read("/w/./..//etc/./secret") == "secret");
        CHECK(g.at("/w/..").path == "/");
        CHECK(g.at("..", LastLink::follow, "/w").path == "/");
        CHECK(g.at("../../../..", LastLink::follow, "/w").path == "/");
    }

    TEST_CASE("links start at the guest's root and end below it") {
        Guest g;
        fs::create_symlink("/etc/secret", g.root / "absolute");
        fs::create_symlink("../../../../../../../../outside/outside", g.root / "climbing");
        fs::create_symlink(g.outside, g.root / "host");
        fs::create_symlink((g.outside / "outside").string(), g.root / "w/host-file");
        CHECK(g.read("/absolute") == "secret");
        CHECK(g.read("/climbing") == "errno 2");
        CHECK(g.read("/host/outside") == "errno 2");
        CHECK(g.read("/w/host-file") == "errno 2");
        scribble(g, "/w/host-file"); // may create its target only below the guest's root, which is read-only
        CHECK(test::text_of(g.outside / "outside") == "outside");
        CHECK(!fs::exists(g.root / g.outside.relative_path()));
    }

    TEST_CASE("nothing outside the write directory can be opened for writing by any name") {
        Guest g;
        fs::create_symlink("/etc/secret", g.root / "w/link");
        fs::create_symlink("../etc", g.root / "w/etc");
        fs::create_symlink("/etc/fresh", g.root / "w/dangling");
        fs::create_symlink(".", g.root / "w/self");
        for (const char* path :
             {"/etc/secret", "/w/../etc/secret", "/w/link", "/w/etc/secret", "/w/etc/fresh", "/w/dangling",
              "/etc/fresh", "/w/self/self/../etc/secret", "/w/file/../../etc/secret", "/fresh", "/w-twin"}) {
            CAPTURE(path);
            scribble(g, path);
            CHECK(test::text_of(g.root / "etc/secret") == "secret");
            CHECK(!fs::exists(g.root / "etc/fresh"));
            CHECK(!fs::exists(g.root / "fresh"));
            CHECK(!fs::exists(g.root / "w-twin"));
        }
        CHECK(g.sandbox.writable("/w/any"));
        CHECK(!g.sandbox.writable("/w-twin/any")); // merely begins like the write directory
        CHECK(g.open_error("/etc/secret", O_WRONLY) == -EROFS);
        CHECK(g.open_error("/etc/fresh", O_WRONLY | O_CREAT) == -EROFS);
        CHECK(g.open_error("/w/dangling", O_WRONLY | O_CREAT) == -EROFS);
        CHECK(g.open_error("/w/file/../../etc/secret", O_WRONLY) == -ENOTDIR);
    }

    TEST_CASE("hard links carry no write access across") {
        Guest g;
        CHECK(g.sandbox.make_hard_link(g.at("/etc/secret", LastLink::keep), g.at("/w/mine")) == -EXDEV);
        // Made by the host before the run: the other name lies outside.
        fs::create_hard_link(g.outside / "outside", g.root / "w/twin");
        scribble(g, "/w/twin");
        CHECK(g.open_error("/w/twin", O_WRONLY) == -EROFS);
        CHECK(g.sandbox.change_mode(g.at("/w/twin"), 0777) == -EROFS);
        CHECK(g.sandbox.truncate(g.at("/w/twin"), 0) == -EROFS);
        CHECK(g.sandbox.set_times(g.at("/w/twin"), NewTimes{}) == -EROFS);
        auto reader = g.open("/w/twin", O_RDONLY);
        REQUIRE(reader);
        CHECK(g.sandbox.change_mode(*reader, 0777) == -EROFS);
        // A new name for it inside does not make it the guest's.
        CHECK(g.sandbox.make_hard_link(g.at("/w/twin", LastLink::keep), g.at("/w/triplet")) == 0);
        scribble(g, "/w/triplet");
        CHECK(test::text_of(g.outside / "outside") == "outside");
        CHECK(g.sandbox.unlink(g.at("/w/twin")) == 0); // but the name is the guest's to remove
        CHECK(fs::exists(g.outside / "outside"));
        // The guest's own links stay writable.
        CHECK(g.sandbox.make_hard_link(g.at("/w/file", LastLink::keep), g.at("/w/again")) == 0);
        CHECK(g.open_error("/w/again", O_WRONLY) == 0);
    }

    TEST_CASE("renaming moves nothing in or out") {
        Guest g;
        auto rename = [&](const char* from, const char* to, unsigned flags = 0) {
            return g.sandbox.rename(g.at(from), g.at(to), flags);
        };
        CHECK(rename("/etc/secret", "/w/secret") == -EROFS);
        CHECK(rename("/w/file", "/etc/file") == -EROFS);
        CHECK(rename("/w/file", "/etc/secret") == -EROFS);
        CHECK(rename("/w/file", "/etc/secret", 2) == -EROFS); // RENAME_EXCHANGE
        CHECK(rename("/w", "/v") == -EROFS);
        CHECK(rename("/w/file", "/w/../etc/x") == -EROFS);
        CHECK(rename("/w/.", "/w/d") == -EBUSY);
        CHECK(rename("/w/file", "/w/f2", 4) == -EINVAL); // RENAME_WHITEOUT would make a device node
        CHECK(fs::exists(g.root / "etc/secret"));

        // A directory that becomes a link between two calls is looked at again.
        CHECK(g.sandbox.make_directory(g.at("/w/d"), 0755) == 0);
        Resolved before = g.at("/w/d/new");
        fs::remove(g.root / "w/d");
        fs::create_directory_symlink(g.outside, g.root / "w/d");
        CHECK(g.sandbox.open(before, O_WRONLY | O_CREAT, 0644).error() == -ELOOP);
        CHECK(g.sandbox.make_directory(before, 0755) == -ELOOP);
        CHECK(g.sandbox.make_link("x", before) == -ELOOP);
        CHECK(!fs::exists(g.outside / "new"));
    }

    TEST_CASE("a file that is exchanged between looking and opening is not opened") {
        Guest g;
        Resolved before = g.at("/w/file", LastLink::follow);
        fs::remove(g.root / "w/file");
        fs::create_symlink(g.outside / "outside", g.root / "w/file");
        CHECK(g.sandbox.open(before, O_WRONLY | O_TRUNC, 0).error() == -ELOOP);
        fs::remove(g.root / "w/file");
        fs::create_hard_link(g.outside / "outside", g.root / "w/file");
        CHECK(g.sandbox.open(before, O_WRONLY | O_TRUNC, 0).error() == -EACCES);
        CHECK(g.sandbox.truncate(before, 0) == -EACCES);
        CHECK(g.sandbox.change_mode(before, 0777) == -EACCES);
        CHECK(test::text_of(g.outside / "outside") == "outside");
    }

    TEST_CASE("changes outside are refused whatever they are") {
        Guest g;
        Sandbox& s = g.sandbox;
        CHECK(s.make_directory(g.at("/etc/d"), 0755) == -EROFS);
        CHECK(s.make_directory(g.at("/etc"), 0755) == -EEXIST); // `mkdir -p` relies on this order
        CHECK(s.make_directory(g.at("/"), 0755) == -EEXIST);
        CHECK(s.unlink(g.at("/etc/secret")) == -EROFS);
        CHECK(s.remove_directory(g.at("/etc")) == -EROFS);
        CHECK(s.remove_directory(g.at("/w")) == -EROFS); // its name belongs to the parent
        CHECK(s.make_link("x", g.at("/etc/l")) == -EROFS);
        CHECK(s.make_hard_link(g.at("/w/file", LastLink::keep), g.at("/etc/l")) == -EROFS);
        CHECK(s.change_mode(g.at("/etc/secret"), 0777) == -EROFS);
        CHECK(s.truncate(g.at("/etc/secret"), 0) == -EROFS);
        CHECK(s.set_times(g.at("/etc/secret"), NewTimes{}) == -EROFS);
        CHECK(s.access(g.at("/etc/secret"), W_OK) == -EROFS);
        CHECK(s.access(g.at("/etc/secret"), R_OK) == 0);
        CHECK(s.access(g.at("/w/file"), W_OK) == 0);
        auto file = g.open("/etc/secret", O_RDONLY);
        REQUIRE(file);
        CHECK(s.change_mode(*file, 0777) == -EROFS);
        CHECK(s.set_times(*file, NewTimes{}) == -EROFS);
        CHECK(g.open_error("/etc", O_TMPFILE | O_RDWR) == -EROFS);
        CHECK(test::text_of(g.root / "etc/secret") == "secret");
    }

    TEST_CASE("FIFOs, sockets and device nodes of the host are seen but not opened, and nothing hangs") {
        Guest g;
        REQUIRE(::mkfifo((g.root / "w/fifo").c_str(), 0666) == 0);
        int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::string name = (g.root / "w/sock").string();
        REQUIRE(name.size() < sizeof address.sun_path);
        name.copy(address.sun_path, name.size());
        REQUIRE(::bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        ::close(s);
        std::vector<std::string> names = {"/w/fifo", "/w/sock"};
        if (::mknod((g.root / "w/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0)
            names.push_back("/w/zero"); // root only
        for (const std::string& path : names)
            for (int flags : {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK, O_WRONLY | O_CREAT | O_TRUNC}) {
                CAPTURE(path);
                CHECK(g.open_error(path, flags) == (path == "/w/sock" ? -ENXIO : -EACCES));
            }
        CHECK(S_ISFIFO(g.view("/w/fifo").mode));
        CHECK(g.sandbox.change_mode(g.at("/w/fifo"), 0777) == -EACCES);
    }

    TEST_CASE("modelled places are left to the emulator by whatever road") {
        Guest g;
        fs::create_symlink("../proc/self/mounts", g.root / "etc/mtab");
        fs::create_symlink("/proc/self/root", g.root / "w/root");
        for (auto [path, want] : {std::pair{"/proc", "/proc"},
                                  {"/proc/self/exe", "/proc/self/exe"},
                                  {"/etc/../proc/./self/root/etc", "/proc/self/root/etc"},
                                  {"/etc/mtab", "/proc/self/mounts"},
                                  {"/w/root/etc/secret", "/proc/self/root/etc/secret"},
                                  {"/dev/null", "/dev/null"},
                                  {"/sys/kernel", "/sys/kernel"}}) {
            CAPTURE(path);
            auto where = g.sandbox.resolve("/", path, LastLink::follow);
            REQUIRE(where);
            CHECK(where->modelled);
            CHECK(where->path == want);
        }
        CHECK(g.at("/process", LastLink::keep).modelled == false);
        CHECK(g.read("/proc/../etc/secret") == "secret");
        CHECK(g.at("self", LastLink::follow, "/proc").path == "/proc/self");
    }

    TEST_CASE("the host's procfs is not there under any other name") {
        // With the host's own root, where a second procfs can be had by a bind mount, or by being the root itself.
        CHECK(!Sandbox::create("/proc", {}, [] { return timespec{}; }));
        // In a bare root nothing is mounted at /sys: then it is a folder like any other.
        struct statfs sys {};
        if (::statfs("/sys", &sys) == 0 && sys.f_type == SYSFS_MAGIC)
            CHECK(!Sandbox::create("/sys", {}, [] { return timespec{}; }));
        auto host = Sandbox::create("/", {}, [] { return timespec{}; });
        REQUIRE(host);
        CHECK(host->resolve("/", "/proc/self/exe", LastLink::follow)->modelled);
        auto through = host->resolve("/", "/proc/../proc/self/environ", LastLink::follow);
        REQUIRE(through);
        CHECK(through->modelled);
        // A second procfs elsewhere needs a mount, in a mount namespace that ends with this process. The sandbox is
        // made after it, since its root belongs to the namespace in which it was opened.
        Guest g;
        fs::create_directory(g.root / "w/p");
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("proc", (g.root / "w/p").c_str(), "proc", 0, nullptr) != 0) {
            MESSAGE("skipped: mounting needs root");
            return;
        }
        auto inside = Sandbox::create(g.root.string(), {(g.root / "w").string()}, [] { return timespec{}; });
        std::vector<int> errors;
        if (inside)
            for (const char* path : {"/w/p", "/w/p/self", "/w/p/self/root/etc/passwd", "/w/p/1/environ",
                                     "/w/p/../p/uptime", "/w/p/../file"}) {
                auto where = inside->resolve("/", path, LastLink::follow);
                errors.push_back(where ? 0 : where.error());
            }
        REQUIRE(::umount((g.root / "w/p").c_str()) == 0);
        CHECK(errors == std::vector<int>(6, -ENOENT));
    }

    TEST_CASE("a guest makes no set-user-ID files") {
        Guest g;
        CHECK(g.sandbox.change_mode(g.at("/w/file"), 04755) == -EPERM);
        CHECK(g.sandbox.change_mode(g.at("/w/file"), 02755) == -EPERM);
        REQUIRE(g.open("/w/tool", O_WRONLY | O_CREAT, 06755));
        CHECK((g.view("/w/tool").mode & 07777) == 0755);
    }
}
