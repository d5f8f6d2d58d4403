#!/usr/bin/env python3
"""crowds: many threads and many processes at once, as natively; memory returns; what a fork costs.

    crowds.py --trapline COMMAND --guest CROWD [--threads N] [--processes N] [--forks N]

CROWD is crowd.c. Each run happens once and then several times over in one machine: the host's memory must not grow with the
number of times, and the machine counts its frames when everything is gone. --forks N says what one of N forks of a
python3 costs the host, its wait and exit included; it takes both times of the CPU, so that other work disturbs it less.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

FORKS = """
import json, os, re, sys, threading
for i in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0: os._exit(0)
    os.waitpid(child, 0)
"""


class Ran:
    def __init__(self, trapline, command):
        with tempfile.TemporaryDirectory() as folder:
            result = f"{folder}/result.json"
            process = subprocess.Popen([trapline, "run", "--quiet", "--json", result, "--", *command],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            self.out = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = self.code = os.waitstatus_to_exitcode(status)
            self.seconds, self.kilobytes = used.ru_utime + used.ru_stime, used.ru_maxrss
            with open(result, encoding="utf-8") as file:
                self.result = json.load(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--threads", type=int, default=10000)
    parser.add_argument("--processes", type=int, default=500)
    parser.add_argument("--forks", type=int, default=100)
    given = parser.parse_args()
    wrong = []
    for what, number in (("threads", given.threads), ("processes", given.processes)):
        runs = []
        for times in (1, 3):
            command = [os.path.abspath(given.guest), what, str(number), str(times)]
            native = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
            own = Ran(given.trapline, command)
            runs.append(own)
            print(f"{number} {what}, {times} times: {own.seconds:.2f} s of CPU time, {own.kilobytes // 1024} MB")
            if native.returncode == 0 and (own.code, own.out) != (0, native.stdout):
                wrong.append(f"{what}: exit {own.code}, {own.out!r} instead of {native.stdout!r}")
            if own.result["leaked_frames"] != 0:
                wrong.append(f"{what}: {own.result['leaked_frames']} frames are in use when everything is gone")
        # Not a kilobyte for each, and what the host's pages in use vary by.
        if runs[1].kilobytes > runs[0].kilobytes + number + 4096:
            wrong.append(f"{what}: {runs[0].kilobytes} kB grow to {runs[1].kilobytes} kB when it happens three times")
    if given.forks > 0:
        python = [sys.executable, "-I", "-c", FORKS]
        none, many = (Ran(given.trapline, [*python, str(forks)]) for forks in (1, given.forks + 1))
        print(f"a fork of python3: {1000 * (many.seconds - none.seconds) / given.forks:.2f} ms of CPU time")
        if many.code != 0 or many.result["processes"] != given.forks + 2 or many.result["leaked_frames"] != 0:
            wrong.append(f"forks: exit {many.code}, {many.result['processes']} processes")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
