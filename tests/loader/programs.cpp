// Programs run in the machine as they run natively: the same output, the same status.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/loader/files.hpp"
#include "tests/loader/run_program.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace trapline;
using namespace trapline::test;

namespace {

/// Where the guests are: the build says, the environment may say otherwise.
std::string guests() {
    const char* set = ::getenv("TRAPLINE_GUESTS");
    return set != nullptr ? set : TRAPLINE_GUESTS;
}

using Command = std::vector<std::string>;

Command guest(Command command) {
    command.front() = guests() + "/" + command.front();
    return command;
}

std::string joined(const Command& command) {
    std::string text;
    for (const auto& word : command) text += word + " ";
    return text;
}

/// Standard error is compared by whether there is any: the programs' own names in messages may differ.
void check_like_native(const Command& command, const RunOptions& options = {}) {
    CAPTURE(joined(command));
    const Ran native = run_natively(command, options);
    for (unsigned cpus : {1u, 4u}) {
        CAPTURE(cpus);
        RunOptions with = options;
        with.cpus = cpus;
        const Ran ran = run_emulated(command, with);
        CHECK(ran.error == "");
        CHECK(ran.code == native.code);
        CHECK(ran.out == native.out);
        CHECK(ran.err == native.err);
    }
}

void check_system(const Command& command, const RunOptions& options = {}) {
    if (::access(command.front().c_str(), X_OK) != 0) {
        MESSAGE(command.front() << " is not on this machine");
        return;
    }
    check_like_native(command, options);
}

Command shell(const std::string& script) { return {"/bin/bash", "-c", script}; }

} // namespace

TEST_SUITE("programs") {
    TEST_CASE("programs without a C library do what they do natively") {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        for (const Command& c : std::vector<Command>{{"two-threads"},
                                                     {"three-threads"},
                                                     {"loop", "1000"},
                                                     {"faulting"},
                                                     {"reads-own-text"},
                                                     {"own-int3"},
                                                     {"kinds"},
                                                     {"fork-hot"},
                                                     {"munmap-text"},
                                                     {"exec-self"},
                                                     {"segv-handler"},
                                                     {"self-modify"},
                                                     {"jump0"},
                                                     {"overflow"}})
            check_like_native(guest(c));
    }

    TEST_CASE("static, static-pie, dynamic and musl programs start") {
        for (const char* name :
             {"hello-static", "hello-static-pie", "hello-dynamic", "hello-musl", "hello-musl-dynamic"}) {
            if (::access((guests() + "/" + name).c_str(), X_OK) != 0) continue; // built without musl-gcc
            check_like_native(guest({name, "an argument"}));
        }
    }

    TEST_CASE("threads, exceptions and libraries work") {
        check_like_native(guest({"threads8"}));
        check_like_native(guest({"threads8-static"}));
        check_like_native(guest({"exceptions"}));
        check_like_native(guest({"uses-libhot"}));
        check_like_native(guest({"uses-libhot-twice"}));
        check_like_native(guest({"sha", "1"}));
    }

    TEST_CASE("system calls answer as the live kernel does") {
        for (const char* part : {"machine", "processes", "threads", "signals", "timers"})
            check_like_native({TRAPLINE_CALLS, part});
    }

    TEST_CASE("AVX dies of SIGILL and never computes") {
        const Ran ran = run_emulated(guest({"avx"}));
        CHECK(ran.code == 132);
        CHECK(ran.out == "");
    }

    TEST_CASE("a program that never ends is ended by its limit") {
        RunOptions options;
        options.limit = 1'000'000;
        const Ran ran = run_emulated(guest({"forever"}), options);
        CHECK(ran.code < 0);
        CHECK(ran.instructions == 1'000'000);
    }

    TEST_CASE("the same run gives the same log, another number of CPUs or seed another") {
        const Ran first = run_emulated(guest({"threads8"}));
        for (int i = 0; i < 3; ++i) CHECK(run_emulated(guest({"threads8"})).log_hash == first.log_hash);
        RunOptions other;
        other.cpus = 3;
        CHECK(run_emulated(guest({"threads8"}), other).log_hash != first.log_hash);
    }

    TEST_CASE("what cannot be started says why and how env would exit") {
        TemporaryDirectory dir;
        auto start = [&](const std::string& name, const std::string& contents, bool executable) {
            const std::string path = dir.path / name;
            write_file(path, contents);
            if (executable) std::filesystem::permissions(path, std::filesystem::perms(0755));
            return run_emulated({path});
        };
        const Ran text = start("text", "hello\n", true);
        CHECK(text.code == 126);
        CHECK(text.error.find("is not an ELF file") != text.error.npos);
        const Ran plain = start("plain", "#!/bin/sh\n", false);
        CHECK(plain.code == 126);
        CHECK(plain.error.find("may not be executed") != plain.error.npos);
        CHECK(start("cut", text_of(guests() + "/hello-static").substr(0, 2000), true).code == 126);
        CHECK(run_emulated({dir.path}).code == 126);
        CHECK(run_emulated({dir.path / "nothing"}).code == 127);
        CHECK(run_emulated({"no-such-program"}).code == 127);
        const Ran missing = start("script", "#!/no/such/interpreter\n", true);
        CHECK(missing.code == 127); // execve: ENOENT, as a shell reports it
        CHECK(missing.error.find("/no/such/interpreter") != missing.error.npos);
    }
}

