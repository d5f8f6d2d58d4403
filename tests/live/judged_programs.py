#!/usr/bin/env python3
"""judged-programs: programs that people use, with probes at random instructions, on the live kernel and emulated.

For each program, instructions of its file and of the libraries that it loads are drawn at random (the seed is printed
and can be given), more than half of them among those that the program executes, which the emulated machine says. A fifth
are functions that have a name, their entries and their returns.
`trapline judge` then counts the hits of each on both sides, and compares errnos, the exit and the output. The boundaries
of instructions are the disassembler's of binutils. What asks the processor who it is (within a kilobyte of a CPUID
instruction) is not drawn: the answer is another one, and no kernel has a say in it.

    judged_programs.py --trapline COMMAND [--probes N] [--seed N] [--only NAME] [--table]

Without --probes a sample: a live probe takes its time to be closed. `--probes 200 --table` prints what docs/judge.md has.
"""

import argparse
import bisect
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from common import SKIP, Account, Elf, Trapline, libraries, skip

SAMPLE, EXECUTED, FUNCTIONS = 16, 0.6, 0.2
MOST_HITS = 5000  # of one probe: a step out of line takes a virtual machine some 15 microseconds
WINDOWS, WINDOW, SETTLE = 48, 1 << 11, 64
CPUID, NEAR = b"\x0f\xa2", 1 << 10
BASH = "f() { echo $(( $1 * $1 )); }; for i in {1..20}; do f $i; done; a=(x y z); echo ${#a[@]}; case $i in 20) exit 7;; esac"
PYTHON = "import json; print(sum(i * i for i in range(300)), sorted('probe trap line'.split()), json.dumps({'a': [1, 0.5]}))"
SQL = "create table a(x, y); insert into a values (1, 'one'), (2, 'two'), (3, 'three'); create index i on a(y);" \
      "select y, count(*), sum(x) from a group by y order by y desc; select upper(y) from a where x > 1;"
PERL = r'my %h = map { $_ => $_ ** 2 } 1..20; print "$_=$h{$_}\n" for sort { $a <=> $b } keys %h; ' \
       r'my $t = "a-b-c"; $t =~ s/(\w)-/<$1>/g; print "$t\n"; exit 3'


def programs(data):
    """Name, the program, its arguments, its environment, and whether threads make counts a matter of order. (Not
    `python3 -I`: it ignores PYTHONHASHSEED, too, and hashes by random bytes.)"""
    text = f"{data}/text"
    return [("bash", "/usr/bin/bash", ["-c", BASH], {}, False),
            ("python3", "/usr/bin/python3", ["-s", "-P", "-S", "-c", PYTHON], {"PYTHONHASHSEED": "0"}, False),
            ("sqlite3", "/usr/bin/sqlite3", [":memory:", SQL], {}, False),
            ("perl", "/usr/bin/perl", ["-e", PERL], {"PERL_HASH_SEED": "0"}, False),
            ("gzip", "/usr/bin/gzip", ["-9", "-n", "-c", text], {}, False),
            ("sort with 4 threads", "/usr/bin/sort", ["--parallel=4", "-S", "20M", "-k2,2n", "-k1,1", text],
             {"LC_ALL": "C"}, True),
            ("openssl", "/usr/bin/openssl", ["dgst", "-sha256", "-hmac", "key", text], {}, False)]


def executable_parts(path):
    """File offset and address of each executable segment."""
    elf = Elf(path)
    count = int.from_bytes(elf.data[56:58], "little")
    for i in range(count):
        at = int.from_bytes(elf.data[32:40], "little") + i * 56
        word = lambda offset, size=8: int.from_bytes(elf.data[at + offset:at + offset + size], "little")
        if word(0, 4) == 1 and word(4, 4) & 1:
            yield word(8), word(16), word(32)


def asks_who_it_is(path):
    """Whether the processor is asked who it is near a file offset, as a function."""
    with open(path, "rb") as file:
        asks = [match.start() for match in re.finditer(re.escape(CPUID), file.read())]

    def nearby(offset):
        i = bisect.bisect(asks, offset)
        return any(abs(at - offset) < NEAR for at in asks[max(i - 1, 0):i + 1])

    return nearby


