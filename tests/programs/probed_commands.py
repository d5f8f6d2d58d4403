#!/usr/bin/env python3
"""probed-commands: what people type must do the same with probes at random functions.

    probed_commands.py --trapline COMMAND [--all] [--match TEXT] [--probes N] [--seed N] [--jobs N]

The commands are those of commands.txt, compared as commands.py does. For each, functions of the programs that it needs, of
the shell, and of the libraries that these load are drawn at random, the unwinder's table saying where functions begin. A
first run with a probe on each of some hundreds shows which are executed; then N of them are probed, most of them
executed ones, under the default schedule and under a random one. Where the command is one process of one thread, each
probe has to have the same number of hits under both. Without --all it is every third of commands.py's sample.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import commands

CANDIDATES = 150  # functions of one file in the first run
EXECUTED = 0.7    # share of the probes that are executed, if there are as many
MOST_HITS = 20000  # of one probe in the first run


def functions(path):
    """File offsets of where functions begin: the sorted table of .eh_frame_hdr (Linux Standard Base, "Exception Frames")."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:5] != b"\x7fELF\x02":
        return []
    headers, size, count = struct.unpack_from("<32xQ14xHH", data)
    segments = [struct.unpack_from("<IIQQQQQ", data, headers + i * size) for i in range(count)]
    for kind, _, offset, address, *_ in segments:
        if kind != 0x6474e550 or data[offset + 3] != 0x3b or data[offset + 2] != 3:
            continue
        entries = struct.unpack_from("<I", data, offset + 8)[0]
        begins = {address + struct.unpack_from("<i", data, offset + 12 + 8 * i)[0] for i in range(entries)}
        return sorted(start - at + where for start in begins for kind, flags, where, at, _, length, _ in segments
                      if kind == 1 and flags & 1 and at <= start < at + length)
    return []


def files_of(line):
    """The programs of a command, the shell, and what they load."""
    found = []
    for name in ["bash", *line.needs]:
        program = os.path.realpath(shutil.which(name, path=commands.ENVIRONMENT["PATH"]))
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        found += [program, *(os.path.realpath(path) for path in re.findall(r"(/\S+)", listed))]
    return list(dict.fromkeys(found))


def run(line, given, specs, *more):
    """What differs from the native run, and the JSON result."""
    with tempfile.TemporaryDirectory() as folder:
        result = f"{folder}/result.json"
        options = [*more, "--json", result]
        for spec in specs:
            options += ["-p", spec]
        wrong = commands.compare(line, given.trapline, options, given.seconds)[0]
        if not os.path.exists(result):
            return wrong + "no result\n", {"probes": [], "processes": 0, "threads": 0}
        with open(result, encoding="utf-8") as file:
            return wrong, json.load(file)


def check(line, given):
    numbers = random.Random(f"{given.seed} {line.text}")
    candidates = []
    for path in files_of(line):
        begins = functions(path)
        candidates += [f"{path}:{at:#x}" for at in numbers.sample(begins, min(len(begins), CANDIDATES))]
    wrong, looked = run(line, given, candidates)
    if wrong:
        return f"with {len(candidates)} probes: {wrong}", {}
    hits = {probe["spec"]: probe["hits"] for probe in looked["probes"] if probe["status"] == "armed"}
    executed = [spec for spec in candidates if 0 < hits.get(spec, 0) <= MOST_HITS]
    chosen = numbers.sample(executed, min(len(executed), int(EXECUTED * given.probes)))
    others = [spec for spec in candidates if hits.get(spec, 0) == 0]
    chosen += numbers.sample(others, min(len(others), given.probes - len(chosen)))
    wrong, first = run(line, given, chosen)
    wrong_too, second = run(line, given, chosen, "--schedule", f"random:{given.seed}")
    if wrong_too:
        wrong += f"under random:{given.seed}: {wrong_too}"
    single = all(result["processes"] == result["threads"] == 1 for result in (first, second))
    pairs = [(a["spec"], a["hits"], b["hits"]) for a, b in zip(first["probes"], second["probes"])]
    for spec, once, again in pairs:
        if single and once != again:
            wrong += f"{spec}: {once} hits, and {again} under random:{given.seed}\n"
    for result in (first, second):
        for probe in result["probes"]:
            if probe["missed"] or probe["repeated"] or probe["executions"] != probe["hits"]:
                wrong += f"{probe['spec']}: {probe}\n"
    return wrong, {"single": single, "hit": sum(once > 0 for _, once, _ in pairs), "hits": sum(once for _, once, _ in pairs),
                   "equal": sum(once == again for _, once, again in pairs), "probes": len(pairs)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--all", action="store_true", default=bool(os.environ.get("TRAPLINE_ALL_COMMANDS")))
    parser.add_argument("--match", default="", help="only lines that contain this")
    parser.add_argument("--probes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=600, help="for one run")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    given.trapline = os.path.abspath(given.trapline)
    lines = [line for line in commands.read_lines(f"{commands.HERE}/commands.txt")
             if (given.all or given.match or line.sampled) and given.match in line.text and not line.missing()]
    if not given.all and not given.match:
        lines = lines[::3]
    failed = hits = hit = probes = single = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for line, (wrong, counts) in zip(lines, pool.map(lambda line: check(line, given), lines)):
            print(f"{'DIFFERENT' if wrong else 'same':9} {line.text[:80]}\n          {counts}")
            if wrong:
                failed += 1
                print("  " + wrong.rstrip()[:3000].replace("\n", "\n  "))
            sys.stdout.flush()
            hits += counts.get("hits", 0)
            hit += counts.get("hit", 0)
            probes += counts.get("probes", 0)
            single += counts.get("single", False)
    print(f"seed {given.seed}: {len(lines) - failed} of {len(lines)} commands the same with {probes} probes in sum, {hit} of them hit, "
          f"{hits} hits; {single} commands are single-threaded")
    if failed:
        return 1
    return 0 if lines else commands.SKIPPED


if __name__ == "__main__":
    sys.exit(main())
