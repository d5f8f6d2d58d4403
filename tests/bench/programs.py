#!/usr/bin/env python3
"""programs: what programs cost natively, in the machine, under qemu-user and under valgrind's `none` tool, in one run.

    programs.py --trapline COMMAND [--times N] [--match TEXT]

CPU time of all processes of a run, the least of N runs. Each line is one program, because qemu-user does not follow a program
that another one starts. What they print is compared with the native run. Prints a Markdown table.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "programs"))
import commands

PROGRAMS = [
    ("true",),
    ("bash", "-c", "s=0; for ((i = 0; i < 30000; i++)); do s=$((s + i * i % 7)); done; echo $s"),
    ("sort", "-k2,2n", "-k1,1", "text"),
    ("gawk", '{ c[$2]++; s += $3 } END { for (k in c) n++; printf "%d %d %.3f\\n", n, s, s / NR }', "text"),
    ("sed", "s/\\([a-j]*\\) \\([0-9]*\\)/\\2:\\1/", "text"),
    ("grep", "-P", "^(\\w)\\w*\\1 ", "text"),
    ("sha256sum", "text"),
    ("gzip", "-c", "text"),
    ("xz", "-1", "-c", "text"),
    ("bzip2", "-c", "text"),
    ("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:x", "-S", "0011223344556677", "-in", "text"),
    ("python3", "-c", "import json; d = {str(i): [i, i * 0.5] for i in range(20000)}; print(len(json.loads(json.dumps(d))))"),
    ("perl", "-e", 'my %h; $h{$_ % 97} .= $_ for 1..200000; my $n = 0; $n += length for values %h; print "$n\\n"'),
    ("lua5.4", "-e", "local t = {} for i = 1, 300000 do t[i] = i * i % 101 end table.sort(t) print(t[150000])"),
    ("ruby", "-e", "puts (1..100000).map { |x| x * x % 97 }.tally.size"),
    ("jq", "-n", "[range(20000) | {n: ., s: (. * .)}] | map(select(.n % 7 == 0)) | length"),
    ("sqlite3", ":memory:", "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) "
     "select count(*), sum(i * i), max(i % 7) from n;"),
    ("bc", "-l", "pi"),
]


def cost(command, folder, times):
    """Seconds of CPU time, and what was printed; None when it failed."""
    best = None
    for _ in range(times):
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(command, cwd=folder, env=commands.environment(folder), stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                return None, b""
            seconds = used.ru_utime + used.ru_stime
            best = seconds if best is None else min(best, seconds)
            out.seek(0)
            said = out.read()
    return best, said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--match", default="")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print("| program | natively, ms | trapline, ms | qemu-user, ms | valgrind none, ms | of native | of qemu-user |\n"
          "|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        commands.fill(folder)
        with open(f"{folder}/pi", "w", encoding="ascii") as file:
            file.write("scale = 400\n4 * a(1)\nquit\n")
        for name, *arguments in PROGRAMS:
            path = shutil.which(name, path=commands.ENVIRONMENT["PATH"])
            if path is None or given.match not in name:
                continue
            settings = [f"--env={key}={value}" for key, value in commands.environment(folder).items()]
            ways = {"native": [], "trapline": [os.path.abspath(given.trapline), "run", "--quiet", *settings, "--"],
                    "qemu": ["qemu-x86_64"], "valgrind": ["valgrind", "-q", "--tool=none"]}
            seconds = {}
            for way, before in ways.items():
                seconds[way], said = cost([*before, path, *arguments], folder, given.times) if not before or \
                    shutil.which(before[0]) else (None, b"")
                if way == "native":
                    right = said
                elif seconds[way] is not None and said != right:
                    seconds[way] = None
            shown = [f"{1000 * s:.0f}" if s is not None else "fails" for s in seconds.values()]
            ratios = [f"{seconds['trapline'] / seconds[other]:.1f}" if seconds[other] and seconds["trapline"] else ""
                      for other in ("native", "qemu")]
            print(f"| {name} | " + " | ".join(shown + ratios) + " |", flush=True)
    print(f"\nOn {os.cpu_count()} CPUs; the load was {load:.1f} before and is {os.getloadavg()[0]:.1f}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
