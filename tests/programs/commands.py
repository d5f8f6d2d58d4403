#!/usr/bin/env python3
"""commands: what people type, natively and in the machine, must print the same and exit the same.

    commands.py --trapline COMMAND [--all] [--match TEXT] [--table FILE] [-- OPTIONS OF trapline run]

commands.txt says what is run. Without --all it is the sample that is marked there. Both runs happen in the same folder,
one after the other, with the same files in it; what is left there is compared, too. --table writes a Markdown table
with the time that each took.
"""
import argparse
import concurrent.futures
import hashlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "LANG": "C"}
SKIPPED = 77


def environment(folder):
    """The only place to write is where the command runs."""
    return dict(ENVIRONMENT, HOME=folder, TMPDIR=folder)


class Line:
    def __init__(self, text, section):
        self.sampled = text.startswith("* ")
        self.section = section
        needs, _, command = text.removeprefix("* ").partition(":")
        self.needs = needs.split()
        self.command = command.strip().replace("¶", "\n")
        self.text = command.strip()

    def missing(self):
        return [name for name in self.needs if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]


def read_lines(path):
    section = ""
    with open(path, encoding="utf-8") as file:
        for text in file:
            text = text.rstrip("\n")
            if text.startswith("## "):
                section = text[3:]
            elif text and not text.startswith("#"):
                yield Line(text, section)


def fill(folder):
    """The same files on every machine."""
    numbers = random.Random(4)
    words = lambda: "".join(numbers.choice("abcdefghij") for _ in range(numbers.randint(1, 12)))
    with open(f"{folder}/text", "w", encoding="ascii") as file:
        file.write("".join(f"{words()} {i % 97} {i}\n" for i in range(60000))[:1000000])
    shuffled = list(range(1, 20001))
    numbers.shuffle(shuffled)
    with open(f"{folder}/numbers", "w", encoding="ascii") as file:
        file.write("".join(f"{n}\n" for n in shuffled))
    os.makedirs(f"{folder}/tree/inner/deep")
    for i in range(5):
        with open(f"{folder}/tree/file{i}", "w", encoding="ascii") as file:
            file.write(f"line {i}\n" * i)
    with open(f"{folder}/tree/inner/deep/leaf", "w", encoding="ascii") as file:
        file.write("leaf\n")
    os.symlink("file1", f"{folder}/tree/link")
    os.symlink("nowhere", f"{folder}/tree/broken")
    for path, names, files in os.walk(folder):
        for name in names + files:
            os.utime(os.path.join(path, name), (981173106, 981173106), follow_symlinks=False)


def left_behind(folder):
    """Names, kinds and contents. Archives hold times, which differ; their names say so."""
    found = {}
    for path, names, files in os.walk(folder):
        for name in sorted(names + files):
            full = os.path.join(path, name)
            short = os.path.relpath(full, folder)
            if ".git" in short or re.search(r"\.(tar|tgz|tbz|cpio|zip|gz|pem|a|db)$|^(s|e|log)$", name):
                found[short] = "?"
            elif os.path.islink(full):
                found[short] = "-> " + os.readlink(full)
            elif os.path.isfile(full):
                with open(full, "rb") as file:
                    found[short] = hashlib.sha256(file.read()).hexdigest() + oct(os.stat(full).st_mode)
            else:
                found[short] = "folder"
    return {name: what for name, what in found.items() if "r/.git" not in name}


class Ran:
    def __init__(self, command, folder, seconds):
        fill(folder)
        # Limits and files of whoever runs the tests must not show.
        def limits():
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.umask(0o022)
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limits, start_new_session=True)
        try:
            self.out, self.err = process.communicate(timeout=seconds)
            self.code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            self.out, self.err = process.communicate()
            self.code = f"no end after {seconds} s"
        self.seconds = time.monotonic() - start
        if isinstance(self.code, int) and self.code < 0:
            self.code = 128 - self.code
        self.files = left_behind(folder)
        for name in os.listdir(folder):
            full = os.path.join(folder, name)
            shutil.rmtree(full) if os.path.isdir(full) and not os.path.islink(full) else os.unlink(full)


def shorten(data):
    text = data.decode(errors="replace")
    return text if len(text) < 600 else text[:250] + "\n...\n" + text[-300:]


def compare(line, trapline, options, seconds):
    """The differences as text, and how long both took."""
    with tempfile.TemporaryDirectory() as folder:
        native = Ran(["bash", "-c", line.command], folder, 120)
        command = [trapline, "run", "--quiet", "--write", folder, *options]
        for name, value in environment(folder).items():
            command += ["--env", f"{name}={value}"]
        own = Ran([*command, "--", "bash", "-c", line.command], folder, seconds)
    wrong = ""
    if native.code != own.code:
        wrong += f"exit code {own.code} instead of {native.code}\n"
    for name in ("out", "err"):
        # "bash: line 1: 1234 Killed": process numbers are each kernel's own.
        mine, theirs = (re.sub(rb"line (\d+): +\d+ ", rb"line \1: PID ", getattr(r, name)) for r in (own, native))
        if mine != theirs:
            wrong += f"--- std{name}\n{shorten(mine)}\n--- instead of\n{shorten(theirs)}\n"
    for name in sorted(native.files.keys() | own.files.keys()):
        if native.files.get(name) != own.files.get(name):
            wrong += f"{name}: {own.files.get(name)} instead of {native.files.get(name)}\n"
    return wrong, native.seconds, own.seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--all", action="store_true", default=bool(os.environ.get("TRAPLINE_ALL_COMMANDS")))
    parser.add_argument("--match", default="", help="only lines that contain this")
    parser.add_argument("--table", help="write a Markdown table with times")
    parser.add_argument("--seconds", type=int, default=300, help="for one command")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("options", nargs="*", help="options of trapline run")
    given = parser.parse_args()
    trapline = os.path.abspath(given.trapline)
    lines = [line for line in read_lines(f"{HERE}/commands.txt")
             if (given.all or given.match or line.sampled) and given.match in line.text]
    ready = [line for line in lines if not line.missing()]
    for line in lines:
        if line.missing():
            print(f"skipped: {' '.join(line.missing())} is not on this machine: {line.text[:60]}")
    failed = 0
    rows = []
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for line, (wrong, native, own) in zip(ready, pool.map(
                lambda line: compare(line, trapline, given.options, given.seconds), ready)):
            print(f"{'DIFFERENT' if wrong else 'same':9} {own:6.2f} s, natively {native:5.2f} s: {line.text[:90]}")
            if wrong:
                failed += 1
                print("  " + wrong.rstrip().replace("\n", "\n  "))
            sys.stdout.flush()
            rows.append(f"| {line.section} | `{line.text[:80].replace('|', chr(92) + '|')}` | {native:.2f} | {own:.2f} | "
                        f"{'different' if wrong else 'same'} |\n")
    programs = {name for line in ready for name in line.needs}
    print(f"{len(ready) - failed} of {len(ready)} commands the same, {len(programs)} programs, {len(lines) - len(ready)} skipped")
    if given.table:
        with open(given.table, "w", encoding="utf-8") as file:
            file.write("| | command | natively, s | trapline, s | |\n|---|---|---|---|---|\n" + "".join(rows))
    if failed:
        return 1
    return 0 if ready else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