TEST_SUITE("programs of the system") {
    TEST_CASE("shells") {
        check_system(shell(
            "for i in 1 2 3; do echo $((i * i)); done; f() { local x=$1; echo \"f $x\"; return 3; }; f a; echo $?"));
        check_system(shell("echo one two | tr a-z A-Z | rev; echo $(echo nested $(echo twice)); exit 7"));
        check_system(shell("(exit 3) & wait $!; echo $?; sleep 0.01 & wait; kill -TERM $$"));
        check_system(shell("trap 'echo caught' USR1; kill -USR1 $$; echo after; trap 'echo bye' EXIT"));
        check_system(shell("cat <<< here; ls /nonexistent-directory 2>/dev/null || echo missing"));
        check_system({"/bin/busybox", "sh", "-c", "i=0; while [ $i -lt 5 ]; do echo $i; i=$((i+1)); done | tail -n 2"});
    }

    TEST_CASE("the first line of a script names who runs it") {
        TemporaryDirectory dir;
        auto script = [&](const std::string& name, const std::string& text) {
            const std::string path = dir.path / name;
            write_file(path, text);
            std::filesystem::permissions(path, std::filesystem::perms(0755));
            return path;
        };
        const std::string plain = script("plain", "#!/bin/sh -e\necho \"$0 $# $*\"\nfalse\necho not reached\n");
        check_system({plain, "a", "b c"});
        const std::string second = script("second", "#!" + plain + " word\n");
        check_system({second, "x"});
    }

    TEST_CASE("tools on files") {
        TemporaryDirectory dir;
        std::string text;
        for (int i = 0; i < 40000; ++i) text += std::to_string(i * 7919 % 100003) + " line\n";
        write_file(dir.path / "text", text);
        const std::string file = dir.path / "text";
        // ls shows the year of what is old, or later than the machine's own time of day.
        const timespec old[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
        REQUIRE(::utimensat(AT_FDCWD, file.c_str(), old, 0) == 0);
        check_system({"/bin/ls", "-l", dir.path});
        check_system({"/usr/bin/sha256sum", file});
        check_system({"/bin/gzip", "-c", file});
        check_system({"/usr/bin/sort", "-n", file});
        check_system({"/usr/bin/wc", file});
        check_system({"/bin/sed", "-n", "s/9\\+/<&>/p", file});
        check_system({"/usr/bin/awk",
                      "{ s += $1; n[length($1)]++ } END { print s; for (i = 1; i < 7; i++) print i, n[i] }", file});
        RunOptions input;
        input.input = text;
        check_system({"/usr/bin/sort", "-u"}, input);
        check_system({"/bin/busybox", "md5sum"}, input);
    }

    TEST_CASE("interpreters") {
        check_system({"/usr/bin/perl", "-e",
                      "my %h; $h{$_ % 7} .= $_ for 1..40; print \"$_=$h{$_}\\n\" for sort keys %h; exit 4"});
        check_system({"/usr/bin/python3", "-c",
                      "import hashlib,json,math\nprint(json.dumps({str(i): math.factorial(i) for i in range(25)}))\n"
                      "print(hashlib.sha256(b'x'*1000).hexdigest())"});
        check_system({"/usr/bin/python3", "-c",
                      "import threading,subprocess\nr=[]\nl=threading.Lock()\n"
                      "def f(n):\n  with l: r.append(n*n)\n"
                      "t=[threading.Thread(target=f,args=(i,)) for i in range(6)]\n[x.start() for x in t]\n[x.join() "
                      "for x in t]\n"
                      "print(sorted(r))\nprint(subprocess.run(['/bin/echo','child'],capture_output=True).stdout)"});
        check_system({"/usr/bin/sqlite3", ":memory:",
                      "create table a(i,t); create table b(i,u); insert into a values(1,'x'),(2,'y'); insert into b "
                      "values(1,'p'),"
                      "(2,'q'),(2,'r'); select a.t,b.u from a join b using(i) order by 1,2;"});
    }
}
