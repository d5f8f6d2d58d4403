#!/usr/bin/env python3
"""determinism: the same inputs give the same event log, byte for byte, whatever the host is doing.

Subjects are every scenario with each of its strategies, a program with eight threads under three schedules and both
strategies, and a bash pipeline. Each runs once quietly; what came out (the event log, the JSON document with its log
hash, the output) has to come out again in every further run. Those differ in what must not matter: load on the other
core, host address randomisation, the working directory, the host's environment, limits, umask and inherited
descriptors. Other runs differ in what must matter: the schedule's seed, the machine's seed, the number of CPUs.

    determinism.py --trapline COMMAND --two-runs COMMAND --guests DIR --scenarios DIR [--runs N] [--only NAME]

CI makes ten runs; the hundred of the project's promise are made by hand with --runs 100.
"""

import argparse
import glob
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

from common import Account, copy_into, in_parallel

PIPELINE = 'twice() { echo $(( $1 * 2 )); }; for i in {1..20}; do twice $i; done | sort -rn | head -n 5; ' \
           'seq 50 | sort | tail -n 1; exit 3'


class Conditions:
    """What one run is surrounded by: everything in here is the host's business and none of the guest's."""

    def __init__(self, number, folders, setarch):
        self.cwd = folders[number % len(folders)]
        self.env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nowhere"}
        if number % 2 == 0:
            self.env |= {"LANG": "tr_TR.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu", "TERM": "dumb",
                         "MALLOC_PERTURB_": str(number + 1), "COLUMNS": "7", "X" * (number * 37 + 1): "y" * 999}
        umask = ("022", "077", "000")[number % 3]
        files = ("", "3</dev/null", "3</dev/null 7</dev/null")[number % 3]
        surroundings = f'umask {umask}; ulimit -S -n {200 + number}; ulimit -S -s {4096 + 64 * number}; exec "$@" {files}'
        self.prefix = ["sh", "-c", surroundings, "sh", *([setarch, "-R"] if setarch and number % 3 else [])]


class Load:
    """A process that keeps the other core busy while it is open."""

    def __init__(self, wanted):
        self.wanted, self.process = wanted, None

    def __enter__(self):
        if self.wanted:
            self.process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()


class Subject:
    def __init__(self, name, make_command):
        self.name, self.make_command = name, make_command

    def run(self, conditions):
        """Everything that comes out of one run, and a short form of it."""
        with tempfile.TemporaryDirectory(prefix="trapline-same-") as folder:
            log, json_file = f"{folder}/log", f"{folder}/json"
            done = subprocess.run([*conditions.prefix, *self.make_command(json_file, log)], env=conditions.env,
                                  cwd=conditions.cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                                  check=False)
            digest = hashlib.sha256()
            for path in (log, json_file):
                if os.path.exists(path):
                    with open(path, "rb") as file:
                        digest.update(file.read())
            size = os.path.getsize(log) if os.path.exists(log) else 0
        digest.update(done.stdout)
        return done.returncode, size, digest.hexdigest()[:16], done.stderr[-200:]


def scenarios(trapline, guests, folder):
    listed = subprocess.run([trapline, "list", "strategies"], capture_output=True, text=True, check=True).stdout
    every = [line.split()[0] for line in listed.splitlines() if line and not line[0].isspace()]
    for path in sorted(glob.glob(f"{folder}/*/*.toml")):
        with open(path, "rb") as file:
            scenario = tomllib.load(file)
        if "explore" in scenario and "schedule" not in scenario.get("run", {}):
            continue  # a search is many runs, a log holds one
        for strategy in scenario.get("run", {}).get("strategies", ["all"]):
            for name in every if strategy == "all" else [strategy]:
                yield Subject(f"{os.path.relpath(path, folder)}, {name}",
                              lambda json_file, log, p=path, s=name: [trapline, "replay", "--guests", guests, "--json",
                                                                      json_file, "--log", log, "--strategy", s, p])


def run_of(trapline, root, argv, *options):
    return lambda json_file, log: [trapline, "run", "--quiet", "--root", root, "--json", json_file, "--log", log, *options,
                                   "--", *argv]


