#!/usr/bin/env python3
"""The transparency matrix: what a probed program can notice, for each strategy, as the program itself says it.

The guest what-shows runs probed instructions and looks: at its text, its mappings, the memory below its stack pointer, a
return address, what pushf stores, where a fault is reported, what an address relative to RIP comes to. It is run once
under each strategy and kernel, and its answers are the columns. One more column is what a tracer sees and no program:
how often the handler ran for one `rep movsb` of eight bytes.

    matrix.py TRAPLINE GUESTS              prints the tables
    matrix.py TRAPLINE GUESTS FILE         compares the rows that FILE has (77: no such file); exit 1 if they differ
    matrix.py TRAPLINE GUESTS FILE --write puts them there
"""

import json
import os
import subprocess
import sys
import tempfile

KERNELS = ("uprobes-2010", "linux-6.18", "fixed")
POINTS = ("plain", "calls", "stores_flags", "computes", "faults")
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"


def run(trapline, strategy, kernel, points, program):
    probes = [word for point in points for word in ("-p", f":{point}")]
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "run.json")
        done = subprocess.run(
            [trapline, "run", "--quiet", "--json", answer, "--strategy", strategy, "--kernel", kernel, "--limit",
             "1000000", *probes, "--", program], capture_output=True, timeout=120, check=False)
        with open(answer, encoding="utf-8") as file:
            return done, json.load(file)


def row(trapline, guests, strategy, kernel):
    done, result = run(trapline, strategy, kernel, POINTS, os.path.join(guests, "what-shows"))
    answers = {}
    for line in done.stdout.decode().splitlines():
        what, answer = line.split(None, 1)
        answers[what] = "" if answer == "as it was" else answer
    if done.returncode != 0:
        answers["end"] = "signal %d" % (done.returncode - 128) if done.returncode > 128 else "exit %d" % done.returncode
    refused = [p["spec"].lstrip(":") for p in result["probes"] if p["status"] == "refused"]
    if refused:
        answers["refused"] = ", ".join(refused).replace("_", " ")
    _, result = run(trapline, strategy, kernel, ["k_rep_movsb"], os.path.join(guests, "kinds"))
    probe = result["probes"][0]
    answers["rep"] = "refused" if probe["status"] == "refused" else str(probe["hits"])
    return answers


def table(trapline, guests, strategies, kernel):
    columns = ("text", "maps", "stack", "call", "flags", "fault", "rip", "rep", "end", "refused")
    rows = [(name, row(trapline, guests, name, kernel)) for name in strategies]
    columns = [c for c in columns if any(answers.get(c) for _, answers in rows)]
    lines = [f"`{kernel}`:", "", "| strategy | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += ["| `" + name + "` | " + " | ".join(answers.get(c, "") for c in columns) + " |" for name, answers in rows]
    return "\n".join(lines) + "\n"


def main():
    trapline, guests = sys.argv[1:3]
    listed = json.loads(subprocess.run([trapline, "list", "strategies", "--json", "-"], capture_output=True, check=True)
                        .stdout)
    strategies = [item["name"] for item in listed["items"]]
    if len(sys.argv) < 4:
        print("\n".join(table(trapline, guests, strategies, kernel) for kernel in KERNELS), end="")
        return 0
    path = sys.argv[3]
    if not os.path.exists(path):
        print(f"{path}: no such file")
        return 77
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
        then, after = rest.split(END)
    if "--write" not in sys.argv:
        # A strategy that is newer than the page does not make it wrong.
        strategies = [name for name in strategies if f"| `{name}` |" in then]
    now = "\n".join(table(trapline, guests, strategies, kernel) for kernel in KERNELS)
    if "--write" in sys.argv:
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + BEGIN + now + END + after)
        return 0
    if then == now:
        return 0
    print(f"{path} is not what the command says now; with --write it will be:\n\n{now}")
    return 1


sys.exit(main())
