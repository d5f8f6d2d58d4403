"""What the tests in this folder share: running a program natively, under trapline and on the live kernel, reading
symbols from ELF files, and keeping account of what agreed.

The symbol reader is deliberately not the product's: a probe that lands somewhere else than where it was asked for shows
as a different number of hits. Python's standard library is all that is needed.
"""

import concurrent.futures
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

SKIP = 77
# What trapline gives a guest by default; native runs get exactly this, so that both see the same environment.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def environment(extra):
    return {**ENVIRONMENT, **(extra or {})}


class Ended:
    """How a program ended and what it printed. `code` is as a shell shows it: 128+n for signal n."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.result = None  # the JSON document of the run, where there is one


def execute(command, *, env=None, cwd=None, stdin=b"", timeout=120):
    try:
        done = subprocess.run(command, env=env, cwd=cwd, input=stdin, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        return Ended("timeout", late.stdout or b"", late.stderr or b"")
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Ended(code, done.stdout, done.stderr)


def native(argv, *, env=None, cwd=None, stdin=b""):
    return execute(argv, env=environment(env), cwd=cwd, stdin=stdin)


def with_json(make_command, **how):
    """Runs make_command(FILE) and reads the JSON that it wrote to FILE."""
    with tempfile.TemporaryDirectory(prefix="trapline-live-") as folder:
        path = os.path.join(folder, "result.json")
        ended = execute(make_command(path), **how)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            ended.result = json.loads(text) if text else None
    return ended


class Trapline:
    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, argv, *, probes=(), strategy="xol", cpus=1, root=None, env=None, cwd=None, stdin=b"", options=(),
            timeout=120, host_env=None, prefix=()):
        def command(json_file):
            line = [*prefix, self.path, "run", "--quiet", "--json", json_file, "--strategy", strategy, "--cpus", str(cpus)]
            if root:
                line += ["--root", root]
            for name, value in (env or {}).items():
                line += ["--env", f"{name}={value}"]
            for probe in probes:
                line += ["-p", probe]
            return [*line, *options, "--", *argv]

        return with_json(command, env=host_env, cwd=cwd, stdin=stdin, timeout=timeout)


class Live:
    """The live kernel, through live_counter. A probe is (path as the program sees it, file offset)."""

    def __init__(self, path):
        self.path = os.path.abspath(path)

    def run(self, argv, *, probes=(), root=None, cpus=1, env=None, cwd=None, stdin=b"", timeout=300,
            at_return=False):
        def command(json_file):
            line = [self.path, "--json", json_file, "--cpus", str(cpus)]
            if root:
                line += ["--root", root]
            for path, offset in probes:
                line += ["-r" if at_return else "-p", f"{offset:#x}:{path}"]
            return [*line, "--", *argv]

        return with_json(command, env=environment(env), cwd=cwd, stdin=stdin, timeout=timeout)


class Elf:
    """Symbols and segments of a 64-bit little-endian ELF file, as far as a probe's file offset needs them."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        (self.entry, phoff, shoff) = struct.unpack_from("<QQQ", self.data, 24)
        (phentsize, phnum, shentsize, shnum) = struct.unpack_from("<HHHH", self.data, 54)
        self.segments = []
        for i in range(phnum):
            kind, _, offset, vaddr, _, filesz, _, _ = struct.unpack_from("<IIQQQQQQ", self.data, phoff + i * phentsize)
            if kind == 1:  # PT_LOAD
                self.segments.append((vaddr, offset, filesz))
        self.symbols, self.sizes = {}, {}
        for i in range(shnum):
            at = shoff + i * shentsize
            _, kind, _, _, offset, size, link, _, _, entsize = struct.unpack_from("<IIQQQQIIQQ", self.data, at)
            if kind in (2, 11):  # SHT_SYMTAB, SHT_DYNSYM
                strings = struct.unpack_from("<Q", self.data, shoff + link * shentsize + 24)[0]
                self._read_symbols(offset, size, entsize, strings)

    def _read_symbols(self, offset, size, entsize, strings):
        for at in range(offset, offset + size, entsize):
            name, info, _, section, value, extent = struct.unpack_from("<IBBHQQ", self.data, at)
            if section == 0 or name == 0 or info & 15 == 10:  # undefined, nameless, or an ifunc's resolver
                continue
            end = self.data.index(b"\0", strings + name)
            symbol = self.data[strings + name:end].decode()
            self.symbols.setdefault(symbol, value)
            self.sizes.setdefault(symbol, extent)

    def file_offset(self, address):
        for vaddr, offset, filesz in self.segments:
            if vaddr <= address < vaddr + filesz:
                return address - vaddr + offset
        raise ValueError(f"{address:#x} is in no segment")

    def offset_of(self, symbol):
        return self.file_offset(self.symbols[symbol])


def instructions(path, symbol):
    """Name and file offset of every instruction of a function, as binutils' disassembler finds them; none without it."""
    if not shutil.which("objdump"):
        return []
    elf = Elf(path)
    start = elf.symbols[symbol]
    listed = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                             f"--stop-address={start + elf.sizes[symbol]:#x}", path],
                            capture_output=True, text=True, check=True).stdout
    found = (line.split("\t") for line in listed.splitlines() if line.startswith(" ") and ":\t" in line)
    return [(f"{symbol}+{int(at.strip(' :'), 16) - start:#x} `{' '.join(rest[0].split('#')[0].split())}`",
             elf.file_offset(int(at.strip(" :"), 16))) for at, *rest in found]


def libraries(program):
    """The files that the dynamic loader maps for a program, itself included; none for a static one."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    words = (word for line in listed.splitlines() for word in line.split())
    return sorted({word for word in words if word.startswith("/") and os.path.exists(word)})


def copy_into(root, path, guest_path=None):
    """A private copy of a file at the same path (or `guest_path`) below root, with everything it loads."""
    where = root + (guest_path or path)
    if os.path.exists(where):
        return
    os.makedirs(os.path.dirname(where), exist_ok=True)
    shutil.copy(os.path.realpath(path), where)
    for library in libraries(path):
        copy_into(root, library)


class Account:
    """What was checked, and what was wrong: printed at the end, and the exit code of the test."""

    def __init__(self):
        self.checks, self.failures, self.skipped = 0, [], []

    def check(self, true, what):
        self.checks += 1
        if not true:
            self.failures.append(what)
            print(f"FAIL {what}", flush=True)
        return true

    def equal(self, got, expected, what):
        return self.check(got == expected, f"{what}: {got!r} instead of {expected!r}")

    def skip(self, what):
        self.skipped.append(what)
        print(f"skip {what}", flush=True)

    def finish(self):
        print(f"{self.checks} checks, {len(self.failures)} failed, {len(self.skipped)} skipped by name")
        sys.exit(1 if self.failures else 0 if self.checks else SKIP)


def in_parallel(jobs, workers=2):
    """Calls every job, two at a time, because that is what the machines that run this have; results in order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
