#!/usr/bin/env python3
"""fuzz-calls: system calls at random do no harm: the machine goes on, and nothing outside changes.

    fuzz_calls.py --trapline COMMAND --guest FUZZ_CALLS [--calls N] [--seed S] [--rounds R]

Each round is one machine that makes CALLS calls of a seed of its own. It has to end by itself with exit code 0 and the
same log twice is not asked for here; what it may not do is crash, hang, use more memory than the guest's limit and some,
or change a file beside the folder that it may write to. TRAPLINE_FUZZ_CALLS in the environment overrules --calls.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

LETTERS = {"descriptor": "f", "string": "s", "unsigned": "u", "offset": "u", "int": "i", "signal": "i"}
POINTERS = {"pointer", "buffer", "bytes", "timespec", "list of strings"}
SECONDS = 1500
MOST_BYTES = 6 << 30  # resident: the guest's memory and trapline's own


def kinds(trapline):
    items = json.loads(subprocess.run([trapline, "list", "syscalls", "--json", "-"], capture_output=True, check=True).stdout)
    for item in items["items"]:
        if item["arguments"] and not item["status"].startswith("refused"):
            letters = (LETTERS.get(kind, "p" if kind in POINTERS else "x") for kind in item["arguments"])
            yield f"{item['number']} {''.join(letters)}\n"


def beside(folder):
    """What must not change: names, contents and attributes."""
    seen = {}
    for path, names, files in os.walk(folder):
        for name in sorted(names + files):
            full = os.path.join(path, name)
            status = os.lstat(full)
            content = open(full, "rb").read() if os.path.isfile(full) else b""
            seen[full] = (status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, status.st_size, content)
    return seen


def round_of(given, seed, calls):
    with tempfile.TemporaryDirectory() as folder:
        outside, inside = f"{folder}/outside", f"{folder}/inside"
        os.mkdir(outside)
        os.mkdir(inside)
        for name in ("file", "other"):
            with open(f"{outside}/{name}", "w", encoding="ascii") as file:
                file.write("kept")
        with open(f"{inside}/kinds", "w", encoding="ascii") as file:
            file.writelines(kinds(given.trapline))
        before = beside(outside)
        start = time.monotonic()
        process = subprocess.Popen([given.trapline, "run", "--quiet", "--seed", str(seed), "--write", inside, "--",
                                    os.path.abspath(given.guest), str(seed), str(calls)], cwd=inside,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            err += f"no end after {SECONDS} s".encode()
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
        seconds = time.monotonic() - start
        # The guest writes anything anywhere, its standard output included.
        said = out.splitlines()[-1].decode(errors="replace")[-200:] if out else "nothing"
        print(f"seed {seed}: {said}; {seconds:.1f} s, {used >> 20} MiB")
        wrong = []
        if process.returncode != 0:
            wrong.append(f"exit code {process.returncode}: {err.decode(errors='replace')[-2000:]}")
        if b"defect" in err or b"Sanitizer" in err:
            wrong.append(err.decode(errors="replace")[-2000:])
        if used > MOST_BYTES:
            wrong.append(f"{used >> 20} MiB of the host's memory were used")
        if beside(outside) != before:
            wrong.append("something outside of the folder that it may write to has changed")
        # Names that nobody can enter would stay behind.
        subprocess.run(["chmod", "-R", "u+rwX", inside], check=False, stderr=subprocess.DEVNULL)
    for text in wrong:
        print(f"  seed {seed}: {text}")
    return not wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    given.trapline = os.path.abspath(given.trapline)
    calls = int(os.environ.get("TRAPLINE_FUZZ_CALLS", given.calls))
    ended = [round_of(given, given.seed + i, calls // given.rounds) for i in range(given.rounds)]
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
