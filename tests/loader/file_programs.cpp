// Files, memory and pipes as programs use them: what the live kernel does is what must come out.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/loader/in_directory.hpp"

using namespace trapline;
using namespace trapline::test;

namespace {

Command shell(const std::string& script) { return {"/bin/bash", "-c", script}; }

} // namespace

TEST_SUITE("files of programs") {
    TEST_CASE("calls on files answer as the live kernel does") { check_in_directory({TRAPLINE_FILE_CALLS, "files"}); }
    TEST_CASE("calls on memory answer as the live kernel does") { check_in_directory({TRAPLINE_FILE_CALLS, "memory"}); }
    TEST_CASE("locks on files hold others up as on the live kernel") {
        check_in_directory({TRAPLINE_FILE_CALLS, "locks"});
    }
    TEST_CASE("message queues answer as the live kernel does") { check_in_directory({TRAPLINE_FILE_CALLS, "queues"}); }
    TEST_CASE("bytes go through pipes as on the live kernel") { check_in_directory({TRAPLINE_FILE_CALLS, "splices"}); }
    TEST_CASE("pipes and eventfds answer as the live kernel does") {
        check_in_directory({TRAPLINE_FILE_CALLS, "channels"});
    }
    TEST_CASE("poll, select and epoll answer as the live kernel does") {
        check_in_directory({TRAPLINE_FILE_CALLS, "waiting"});
    }
    TEST_CASE("a program finds in /proc and /dev what it would find natively") {
        check_in_directory({TRAPLINE_FILE_CALLS, "self"});
    }
    TEST_CASE("bad pointers, sizes and numbers get the live kernel's errors") {
        check_in_directory({TRAPLINE_FILE_CALLS, "hostile"});
    }

    TEST_CASE("shell scripts change files as they do natively") {
        check_in_directory(shell("echo x > a; echo y >> a; cat a; mkdir -p d/e; touch d/e/f; ls -R; mv d g; ls g/e; "
                                 "ln -s a l; readlink l; cat l; ln a h; stat -c '%h %s %A' a; rm -rf g; chmod 700 a; "
                                 "cp a b; cmp a b && echo same; truncate -s 100 b; wc -c b"));
        check_in_directory(
            shell("exec 3<>f; echo hello >&3; exec 3<&-; cat < f; cd /proc/self; cd ..; pwd; cd $OLDPWD"));
        check_in_directory(
            shell("seq 100000 > n; sort -rn n | head -3; sed -i s/1/2/ n; split -l 40000 n; ls; rm xab"));
        check_in_directory(shell("diff <(echo a; echo b) <(echo a; echo c); cat <<E\n$(seq 2000)\nE\n"));
        check_in_directory(shell("(sleep 0.1; echo a) | true; echo ${PIPESTATUS[0]}; seq 1000000 | head -1; echo "
                                 "${PIPESTATUS[0]}; echo x > /dev/full; echo $?; yes | head -2"));
        check_in_directory(
            shell("mkdir d o; echo x > d/f; chmod 600 d/f; touch -d 2001-01-01 d/f d; tar -cf x.tar d; tar -C o -xf "
                  "x.tar; ls -l o/d/f | cut -c1-10; rm x.tar"));
    }

    TEST_CASE("programs keep their data in files") {
        check_in_directory({"/usr/bin/sqlite3", "t.db",
                            "create table a(x); insert into a values(1),(2); update a set x=x+1; select * from a;"});
        check_in_directory({"/usr/bin/python3", "-c",
                            "import mmap\nf=open('m','w+b'); f.write(b'a'*8192); f.flush()\n"
                            "m=mmap.mmap(f.fileno(),8192); m[0:3]=b'xyz'; print(open('m','rb').read(5))"});
    }

    TEST_CASE("standard input is read as far as the program reads, and no further") {
        check_in_directory(shell("read x; echo got $x; cat"), "one\ntwo\nthree\n");
        check_in_directory(shell("head -1; cat"), "one\ntwo\nthree\n");
        check_in_directory(shell("wc -c < /dev/stdin; cat /proc/self/fd/0"), std::string(200'000, 'x') + "\n");
    }

    TEST_CASE("nothing changes outside of the write directories") {
        TemporaryDirectory dir;
        write_file(dir.path / "kept", "contents");
        RunOptions options;
        options.directory = dir.path;
        const Ran ran = run_emulated(
            shell("echo x > new; echo x >> kept; rm kept; mkdir d; ln -s a b; mv kept c; chmod 777 kept"), options);
        CHECK(ran.code != 0);
        CHECK(text_of(dir.path / "kept") == "contents");
        CHECK(std::distance(std::filesystem::directory_iterator(dir.path), {}) == 1);
        CHECK(ran.err.find("Read-only file system") != std::string::npos);
    }

    TEST_CASE("what a program is told about files is the same in every run") {
        TemporaryDirectory dir;
        const Command command = shell("ls -lai /etc /proc /dev; cat /proc/self/stat /proc/meminfo /proc/uptime; df; "
                                      "od -An -tx1 -N8 /dev/urandom; stat /dev/stdin; date > f; stat f; rm f");
        RunOptions options;
        options.directory = dir.path;
        options.write = {dir.path};
        const Ran first = run_emulated(command, options);
        const Ran second = run_emulated(command, options);
        CHECK(first.out == second.out);
        CHECK(first.log_hash == second.log_hash);
        CHECK(first.out.find("2026-01-01") != std::string::npos); // the file has the machine's time
    }
}