def programs(trapline, root, has_bash):
    probes = ["-p", ":add", "-p", "libc.so.6:malloc", "-p", "libc.so.6:pthread_mutex_lock"]
    for strategy in ("xol", "inline"):
        for schedule in ("rr", "random:11", "pct:3:11"):
            yield Subject(f"threads8, {strategy}, {schedule}",
                          run_of(trapline, root, ["/threads8"], "--cpus", "4", "--strategy", strategy, "--schedule", schedule,
                                 *probes))
        if has_bash:
            yield Subject(f"bash pipeline, {strategy}",
                          run_of(trapline, root, ["/bin/bash", "-c", PIPELINE], "--cpus", "3", "--strategy", strategy, "-p",
                                 "/bin/bash:echo_builtin", "-p", "libc.so.6:malloc"))


def check_same(account, subjects, runs, folders, setarch):
    """Round after round, every second one beside a process that takes a core; in each, two subjects at a time."""
    firsts = in_parallel([lambda s=s: s.run(Conditions(0, folders, None)) for s in subjects])
    for subject, first in zip(subjects, firsts):
        account.check(first[1] > 0, f"{subject.name}: no event log; exit {first[0]}: {first[3]}")
    for number in range(1, runs):
        conditions = Conditions(number, folders, setarch)
        with Load(number % 2 == 1):
            results = in_parallel([lambda s=s: s.run(conditions) for s in subjects])
        for subject, first, again in zip(subjects, firsts, results):
            account.equal(again[:3], first[:3], f"{subject.name}, run {number}: exit, size of log, digest")


def check_different(account, trapline, root, folders):
    """What is an input has to show."""
    def outcome(argv, *options):
        return Subject("", run_of(trapline, root, argv, "-p", ":add" if argv == ["/threads8"] else "libc.so.6:malloc",
                                  *options)).run(Conditions(0, folders, None))

    settings = [("--schedule", f"random:{seed}", "--cpus", "4") for seed in range(4)]
    settings += [("--cpus", "2"), ("--cpus", "3"), ("--strategy", "inline")]
    logs = {setting: outcome(["/threads8"], *setting) for setting in settings}
    for a, b in itertools.combinations(settings, 2):
        account.check(logs[a][2] != logs[b][2], f"threads8 is the same with {' '.join(a)} and with {' '.join(b)}")
    seeds = [outcome(["/head", "-c", "16", "/dev/urandom"], "--seed", seed)[:3] for seed in ("1", "2", "1")]
    account.check(seeds[0] != seeds[1], "two seeds gave the same random numbers")
    account.equal(seeds[2], seeds[0], "the same seed again")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--two-runs", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--scenarios", required=True)
    parser.add_argument("--runs", type=int, default=10, help="per subject (default 10)")
    parser.add_argument("--only", help="only subjects whose name contains this")
    options = parser.parse_args()
    trapline, guests = os.path.abspath(options.trapline), os.path.abspath(options.guests)
    account, began = Account(), time.monotonic()
    setarch = shutil.which("setarch")
    if not setarch:
        account.skip("without address randomisation: no setarch on this machine")
    with tempfile.TemporaryDirectory(prefix="trapline-root-") as root:
        copy_into(root, os.path.join(guests, "threads8"), "/threads8")
        copy_into(root, shutil.which("head"), "/head")
        has_bash = os.path.exists("/bin/bash")
        if has_bash:
            for path in ("/bin/bash", "/usr/bin/sort", "/usr/bin/head", "/usr/bin/tail", "/usr/bin/seq"):
                copy_into(root, path)
        else:
            account.skip("bash pipeline: no /bin/bash on this machine")
        folders = ["/", root, guests, tempfile.gettempdir()]
        subjects = [*programs(trapline, root, has_bash), *scenarios(trapline, guests, os.path.abspath(options.scenarios))]
        subjects = [s for s in subjects if not options.only or options.only in s.name]
        check_same(account, subjects, options.runs, folders, setarch)
        check_different(account, trapline, root, folders)
        twice = subprocess.run([os.path.abspath(options.two_runs), root, "/threads8", ":add"], capture_output=True,
                               text=True, check=False)
        account.check(twice.returncode == 0, f"two runs in one process: {twice.stdout} {twice.stderr}")
    print(f"{len(subjects)} subjects, {options.runs} runs of each, {time.monotonic() - began:.0f} s")
    account.finish()


if __name__ == "__main__":
    sys.exit(main())
