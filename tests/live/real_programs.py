#!/usr/bin/env python3
"""real-programs: programs that people use, natively and under trapline, with and without probes.

Each program runs once natively, and under trapline without probes and with probes by `xol` and by `inline`, all on one
and on four CPUs. Standard output, what the program itself writes to standard error, and the exit code have to equal the
native ones. Of every probe: executions = hits - repeated + missed; executions equal what is known from the program
(it says how often it calls the function) and are the same in all runs; `xol` misses nothing; in a program without
threads `inline` misses nothing either. A program that this machine does not have is skipped by name.

    real_programs.py --trapline COMMAND --guests DIR [--only NAME]
"""

import argparse
import os
import random
import sys
import tempfile
import time

from common import Account, Elf, Trapline, in_parallel, instructions, libraries, native

MILLION = 1_000_000
FILES = 12  # in the folder that ls lists
BASH = r"""
square() { echo $(( $1 * $1 )); }
for i in {1..50}; do square $i; done
n=0; while [ $n -lt 200 ]; do n=$((n + 1)); done; echo $n
words=(probe trap line slot); for w in "${words[@]}"; do printf '%s:%d ' "$w" ${#w}; done; echo
seq 100 | sort -rn | head -n 3
case $n in 200) exit 7 ;; esac
"""
BUSYBOX = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; echo $i; echo probe | busybox tr a-z A-Z | busybox sha1sum"
AWK = 'BEGIN { for (i = 0; i < 1000; i++) s += i % 7; print s } { n[$1]++; t += length($0) } ' \
      'END { for (w in n) c++; print NR, c, t; printf "%.6f\\n", t / NR }'
PYTHON = "import os, json; [os.getppid() for _ in range(300)]; " \
         "print(sum(i * i for i in range(2000)), 2 ** 200, sorted('probe trap line'.split()), json.dumps({'a': [1, 0.5]}))"
SQL = "create table a(x, y); create table b(y, z);" \
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200) insert into a select i, i % 10 from n;" \
      "insert into b values (1, 'one'), (2, 'two'), (3, 'three');" \
      "select z, count(*), sum(x) from a join b using (y) group by z order by z;"
PERL = r'my %h = map { $_ => $_ ** 2 } 1..20; getppid() for 1..300; print "$_=$h{$_}\n" for sort { $a <=> $b } keys %h;' \
       r'my $t = "a-b-c"; $t =~ s/(\w)-/<$1>/g; print "$t\n"; exit 3'


class Program:
    """`probes` are specifications with the number of executions that is known, or None."""

    def __init__(self, name, argv, probes, *, env=None, stdin=b"", threaded=False):
        self.name, self.argv, self.probes = name, argv, probes
        self.env, self.stdin, self.threaded = env, stdin, threaded


def entry(path):
    """The first instruction of a program, which each execution of it passes once."""
    elf = Elf(path)
    return f"{os.path.realpath(path)}:{elf.file_offset(elf.entry):#x}"


def libc_of(path):
    return next((library for library in libraries(path) if "/libc.so" in library), None)


def every_instruction(path, symbol):
    """Loads relative to rip, calls, jumps and returns: what a function's first instruction hardly ever is. What Linux
    refuses (a lock prefix, a cs prefix in a long nop) is left out. Without a disassembler, the entry alone."""
    chosen = [at for name, at in instructions(path, symbol) if "`lock " not in name and "`cs " not in name]
    return [(f"{path}:{at:#x}", None) for at in chosen or [Elf(path).offset_of(symbol)]]


def programs(guests):
    """Where each program is, and what is made of it if it is there."""
    guest = lambda name: os.path.join(guests, name)
    c = {"LC_ALL": "C"}
    # The long ones first, so that the two workers end together.
    yield guest("loop"), lambda p: [Program("loop of a million", [p], [(":body", MILLION), (":run_loop", 1)])]
    yield "/bin/busybox", lambda p: [
        Program("busybox awk", [p, "awk", AWK, "text"], [(entry(p), 1)]),
        Program("busybox sh", [p, "sh", "-c", BUSYBOX], [(entry(p), None)])]
    yield "/usr/bin/python3", lambda p: [
        Program("python3", [p, "-c", PYTHON], [("libc.so.6:getppid", 300), ("libc.so.6:malloc", None)])]
    yield "/bin/bash", lambda p: [
        Program("bash", [p, "-c", BASH], [(f"{os.path.realpath(p)}:echo_builtin", 52), ("libc.so.6:malloc", None),
                                         ("libc.so.6:fork", 3)])]
    yield "/bin/ls", lambda p: [
        # Each name, "." and "..", and the end of the folder.
        Program("ls -l", [p, "-l", "folder"], [(entry(p), 1), ("libc.so.6:malloc", None), ("libc.so.6:readdir", FILES + 3)],
                env=c)]
    yield "/usr/bin/sha256sum", lambda p: [Program("sha256sum", [p, "text"], [(entry(p), 1), ("libc.so.6:malloc", None)])]
    yield "/bin/gzip", lambda p: [Program("gzip", [p, "-c", "text"], [(entry(p), 1), ("libc.so.6:write", None)])]
    yield "/usr/bin/awk", lambda p: [
        Program("awk", [p, AWK, "text"], [(entry(p), 1), ("libm.so.6:fmod", 1000), ("libc.so.6:malloc", None)], env=c)]
    yield "/bin/sed", lambda p: [
        Program("sed", [p, "-n", r"s/\([a-f]*\) \([0-9]\)/<\2\1>/p;500q", "text"], [(entry(p), 1), ("libc.so.6:malloc", None)],
                env=c)]
    yield "/usr/bin/sort", lambda p: [
        Program("sort", [p, "-k2,2n", "-k1,1r"], [(entry(p), 1), ("libc.so.6:malloc", None)], env=c,
                stdin="".join(f"{word} {len(word) * 7919 % 13}\n" for word in words(3000)).encode())]
    yield "/usr/bin/sqlite3", lambda p: [
        Program("sqlite3", [p, ":memory:", SQL], [(entry(p), 1), ("libsqlite3.so.0:sqlite3_step", None),
                                                 ("libc.so.6:malloc", None)])]
    yield "/usr/bin/perl", lambda p: [
        Program("perl", [p, "-e", PERL], [("libc.so.6:getppid", 300), ("libc.so.6:malloc", None)])]
    yield "/usr/bin/perl", lambda p: [
        Program("perl, every instruction of malloc", [p, "-e", PERL], every_instruction(libc_of(p), "malloc"))]
    yield guest("threads8"), lambda p: [
        Program("threads8, every instruction of add", [p], every_instruction(p, "add"), threaded=True)]
    yield guest("threads8"), lambda p: [
        Program("threads8", [p], [(":add", 8000), (":work", 8), ("libc.so.6:pthread_mutex_lock", None)], threaded=True)]
    yield guest("exceptions"), lambda p: [
        Program("exceptions", [p], [(":_Z8throw_ati", 55), ("libstdc++.so.6:__cxa_throw", 11), ("libc.so.6:malloc", None)])]
    yield guest("hello-musl"), lambda p: [Program("hello-musl", [p, "argument"], [(":main", 1)])]


