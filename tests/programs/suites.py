#!/usr/bin/env python3
"""suites: other people's test suites, natively and in the machine; the verdict of each case must be the same.

    suites.py SUITE --sources DIRECTORY --trapline COMMAND [--match TEXT] [--jobs N] [--table FILE]

get_suites.sh gets the sources. `busybox` runs its testsuite on /bin/busybox, the shell scripts of an applet's tests being
one machine; `posixtestsuite` builds each program of conformance/interfaces and runs it; `qemu` builds what of tests/tcg builds
as x86-64 (multiarch, i386, x86_64) and compares what each prints, too. suites.txt lists the cases that pass natively and not
in the machine, and why.
"""
import argparse
import concurrent.futures
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
EXITS = {0: "PASS", 1: "FAIL", 2: "UNRESOLVED", 4: "UNSUPPORTED", 5: "UNTESTED"}


def run(command, folder, seconds, **environment):
    process = subprocess.Popen(command, cwd=folder, env={**ENVIRONMENT, "HOME": folder, "TMPDIR": folder, **environment},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = process.communicate(timeout=seconds)[0]
        code = process.returncode
    except subprocess.TimeoutExpired:
        code = "no end"
    try:  # what is left of it in the background
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    if code == "no end":
        said = process.communicate()[0]
    return code, said.decode(errors="replace")


# busybox: runtest prints "PASS: case" and the like.

BUSYBOX = "/bin/busybox"


def busybox_cases(given):
    here = f"{given.sources}/busybox/testsuite"
    names = {os.path.basename(path).removesuffix(".tests") for path in glob.glob(f"{here}/*.tests")}
    names |= {name for name in os.listdir(here) if os.path.isdir(f"{here}/{name}")}
    return sorted(names)


def busybox_run(name, given, before):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(f"{given.sources}/busybox/testsuite", f"{folder}/testsuite")
        shutil.copytree(f"{given.sources}/busybox/scripts", f"{folder}/scripts")
        os.mkdir(f"{folder}/bin")
        for where in (folder, f"{folder}/bin"):
            open(f"{where}/.config", "w", encoding="ascii").close()
        with open(f"{folder}/bin/busybox", "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nname=${{0##*/}}\n[ "$name" != busybox ] || exec {BUSYBOX} "$@"\nexec {BUSYBOX} "$name" "$@"\n')
        os.chmod(f"{folder}/bin/busybox", 0o755)
        where = f"{folder}/testsuite"
        settings = dict(ENVIRONMENT, HOME=folder, TMPDIR=folder, bindir=f"{folder}/bin", tsdir=where)
        command = [*before, "--write", folder, "--write", "/tmp"] if before else []  # diff writes to /tmp by name
        for setting, value in settings.items() if before else ():
            command += ["--env", f"{setting}={value}"]
        command += ["--"] if before else []
        code, said = run([*command, "/bin/sh", "./runtest", name], where, given.seconds, **settings)
        found = {f"{name}: {case}": what for what, case in
                 re.findall(r"^(PASS|FAIL|SKIPPED|UNTESTED): (.*)$", said, re.MULTILINE)}
        if code == "no end":
            found[f"{name}: the rest"] = "no end"
        return found, said


# posixtestsuite: a program is a case, and its exit code the verdict.

def sets_clock(path):
    with open(path, encoding="latin-1") as file:
        return re.search(r"\bclock_settime *\(", file.read())


def posix_cases(given):
    """All but those that set the clock of the machine on which they run natively."""
    here = f"{given.sources}/posixtestsuite/conformance/interfaces"
    return sorted(os.path.relpath(path, here).removesuffix(".c") for path in glob.glob(f"{here}/*/*.c")
                  if re.fullmatch(r"\d+-\d+", os.path.basename(path).removesuffix(".c")) and not sets_clock(path))


def posix_program(name, given):
    top = f"{given.sources}/posixtestsuite"
    program = f"{given.sources}/built/{name.replace('/', '-')}"
    if not os.path.exists(program):
        os.makedirs(os.path.dirname(program), exist_ok=True)
        subprocess.run(["gcc", "-w", "-O1", "-D_GNU_SOURCE", f"-I{top}/include", "-o", program,
                        f"{top}/conformance/interfaces/{name}.c", "-lpthread", "-lrt", "-lm"],
                       capture_output=True, check=False)
    return program if os.path.exists(program) else None


def posix_run(name, given, before):
    program = posix_program(name, given)
    if program is None:
        return {}, ""
    with tempfile.TemporaryDirectory() as folder:
        # They write to /tmp by name.
        command = [*before, *(["--write", "/tmp", "--"] if before else []), program]
        code, said = run(command, folder, given.seconds)
        return {name: EXITS.get(code, f"exit {code}")}, said


# qemu: tests/tcg. A program passes when it exits with 0; what it prints has to be the same, addresses excepted.

QEMU_COUNTS = {"multiarch/signals"}  # these print how many signals came by then, in the order in which threads end


def qemu_cases(given):
    here = f"{given.sources}/qemu/tests/tcg"
    return sorted(os.path.relpath(path, here).removesuffix(".c") for folder in ("multiarch", "multiarch/linux", "i386", "x86_64")
                  for path in glob.glob(f"{here}/{folder}/*.c"))


def qemu_program(name, given):
    """As tests/tcg's own Makefiles build them. None: it does not build here."""
    here = f"{given.sources}/qemu/tests/tcg"
    program = f"{given.sources}/built-qemu/{name.replace('/', '-')}"
    if not os.path.exists(program):
        os.makedirs(os.path.dirname(program), exist_ok=True)
        more = ["-DTEST_X86_64"] if name.startswith("i386/") else []
        more += [f"{here}/multiarch/libs/float_helpers.c"] if "float_" in name else []
        more += ["-include", "sys/mman.h"] if name == "x86_64/noexec" else []
        subprocess.run(["gcc", "-O1", "-w", f"-I{here}/multiarch", f"-I{here}/multiarch/libs", f"-I{here}/i386", *more, "-o", program,
                        f"{here}/{name}.c", "-lm", "-lpthread", "-lrt"], capture_output=True, check=False)
    return program if os.path.exists(program) else None


def qemu_run(name, given, before):
    program = qemu_program(name, given)
    if program is None:
        return {}, ""
    with tempfile.TemporaryDirectory() as folder:
        command = [*before, *(["--write", "/tmp", "--"] if before else []), program]  # to which they write by name
        code, said = run(command, folder, given.seconds)
        given.said.setdefault(name, said)  # natively first
        if code != 0:
            return {name: f"exit {code}"}, said
        plain = [re.sub(r"0x[0-9a-f]+|\d+", "N", text) for text in (said, given.said[name])]
        return {name: "PASS" if plain[0] == plain[1] or name in QEMU_COUNTS else "prints something else"}, said


SUITES = {"qemu": (qemu_cases, qemu_run), "busybox": (busybox_cases, busybox_run), "posixtestsuite": (posix_cases, posix_run)}


def known_differences(suite):
    known, inside = [], False
    with open(f"{HERE}/suites.txt", encoding="utf-8") as file:
        for text in file:
            text = text.rstrip("\n")
            if text.startswith("## "):
                inside = text[3:] == suite
            elif inside and text and not text.startswith("#"):
                pattern, _, why = text.partition(" -- ")
                known.append((pattern, why))
    return known


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--sources", required=True)
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--match", default="", help="only cases whose name begins with this")
    parser.add_argument("--seconds", type=int, default=60, help="for one program")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", help="write a Markdown table: of the cases that differ, of qemu all")
    parser.add_argument("--verbose", action="store_true", help="what the cases that differ say in the machine")
    given = parser.parse_args()
    given.sources = os.path.abspath(given.sources)
    given.said = {}
    cases, run_one = SUITES[given.suite]
    own = [os.path.abspath(given.trapline), "run", "--quiet"]
    known = known_differences(given.suite)
    passed = same = explained = total = 0
    wrong, rows = [], []

    def both(name):
        return run_one(name, given, []), run_one(name, given, own)

    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for (native, _), (mine, said) in pool.map(both, [name for name in cases(given) if name.startswith(given.match)]):
            for case, what in native.items():
                total += 1
                if given.table and (mine.get(case) != what or given.suite == "qemu"):
                    rows.append(f"| {case} | {what} | {mine.get(case, 'was not run')} |\n")
                same += mine.get(case) == what
                if what != "PASS":
                    continue
                passed += 1
                if mine.get(case) == "PASS":
                    continue
                why = next((why for pattern, why in known if fnmatch.fnmatch(case, pattern)), None)
                explained += why is not None
                if why is None:
                    wrong.append(case)
                    print(f"{case}: {mine.get(case, 'was not run')}")
                    if given.verbose:
                        print("  " + said[-1500:].replace("\n", "\n  "))
                    sys.stdout.flush()
    print(f"{total} cases, {passed} pass natively, {passed - explained - len(wrong)} of these in the machine, "
          f"{explained} known to differ, {len(wrong)} wrong; {same} end alike")
    if given.table:
        with open(given.table, "w", encoding="utf-8") as file:
            file.write("| case | natively | trapline |\n|---|---|---|\n" + "".join(rows))
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
