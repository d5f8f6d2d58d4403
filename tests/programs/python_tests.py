#!/usr/bin/env python3
"""python_tests: the tests of Python's standard library must pass in the machine where they pass natively.

    python_tests.py --trapline COMMAND [--all] [--seconds N] [--table FILE] [--verbose] [MODULE...] [-- OPTIONS]

Debian's libpython3.11-testsuite has the tests. python_tests.txt lists the modules, with a `*` those that every test run
takes, and below each the tests that are known to end differently, and why. A module runs as
`python3.11 -m test -v MODULE`, natively and in the machine; each test that passes natively has to pass in the machine.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3.11"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
SKIPPED = 77


class Module:
    def __init__(self, text):
        self.sampled = text.startswith("* ")
        self.name, *self.options = text.removeprefix("* ").split()
        self.known = []  # (pattern, reason)

    def reason(self, test):
        return next((why for pattern, why in self.known if fnmatch.fnmatch(test, pattern)), None)


def read_modules(path):
    modules = []
    with open(path, encoding="utf-8") as file:
        for text in file:
            text = text.rstrip("\n")
            if text.startswith("  "):
                pattern, _, why = text.strip().partition(": ")
                modules[-1].known.append((pattern, why))
            elif text and not text.startswith("#"):
                modules.append(Module(text))
    return modules


def verdicts(said):
    """What each test came to: unittest's verbose lines, with whatever the tests print between them."""
    heads = list(re.finditer(r"^(\w+) \(test\.([\w.<>]+)\)", said, re.MULTILINE))
    found = {}
    for head, following in zip(heads, [*heads[1:], None]):
        body = said[head.end():following.start() if following else len(said)]
        body = re.split(r"^(?:=|-){70}$", body, maxsplit=1, flags=re.MULTILINE)[0]
        ends = re.findall(r"(?:^|\.\.\. |\s)(ok|FAIL|ERROR|skipped .*|expected failure|unexpected success)$", body, re.MULTILINE)
        test = head.group(2)
        name = test if test.endswith("." + head.group(1)) else f"{test}.{head.group(1)}"
        if ends or name not in found:
            found[name] = ends[0].split(" ")[0] if ends else "no end"
    return found


def run(module, before, folder, seconds):
    command = [*before, PYTHON, "-m", "test", "-v", "--tempdir", folder, module.name, *module.options]
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=dict(ENVIRONMENT, HOME=folder, TMPDIR=folder), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        said = process.communicate()[0] + f"\nno end after {seconds} s\n".encode()
    return said.decode(errors="replace"), time.monotonic() - start


# Root's tests set the clock and the host's name, if they may: natively they may not.
HARMLESS = ["setpriv", "--bounding-set=-sys_time,-sys_admin"] if os.geteuid() == 0 else []


def compare(module, given):
    with tempfile.TemporaryDirectory() as folder:
        native, native_seconds = run(module, HARMLESS, folder, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        before = [given.trapline, "run", "--quiet", "--write", folder, *given.options]
        for name, value in dict(ENVIRONMENT, HOME=folder, TMPDIR=folder).items():
            before += ["--env", f"{name}={value}"]
        own, own_seconds = run(module, [*before, "--"], folder, given.seconds)
    if given.verbose:
        print(own)
    return verdicts(native), verdicts(own), native_seconds, own_seconds, own


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--all", action="store_true", default=bool(os.environ.get("TRAPLINE_ALL_PYTHON_TESTS")))
    parser.add_argument("--seconds", type=int, default=600, help="for one module")
    parser.add_argument("--table", help="write a Markdown table")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="all that the tests say in the machine")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of trapline run")
    given = parser.parse_args()
    given.trapline = os.path.abspath(given.trapline)
    if subprocess.run([PYTHON, "-c", "import test.test_json"], env=ENVIRONMENT, capture_output=True, check=False).returncode != 0:
        print("skipped: libpython3.11-testsuite is not on this machine")
        return SKIPPED
    modules = [m for m in read_modules(f"{HERE}/python_tests.txt")
               if (m.name in given.modules if given.modules else given.all or m.sampled)]
    bad = 0
    rows = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for module, (native, own, native_seconds, own_seconds, said) in zip(modules, pool.map(
                lambda module: compare(module, given), modules)):
            passing = [test for test in native if native[test] == "ok"]
            same = [test for test in passing if own.get(test) == "ok"]
            other = [test for test in passing if test not in same and module.reason(test)]
            wrong = [test for test in passing if test not in same and not module.reason(test)]
            stale = [test for test in same if module.reason(test)]
            print(f"{module.name}: {len(same)} of {len(passing)} pass, {len(other)} known to differ, {len(wrong)} wrong; "
                  f"{own_seconds:.1f} s, natively {native_seconds:.1f} s")
            for test in wrong:
                print(f"  wrong: {test}: {own.get(test, 'was not run')}")
            for test in stale:
                print(f"  passes, though python_tests.txt lists it: {test}")
            if wrong or not passing:
                print("  " + said[-3000:].replace("\n", "\n  "))
                bad += 1
            sys.stdout.flush()
            rows.append(f"| {module.name} | {len(passing)} | {len(same)} | {native_seconds:.1f} | {own_seconds:.1f} |\n")
    if given.table:
        with open(given.table, "w", encoding="utf-8") as file:
            file.write("| module | pass natively | of these in the machine | natively, s | trapline, s |\n"
                       "|---|---|---|---|---|\n" + "".join(rows))
    print(f"{len(modules) - bad} of {len(modules)} modules as they should be")
    return 1 if bad or not modules else 0


if __name__ == "__main__":
    sys.exit(main())