def words(count):
    numbers = random.Random(4)
    return ["".join(numbers.choice("abcdefghij") for _ in range(numbers.randint(1, 12))) for _ in range(count)]


def prepare(data):
    """A text of one megabyte, the same on every machine, and a folder with some of everything in it."""
    lines = [f"{word} {i % 97} {i}\n" for i, word in enumerate(words(60000))]
    with open(f"{data}/text", "w", encoding="ascii") as file:
        file.write("".join(lines)[:MILLION])
    os.mkdir(f"{data}/folder")
    for i in range(FILES - 2):
        path = f"{data}/folder/file{i}"
        with open(path, "wb") as file:
            file.write(b"x" * (i * 1000))
        os.chmod(path, 0o600 + i)
    os.mkdir(f"{data}/folder/inner")
    os.symlink("file1", f"{data}/folder/link")
    for name in ["text", "folder"] + [f"folder/{name}" for name in os.listdir(f"{data}/folder")]:
        os.utime(f"{data}/{name}", (981173106, 981173106), follow_symlinks=False)  # 2001: long ago for every clock


def own_words(stderr):
    """What the guest wrote to standard error: trapline's own lines carry its name."""
    return b"".join(line for line in stderr.splitlines(keepends=True) if not line.startswith(b"trapline: "))


def check_run(account, program, expected, run, what):
    account.equal(run.code, expected.code, f"{what}: exit code")
    account.check(run.stdout == expected.stdout, f"{what}: output {run.stdout[-300:]!r} instead of {expected.stdout[-300:]!r}"
                  f", standard error {run.stderr[-300:]!r}")
    account.equal(own_words(run.stderr)[-300:], expected.stderr[-300:], f"{what}: standard error")
    if run.result is None:
        account.check(False, f"{what}: no result: {run.stderr[-300:]!r}")
        return []
    counts = []
    for (spec, known), probe in zip(program.probes, run.result["probes"]):
        where = f"{what}: {spec}"
        account.equal(probe["status"], "armed", f"{where}: status")
        account.equal(probe["executions"], probe["hits"] - probe["repeated"] + probe["missed"],
                      f"{where}: executions against hits - repeated + missed")
        if known is not None:
            account.equal(probe["executions"], known, f"{where}: executions")
        if run.result["strategy"] == "xol" or not program.threaded:
            account.equal(probe["missed"], 0, f"{where}: missed")
        counts.append(probe["executions"])
    return counts


def try_program(account, program, trapline, data):
    began = time.monotonic()
    expected = native(program.argv, env=program.env, cwd=data, stdin=program.stdin)
    specs, seen = [spec for spec, _ in program.probes], {}
    for strategy in (None, "xol", "inline"):
        for cpus in (1, 4):
            run = trapline.run(program.argv, probes=specs if strategy else [], strategy=strategy or "xol", cpus=cpus,
                               env=program.env, cwd=data, stdin=program.stdin)
            what = f"{program.name}, {strategy or 'no probes'}, {cpus} CPU{'s' if cpus > 1 else ''}"
            if not strategy and run.result is not None:
                run.result["probes"] = []
            counts = check_run(account, program, expected, run, what)
            if strategy:
                seen[what] = counts
    # How often a lock is tried may depend on who runs when; everything else is the program's own doing.
    if not program.threaded:
        first, counts = next(iter(seen.items()))
        for what, others in seen.items():
            account.equal(others, counts, f"{what}: executions, against {first}")
    counts = next(iter(seen.values()))
    print(f"{time.monotonic() - began:5.1f} s  {program.name}: exit {expected.code}, {len(expected.stdout)} bytes, "
          f"executions {counts if len(counts) < 5 else f'{sum(counts)} at {len(counts)} probes'}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--only", help="only programs whose name contains this")
    options = parser.parse_args()
    account = Account()
    trapline = Trapline(options.trapline)
    with tempfile.TemporaryDirectory(prefix="trapline-real-") as data:
        prepare(data)
        jobs = []
        for path, make in programs(os.path.abspath(options.guests)):
            if not os.path.exists(path):
                account.skip(f"{path}: not on this machine")
                continue
            jobs += [lambda p=p: try_program(account, p, trapline, data)
                     for p in make(path) if not options.only or options.only in p.name]
        in_parallel(jobs)
    account.finish()


if __name__ == "__main__":
    sys.exit(main())
