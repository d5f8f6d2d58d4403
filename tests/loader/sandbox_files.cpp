#include "tests/loader/sandbox_fixture.hpp"

#include <algorithm>
#include <dirent.h>
#include <sys/stat.h>

using namespace trapline;
using test::Guest;
namespace fs = std::filesystem;

TEST_SUITE("loader/sandbox") {
    TEST_CASE("creating it names what is wrong") {
        Guest g;
        auto now = [] { return timespec{}; };
        auto error = [&](const fs::path& root, const fs::path& write) {
            auto made = Sandbox::create(root.string(), {write.string()}, now);
            return made ? std::string() : made.error().what;
        };
        CHECK(error(g.root / "nowhere", g.root / "w").find("--root") == 0);
        CHECK(error(g.root / "etc/secret", g.root / "w").find("not a directory") != std::string::npos);
        CHECK(error(g.root, g.outside).find("not below the root") != std::string::npos);
        CHECK(error(g.root, g.root / "nowhere").find("--write") == 0);
        CHECK(error(g.root, g.root).empty()); // the whole root may be given
        auto all = Sandbox::create(g.root.string(), {(g.root / "w").string(), g.root.string()}, now);
        REQUIRE(all);
        CHECK(all->writable("/etc/secret"));
    }

    TEST_CASE("files are created, written, appended to and cut") {
        Guest g;
        mode_t before = ::umask(0077); // the host's mask is not the guest's
        auto file = g.open("/w/new", O_WRONLY | O_CREAT | O_EXCL, 0664);
        ::umask(before);
        REQUIRE(file);
        CHECK(file->path == "/w/new");
        CHECK(file->changeable);
        CHECK(::write(file->fd.get(), "abc", 3) == 3);
        CHECK((g.view("/w/new").mode & 07777) == 0664);
        CHECK(g.open_error("/w/new", O_WRONLY | O_CREAT | O_EXCL) == -EEXIST);
        auto more = g.open("/w/new", O_WRONLY | O_APPEND);
        REQUIRE(more);
        CHECK(::write(more->fd.get(), "def", 3) == 3);
        CHECK(g.read("/w/new") == "abcdef");
        CHECK(g.open_error("/w/new", O_RDONLY | O_TRUNC) == 0); // Linux cuts it, though it reads only
        CHECK(g.read("/w/new") == "");
        CHECK(g.sandbox.truncate(g.at("/w/file", LastLink::follow), 2) == 0);
        CHECK(test::text_of(g.root / "w/file") == "ol");
        CHECK(g.open_error("/w/none", O_RDONLY) == -ENOENT);
        CHECK(g.open_error("/w/none/x", O_WRONLY | O_CREAT) == -ENOENT);
        CHECK(g.open_error("/w/file/x", O_RDONLY) == -ENOTDIR);
        CHECK(g.open_error("/w/file/", O_RDONLY) == -ENOTDIR);
        CHECK(g.open_error("/w/fresh/", O_WRONLY | O_CREAT) == -EISDIR);
        CHECK(g.open_error("/w", O_WRONLY) == -EISDIR);
        CHECK(g.open_error("/w/file", O_RDONLY | O_DIRECTORY) == -ENOTDIR);
        CHECK(g.open_error("", O_RDONLY) == -ENOENT);
        CHECK(g.open_error("/" + std::string(300, 'n'), O_RDONLY) == -ENAMETOOLONG);
        CHECK(g.open_error(std::string(5000, '/'), O_RDONLY) == -ENAMETOOLONG);
        auto unnamed = g.open("/w", O_TMPFILE | O_RDWR, 0600);
        if (unnamed) CHECK(::write(unnamed->fd.get(), "x", 1) == 1); // not every file system of a host can
        CHECK(g.open_error("/w", O_TMPFILE | O_RDONLY) == -EINVAL);
    }

    TEST_CASE("links are followed or kept as asked") {
        Guest g;
        CHECK(g.sandbox.make_link("file", g.at("/w/l")) == 0);
        CHECK(g.sandbox.make_link("fresh", g.at("/w/dangling")) == 0);
        CHECK(g.sandbox.make_link("loop", g.at("/w/loop")) == 0);
        CHECK(g.sandbox.make_link("/w", g.at("/w/dir")) == 0);
        CHECK(g.sandbox.make_link("x", g.at("/w/l")) == -EEXIST);
        CHECK(g.read("/w/l") == "old");
        CHECK(g.open_error("/w/l", O_RDONLY | O_NOFOLLOW) == -ELOOP);
        CHECK(g.open_error("/w/loop", O_RDONLY) == -ELOOP);
        CHECK(S_ISLNK(g.view("/w/l").mode));
        CHECK(S_ISREG(g.view("/w/l", LastLink::follow).mode));
        CHECK(g.sandbox.read_link(g.at("/w/l", LastLink::keep)) == "file");
        CHECK(g.sandbox.read_link(g.at("/w/file", LastLink::keep)).error() == -EINVAL);
        auto through = g.open("/w/dangling", O_WRONLY | O_CREAT);
        REQUIRE(through);
        CHECK(through->path == "/w/fresh");
        CHECK(fs::exists(g.root / "w/fresh"));
        CHECK(g.at("/w/dir/", LastLink::keep).path == "/w"); // the slash follows
        CHECK(g.at("/w/dir/dir/dir/l", LastLink::follow).path == "/w/file");
        CHECK(!g.sandbox.resolve("/", "/w/dir/", LastLink::entry)); // unlink and rmdir would say ENOTDIR
        CHECK(g.sandbox.unlink(g.at("/w/dir")) == 0);
        CHECK(fs::exists(g.root / "w/file"));
        auto handle = g.open("/w/l", O_PATH | O_NOFOLLOW);
        REQUIRE(handle);
        CHECK(S_ISLNK(g.sandbox.stat(handle->fd.get())->mode));
    }

    TEST_CASE("directories are made, listed in order, and removed") {
        Guest g;
        CHECK(g.sandbox.make_directory(g.at("/w/d/"), 0751) == 0);
        CHECK((g.view("/w/d").mode & 07777) == 0751);
        for (const char* name : {"b", "a", "B", "-", ".x"})
            REQUIRE(g.open(std::string("/w/d/") + name, O_WRONLY | O_CREAT));
        auto directory = g.open("/w/d", O_RDONLY | O_DIRECTORY);
        REQUIRE(directory);
        auto list = g.sandbox.list(*directory);
        REQUIRE(list);
        std::vector<std::string> names;
        for (const auto& entry : *list) names.push_back(entry.name);
        CHECK(names == std::vector<std::string>{".", "..", "-", ".x", "B", "a", "b"}); // ASCII
        CHECK((*list)[0].inode == g.view("/w/d").inode);
        CHECK((*list)[1].inode == g.view("/w").inode);
        CHECK((*list)[5].inode == g.view("/w/d/a").inode);
        CHECK((*list)[5].type == DT_REG);
        CHECK(g.sandbox.list(*directory)->size() == 7); // again from the start
        CHECK(g.sandbox.remove_directory(g.at("/w/d")) == -ENOTEMPTY);
        CHECK(g.sandbox.remove_directory(g.at("/w/file")) == -ENOTDIR);
        CHECK(g.sandbox.unlink(g.at("/w/d")) == -EISDIR);
        for (const auto& name : names)
            if (name[0] != '.' || name == ".x") CHECK(g.sandbox.unlink(g.at("/w/d/" + name)) == 0);
        CHECK(g.sandbox.remove_directory(g.at("/w/d")) == 0);
        CHECK(g.sandbox.remove_directory(g.at("/w/.")) == -EINVAL);
        CHECK(!fs::exists(g.root / "w/d"));
        auto top = g.open("/", O_RDONLY | O_DIRECTORY);
        REQUIRE(top);
        auto at_top = g.sandbox.list(*top);
        REQUIRE(at_top);
        CHECK((*at_top)[0].inode == (*at_top)[1].inode); // /.. is /
    }

    TEST_CASE("names change within the write directory") {
        Guest g;
        test::write_file(g.root / "w/other", "other");
        CHECK(g.sandbox.rename(g.at("/w/file"), g.at("/w/other"), 1) == -EEXIST); // RENAME_NOREPLACE
        CHECK(g.sandbox.rename(g.at("/w/file"), g.at("/w/other"), 2) == 0);       // RENAME_EXCHANGE
        CHECK(test::text_of(g.root / "w/file") == "other");
        CHECK(g.sandbox.rename(g.at("/w/file"), g.at("/w/moved"), 0) == 0);
        CHECK(test::text_of(g.root / "w/moved") == "other");
        CHECK(g.sandbox.rename(g.at("/w/none"), g.at("/w/x"), 0) == -ENOENT);
        CHECK(g.sandbox.rename(g.at("/w/moved"), g.at("/w/x/"), 0) == -ENOTDIR);
    }

    TEST_CASE("modes change, exactly as given") {
        Guest g;
        CHECK(g.sandbox.change_mode(g.at("/w/file"), 0604) == 0);
        CHECK((g.view("/w/file").mode & 07777) == 0604);
        CHECK(g.sandbox.change_mode(g.at("/w"), 01777) == 0); // the write directory itself
        CHECK((g.view("/w").mode & 07777) == 01777);
        auto file = g.open("/w/file", O_RDONLY);
        REQUIRE(file);
        CHECK(g.sandbox.change_mode(*file, 0600) == 0);
        CHECK((g.view("/w/file").mode & 07777) == 0600);
    }

    TEST_CASE("inode numbers count in the order of first sight and survive renames") {
        Guest g;
        auto first = g.view("/w/file").inode;
        auto second = g.view("/etc/secret").inode;
        CHECK(first == 2);
        CHECK(second == 3);
        CHECK(g.view("/w/file").inode == 2);
        CHECK(g.sandbox.make_hard_link(g.at("/w/file", LastLink::keep), g.at("/w/twin")) == 0);
        CHECK(g.sandbox.rename(g.at("/w/twin"), g.at("/w/moved"), 0) == 0);
        CHECK(g.view("/w/moved").inode == 2);
        CHECK(g.view("/w/moved").links == 2);
        // Hosts give the number of a deleted file to the next one; the guest never sees that.
        std::vector<std::uint64_t> seen;
        for (int i = 0; i < 20; ++i) {
            {
                REQUIRE(g.open("/w/t", O_WRONLY | O_CREAT));
            }
            seen.push_back(g.view("/w/t").inode);
            CHECK(g.sandbox.unlink(g.at("/w/t")) == 0);
        }
        for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == 4 + i);
    }

    TEST_CASE("times are the disk's until the guest changes something, then virtual") {
        Guest g;
        timespec old[2] = {{0, UTIME_OMIT}, {1234567890, 5}};
        REQUIRE(::utimensat(AT_FDCWD, (g.root / "w/file").c_str(), old, 0) == 0);
        CHECK(g.view("/w/file").mtime.tv_sec == 1234567890);
        CHECK(g.view("/w/file").mtime.tv_nsec == 5);
        g.seconds = 2000;
        auto file = g.open("/w/file", O_WRONLY);
        REQUIRE(file);
        CHECK(g.view("/w/file").mtime.tv_sec == 1234567890); // opening is not writing
        CHECK(::write(file->fd.get(), "x", 1) == 1);
        g.sandbox.changed(*file);
        g.seconds = 3000;
        CHECK(g.view("/w/file").mtime.tv_sec == 2000);
        { REQUIRE(g.open("/w/new", O_WRONLY | O_CREAT)); }
        CHECK(g.view("/w/new").mtime.tv_sec == 3000);
        CHECK(g.view("/w").mtime.tv_sec == 3000); // the directory got a name
        CHECK(g.sandbox.set_times(g.at("/w/new"), {{NewTime::What::given, {66, 0}}, {NewTime::What::given, {77, 0}}}) ==
              0);
        CHECK(g.view("/w/new").mtime.tv_sec == 77);
        CHECK(g.view("/w/new").atime.value_or(timespec{}).tv_sec == 66);
        g.seconds = 4000;
        CHECK(g.sandbox.set_times(g.at("/w/new"), {{NewTime::What::keep, {}}, {NewTime::What::keep, {}}}) == 0);
        CHECK(g.view("/w/new").mtime.tv_sec == 77);
        CHECK(g.view("/w/new").atime.value_or(timespec{}).tv_sec == 66);
        CHECK(g.sandbox.set_times(*file, NewTimes{}) == 0);
        CHECK(g.view("/w/file").mtime.tv_sec == 4000);
        struct stat st {};
        REQUIRE(::stat((g.root / "w/new").c_str(), &st) == 0);
        CHECK(st.st_mtim.tv_sec == 77); // a time that was asked for is on the disk, too
    }
}
