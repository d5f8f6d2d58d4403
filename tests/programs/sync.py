#!/usr/bin/env python3
"""sync: threads that wait for each other, under many random schedules: always the right result, always the same run.

    sync.py --trapline COMMAND [--seeds N] [--match KIND] PROGRAM...

The programs are sync.c, with each C library, and async.cpp. Without arguments such a program lists its kinds of waiting;
with one it prints a line, which is the same natively and in the machine. Each kind runs twice under each of the
schedules random:1 … random:N (TRAPLINE_SYNC_SEEDS, a few unless that is set). The hash of the log has to be
equal for an equal seed, and not for all of them.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile


def run(command, seconds):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)


def under_schedule(trapline, program, kind, seed, seconds):
    """What it printed, and the hash of everything that happened."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"{folder}/result.json"
        try:
            done = run([trapline, "run", "--quiet", "--schedule", f"random:{seed}", "--json", name, "--", program, kind],
                       seconds)
        except subprocess.TimeoutExpired:
            return f"no end after {seconds} s", ""
        if done.returncode != 0:
            return f"exit {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}", ""
        with open(name, encoding="utf-8") as file:
            result = json.load(file)
        if result["leaked_frames"] != 0:
            return f"{result['leaked_frames']} frames are in use when everything is gone", ""
        return done.stdout.decode(), result["log_hash"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--seeds", type=int, default=int(os.environ.get("TRAPLINE_SYNC_SEEDS", "5")))
    parser.add_argument("--match", default="")
    parser.add_argument("--seconds", type=int, default=120, help="for one run")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("programs", nargs="+")
    given = parser.parse_args()
    wrong = runs = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for program in map(os.path.abspath, given.programs):
            for kind in run([program], 10).stdout.decode().split():
                if given.match not in kind:
                    continue
                right = run([program, kind], 60).stdout.decode()
                once, again = (pool.map(lambda seed: under_schedule(given.trapline, program, kind, seed, given.seconds),
                                        range(1, given.seeds + 1)) for _ in range(2))
                hashes = set()
                complaints = []
                for seed, (first, second) in enumerate(zip(once, again), 1):
                    runs += 2
                    hashes.add(first[1])
                    if first[0] != right:
                        complaints.append(f"random:{seed}: {first[0]!r} instead of {right!r}")
                    elif first != second:
                        complaints.append(f"random:{seed}: {first} and then {second}")
                if len(hashes) == 1 and given.seeds > 1:
                    complaints.append("every seed gives the same run")
                wrong += len(complaints)
                name = f"{os.path.basename(program)} {kind}"
                print(f"{'WRONG' if complaints else 'right':6} {name}: {len(hashes)} different runs under {given.seeds} schedules")
                for complaint in complaints[:5]:
                    print("  " + complaint)
                sys.stdout.flush()
    print(f"{runs} runs, {wrong} wrong")
    return 1 if wrong or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