def some_functions(path, numbers, count):
    """File offsets of functions that have a name."""
    parts, elf, asks_nearby = list(executable_parts(path)), Elf(path), asks_who_it_is(path)
    offsets = {at - address + offset for at in elf.symbols.values() for offset, address, size in parts
               if address <= at < address + size}
    return numbers.sample(sorted(at for at in offsets if not asks_nearby(at)), min(len(offsets) // 2, count))


def some_instructions(path, numbers, count):
    """File offsets of instructions, from windows at random places; a disassembler soon finds its feet."""
    parts, asks_nearby, found = list(executable_parts(path)), asks_who_it_is(path), set()
    for _ in range(WINDOWS):
        offset, address, size = numbers.choice(parts)
        start = address + numbers.randrange(max(size - WINDOW, 1))
        listed = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                                 f"--stop-address={start + WINDOW:#x}", path], capture_output=True, text=True, check=True)
        lines = [line.split("\t") for line in listed.stdout.splitlines() if line.startswith(" ") and ":\t" in line]
        # Not what stands between functions, and nothing that is no instruction.
        good = [int(at.strip(" :"), 16) for at, *rest in lines[SETTLE:-1] if rest and rest[0].strip() not in ("(bad)", "int3")]
        found.update(at - address + offset for at in numbers.sample(good, min(len(good), 1 + 2 * count // WINDOWS)))
    return sorted(offset for offset in found if not asks_nearby(offset))


def choose(trapline, name, path, args, env, probes, seed):
    """Specifications of probes: some that are executed, and others."""
    numbers = random.Random(f"{seed} {name}")
    files = [os.path.realpath(path)] + [os.path.realpath(library) for library in libraries(path)]
    instructions, functions = [], []
    for file in files:
        share = 12 * probes if file == files[0] or "/libc.so" in file else 3 * probes
        instructions += [f"{file}:{at:#x}" for at in some_instructions(file, numbers, share)]
        named = some_functions(file, numbers, share)
        functions += [f"{'uretprobe:' * (i % 2)}{file}:{at:#x}" for i, at in enumerate(named)]
    looked = trapline.run([path, *args], probes=instructions + functions, env=env, strategy="nop5")
    if looked.result is None:
        raise RuntimeError(looked.stderr.decode()[-500:])
    hits = {p["spec"]: p["hits"] for p in looked.result["probes"] if p["status"] == "armed"}

    def draw(candidates, count):
        executed = [spec for spec in candidates if 0 < hits.get(spec, 0) <= MOST_HITS]
        chosen = numbers.sample(executed, min(len(executed), int(EXECUTED * count)))
        others = [spec for spec in candidates if hits.get(spec, 0) == 0]
        return chosen + numbers.sample(others, min(len(others), count - len(chosen)))

    drawn = draw(functions, int(FUNCTIONS * probes))
    return draw(instructions, probes - len(drawn)) + drawn


def judge(command, path, args, env, specs, threads):
    line = [command, "judge", "--json", "-", "--timeout", "250", "--cpus", "2" if threads else "1"]
    for key, value in env.items():
        line += ["--env", f"{key}={value}"]
    for spec in specs:
        line += ["-p", spec]
    return subprocess.run([*line, "--", path, *args], capture_output=True, stdin=subprocess.DEVNULL, cwd="/", check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--probes", type=int, default=int(os.environ.get("TRAPLINE_JUDGED_PROBES", SAMPLE)))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    trapline, account, rows = Trapline(options.trapline), Account(), []
    tried = subprocess.run([trapline.path, "judge", "--", "/bin/true"], capture_output=True, check=False)
    if tried.returncode == SKIP:
        skip(tried.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="trapline-judged-") as data:
        numbers = random.Random(4)
        with open(f"{data}/text", "w", encoding="ascii") as file:
            file.write("".join(f"{''.join(numbers.choices('abcdefghij', k=numbers.randint(1, 12)))} {i % 97} {i}\n"
                               for i in range(1500)))
        for name, path, args, env, threads in programs(data):
            if options.only not in name:
                continue
            if not os.path.exists(path):
                account.skip(f"{name}: not on this machine")
                continue
            began = time.monotonic()
            specs = choose(trapline, name, path, args, env, options.probes, options.seed)
            done = judge(trapline.path, path, args, env, specs, threads)
            if not account.check(done.returncode in (0, 1), f"{name}: exit {done.returncode}: {done.stderr.decode()[-500:]}"):
                continue
            verdict = json.loads(done.stdout)
            for probe in verdict["probes"]:
                account.check(probe["agree"], f"{name}: {probe['spec']}: live {probe['live_hits']} (errno "
                              f"{probe['live_errno']}), emulated {probe['emulated_hits']} ({probe['emulated_errno']})")
            account.check(verdict["exit_agrees"] and verdict["stdout_agrees"] and verdict["stderr_agrees"],
                          f"{name}: exit {verdict['live_exit']} live and {verdict['emulated_exit']} emulated, or the output")
            of = verdict["probes"]
            rows.append((name, len(of), sum(p["live_hits"] > 0 for p in of), sum(p["live_errno"] != 0 for p in of),
                         sum(p["live_hits"] for p in of), sum(p["agree"] for p in of)))
            print(f"{time.monotonic() - began:5.1f} s  {name}, seed {options.seed}: {rows[-1][1]} probes, {rows[-1][2]} hit, "
                  f"{rows[-1][3]} refused, {rows[-1][4]} live hits, {rows[-1][5]} agree", flush=True)
    if options.table:
        print("| program | probes | hit | refused | live hits | equal |\n|---|---|---|---|---|---|")
        for row in rows:
            print("| " + " | ".join(map(str, row)) + " |")
    account.finish()


if __name__ == "__main__":
    sys.exit(main())
