#!/usr/bin/env python3
"""stressors: stress-ng, one operation at a time, must come to the same verdict natively and in the machine.

    stressors.py --trapline COMMAND [--all] [--match TEXT] [--table FILE] [--jobs N] [-- OPTIONS OF trapline run]

Each line of stressors.txt is a stressor, how many operations it makes, and further options. It runs as
`stress-ng --verify --NAME 1 --NAME-ops N`. The verdict is stress-ng's: the exit code, whether the stressor was skipped,
what it says has failed, and that it made its operations. Without --all it is the sample that is marked with `*`.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
SKIPPED = 77


def read_lines(path):
    """(name, options, is in the sample)"""
    with open(path, encoding="utf-8") as file:
        for text in file:
            if text.strip() and not text.startswith("#"):
                name, operations, *more = text.removeprefix("* ").split()
                yield name, [f"--{name}", "1", f"--{name}-ops", operations, *more], text.startswith("* ")


def verdict(name, code, said):
    """What a run says, without numbers of processes, times and addresses."""
    failures = sorted({re.sub(r"0x[0-9a-f]+|\d+", "N", line.split("] ", 1)[-1])
                       for line in said.splitlines() if ": fail:" in line or ": error:" in line})
    made = re.search(rf"metrc:.*\] {name} +(\d+) ", said)
    return {"exit code": code, "skipped": "skipp" in said, "failures": failures,
            "operations made": made is not None and int(made.group(1)) > 0}


def run(name, options, before, folder, seconds):
    command = [*before, "stress-ng", "--verify", "--metrics", "--temp-path", folder, *options]
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=dict(ENVIRONMENT, HOME=folder, TMPDIR=folder), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = process.communicate(timeout=seconds)[0]
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        said = process.communicate()[0]
        code = f"no end after {seconds} s"
    said = said.decode(errors="replace")
    return verdict(name, code, said), said, time.monotonic() - start


def compare(line, trapline, options, seconds):
    """Whether it runs natively here, the differences as text, and how long both took."""
    name, stress, _ = line
    with tempfile.TemporaryDirectory() as folder:
        native, _, native_seconds = run(name, stress, [], folder, min(seconds, 20))
    if native["exit code"] != 0 or native["skipped"]:
        return False, "", native_seconds, 0.0
    with tempfile.TemporaryDirectory() as folder:
        before = [trapline, "run", "--quiet", "--write", folder, "--env", f"HOME={folder}", "--env", f"TMPDIR={folder}",
                  *options, "--"]
        own, said, own_seconds = run(name, stress, before, folder, seconds)
    wrong = "".join(f"{what}: {own[what]} instead of {native[what]}\n" for what in native if native[what] != own[what])
    return True, wrong + (said[-1500:] if wrong else ""), native_seconds, own_seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--all", action="store_true", default=bool(os.environ.get("TRAPLINE_ALL_STRESSORS")))
    parser.add_argument("--match", default="", help="only stressors whose name contains this")
    parser.add_argument("--table", help="write a Markdown table with times")
    parser.add_argument("--seconds", type=int, default=120, help="for one stressor")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("options", nargs="*", help="options of trapline run")
    given = parser.parse_args()
    if shutil.which("stress-ng", path=ENVIRONMENT["PATH"]) is None:
        print("skipped: stress-ng is not on this machine")
        return SKIPPED
    trapline = os.path.abspath(given.trapline)
    lines = [line for line in read_lines(f"{HERE}/stressors.txt")
             if (given.all or given.match or line[2]) and given.match in line[0]]
    failed = idle = 0
    rows = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for line, (runs, wrong, theirs, own) in zip(lines, pool.map(
                lambda line: compare(line, trapline, given.options, given.seconds), lines)):
            what = "different" if wrong else "same" if runs else "not here"
            print(f"{what:9} {own:6.2f} s, natively {theirs:5.2f} s: {' '.join(line[1])}")
            if wrong:
                failed += 1
                print("  " + wrong.rstrip().replace("\n", "\n  "))
            idle += what == "not here"
            sys.stdout.flush()
            rows.append(f"| `{' '.join(line[1])}` | {theirs:.2f} | {own:.2f} | {what} |\n")
    print(f"{len(lines) - failed - idle} of {len(lines) - idle} stressors come to the same verdict, "
          f"{idle} are skipped, do not end or fail natively")
    if given.table:
        with open(given.table, "w", encoding="utf-8") as file:
            file.write("| | natively, s | trapline, s | |\n|---|---|---|---|\n" + "".join(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
