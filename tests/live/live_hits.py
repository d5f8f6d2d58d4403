#!/usr/bin/env python3
"""live-hits: the same program and probes on the live kernel and in trapline: hits, refusals and output must agree.

Every case runs once on the live kernel and then under trapline with `nop5`, `xol` and `inline`, on one and on four
CPUs. `nop5` is what the live kernel does. The expected values are what the live kernel counts while the test runs.
Every case has a root folder of its own with private copies of its files: the live run changes its root to it, trapline
is given it as --root, so both see the same files and nothing else on the machine executes the probed ones.

What is compared: the errno of each probe; its hits; exit code and output. With more than one thread `inline` may miss
hits, which is what the project is about, so there the live number is held against hits + missed. What no strategy can
hide from a program is left out by name, see NOT_COMPARED.

    live_hits.py --trapline COMMAND --live-counter COMMAND --guests DIR [--only NAME]
"""

import argparse
import os
import struct
import sys
import tempfile
import time

from common import SKIP, Account, Elf, Live, Trapline, copy_into, in_parallel, instructions, libraries, skip

# Programs whose output a probe of the live kernel changes: hits are compared, the exit and the output are not, with these
# strategies.
NOT_COMPARED = {
    # Linux emulates 49 90 as a nop, so the program sees wrong registers; these strategies emulate nothing.
    "kinds-xchg-r8": ("xol", "inline"),
    # The step trap of a syscall comes one instruction late, behind the ret. Out of line that is the ret in the slot, and
    # the fix-up leads nowhere; in place it is the right one.
    "kinds-syscall": ("inline",),
}


class Case:
    """One program with its probes, each (label, guest path, file offset). `files` are what its root needs, as guest path
    and host path; what the host file loads comes along. `executions` is how often each probed instruction completes,
    where that is known and no tracer can tell. `at_return`: return probes."""

    def __init__(self, name, argv, probes, files, *, threaded=False, executions=None, env=None, prepare=None,
                 at_return=False):
        self.name, self.argv, self.probes, self.files = name, argv, probes, files
        self.threaded, self.executions, self.env, self.prepare = threaded, executions, env, prepare
        self.at_return = at_return

    def build(self, root):
        os.chmod(root, 0o755)  # the program may run as anybody
        for guest_path, path in self.files.items():
            copy_into(root, path, guest_path)
        if self.prepare:
            self.prepare(root)


# --- tiny ELF files, written here byte by byte: no assembler has an opinion on them ---------------------------------

BASE = 0x400000
CODE = 0x1000  # file offset of the code, and its offset from BASE
EXIT_0 = bytes.fromhex("31ff b8e7000000 0f05")  # xor edi, edi; mov eax, exit_group; syscall


def write_elf(path, code, data_size=0):
    """An executable with one read-execute segment at BASE and, behind it, one for zeroed data."""
    data = BASE + CODE + (len(code) + 0xfff & ~0xfff)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, BASE + CODE, 64, 0, 0, 64, 56,
                                                             2 if data_size else 1, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, CODE + len(code), CODE + len(code), 0x1000)
    if data_size:
        header += struct.pack("<IIQQQQQQ", 1, 6, 0, data, data, 0, data_size, 0x1000)
    with open(path, "wb") as file:
        file.write(header + bytes(CODE - len(header)) + code)
    os.chmod(path, 0o755)
    return data


def encodings():
    """Instructions whose refusal is a matter of bytes: each is (name, bytes). They are probed and never executed."""
    modrm = "c0"  # register form, for the opcodes that want one
    tail = "00" * 8
    listed = {f"{first:02x}": f"{first:02x} {modrm} {tail}" for first in range(256)}
    # Groups and forms in which the first opcode byte does not decide.
    listed |= {
        "mov-ss": "8e d0", "mov-ds": "8e d8", "pop-fs": "0f a1", "mov-from-ss": "8c d0",
        "lock-cmpxchg": "f0 0f b1 0f", "lock-inc": "f0 48 ff 07", "cs-nop": "66 2e 0f 1f 84 00 00000000",
        "notrack-jmp": "3e ff e0", "es-mov": "26 8b 07", "ss-mov": "36 8b 07", "fs-mov": "64 8b 07", "gs-mov": "65 8b 07",
        "addr32-mov": "67 8b 07", "data16-call": "66 e8 00000000", "data16-jmp": "66 e9 00000000",
        "data16-jmp8": "66 eb 00", "data16-je8": "66 74 00", "data16-je": "66 0f 84 00000000",
        "rep-ret": "f3 c3", "bnd-jmp": "f2 e9 00000000", "pause": "f3 90", "rep-movsb": "f3 a4",
        "call-rel": "e8 00000000", "call-reg": "ff d0", "call-far-mem": "ff 1f", "jmp-far-mem": "ff 2f",
        "push-mem": "ff 37", "group5-7": "ff ff", "two-byte-syscall": "0f 05", "sysenter": "0f 34", "ud2": "0f 0b",
        "hlt": "f4", "wrmsr": "0f 30", "rdtsc": "0f 31", "cpuid": "0f a2", "clts": "0f 06", "vmread": "0f 78 c8",
        "getsec": "0f 37", "endbr64": "f3 0f 1e fa", "nop9": "66 0f 1f 84 00 00000000", "rex-nop": "49 90",
        "xop": "8f e8 78 c0 c0 00", "pop-mem": "8f 00", "xbegin": "c7 f8 00000000", "int-80": "cd 80",
        "vex2": "c5 f9 6f c1", "vex3": "c4 e2 79 00 c1", "vex-map0": "c4 e0 79 00 c1", "vex-map31": "c4 ff 79 00 c1",
        "evex": "62 f1 7c 48 28 c1", "evex-bad": "62 ff ff ff ff ff", "prefixes-15": "66 " * 14 + "90",
        "prefixes-16": "66 " * 15 + "90", "three-byte-pshufb": "66 0f 38 00 c1", "three-byte-palignr": "66 0f 3a 0f c1 08",
    }
    return [(name, bytes.fromhex(text.replace(" ", ""))) for name, text in listed.items()]


def refusals(folder):
    """One file per encoding would be hundreds of files; one file with a place every 32 bytes is the same to the kernel."""
    code, places = bytearray(EXIT_0.ljust(32, b"\x90")), {}
    for name, insn in encodings():
        places[name] = CODE + len(code)
        code += insn.ljust(32, b"\x90")
    write_elf(f"{folder}/refusals", bytes(code))
    return Case("refused encodings", ["/refusals"], [(name, "/refusals", at) for name, at in places.items()],
                {"/refusals": f"{folder}/refusals"})


def rep_movsb(folder, count):
    """rep movsb over `count` bytes: the kernel's handler runs once for each step of it."""
    code = bytes.fromhex("be") + struct.pack("<I", BASE + 0x2000) + bytes.fromhex("bf")
    code += struct.pack("<I", BASE + 0x2800) + bytes.fromhex("b9") + struct.pack("<I", count)
    name = f"rep-{count}"
    data = write_elf(f"{folder}/{name}", code + bytes.fromhex("f3a4") + EXIT_0, 0x1000)
    assert data == BASE + 0x2000
    return Case(f"rep movsb of {count}", [f"/{name}"], [("rep", f"/{name}", CODE + len(code))],
                {f"/{name}": f"{folder}/{name}"}, executions=1)


# --- the cases ------------------------------------------------------------------------------------------------------


def make_folder(root):
    os.makedirs(root + "/fixed/folder")
    for i in range(20):
        open(f"{root}/fixed/file{i}", "wb").close()


def cases(guests, folder):
    def guest(name, symbols, args=(), *, library=None, title=None, **how):
        files = {f"/{n}": os.path.join(guests, n) for n in (name, library) if n}
        probed = f"/{library or name}"
        elf = Elf(files[probed])
        return Case(title or name, [f"/{name}", *args], [(s, probed, elf.offset_of(s)) for s in symbols], files, **how)

    yield guest("loop", ["body"], title="loop of a million", executions=1000000)
    yield refusals(folder)
    yield guest("two-threads", ["hot"], threaded=True)
    yield guest("three-threads", ["hot"], threaded=True)
    yield guest("loop", ["body", "run_loop", "guest_main", "_start"], ["1000"], title="loop and its callers")
    kinds = sorted(s for s in Elf(os.path.join(guests, "kinds")).symbols if s.startswith("k_"))
    yield guest("kinds", [k for k in kinds if k not in ("k_syscall", "k_xchg_r8")])
    yield guest("kinds", ["k_xchg_r8"], title="kinds-xchg-r8")
    yield guest("kinds", ["k_syscall"], title="kinds-syscall")
    yield guest("fork-hot", ["hot"])
    yield guest("segv-handler", ["hot"], title="a fault on the copy, with a SIGSEGV handler", executions=1)
    yield guest("own-int3", ["own_int3", "after_int3"])
    yield guest("faulting", ["hot"], threaded=True)
    yield guest("reads-own-text", ["hot"])
    yield guest("threads8", ["add", "work", "main"], threaded=True)
    yield guest("threads8-static", ["add", "work"], threaded=True)
    yield guest("uses-libhot", ["lib_hot"], ["7"], library="libhot.so")
    yield guest("uses-libhot-twice", ["lib_hot"], library="libhot.so")
    yield guest("exceptions", ["_Z8throw_ati", "main"])
    for count in (0, 1, 10, 1000):
        yield rep_movsb(folder, count)

    # Return probes: what the kernel's list of pending returns makes of longjmps, tail calls and more stacks than one.
    for mode, *symbols in (["leaf 1000", "leaf"], ["deep 64", "deep"], ["deep 65", "deep"], ["tail 3", "tail1"],
                           ["tail 3", "tail2"], ["tail 3", "tail1", "tail2"], ["jump 10", "jumper"],
                           ["down 63", "down", "leaf"], ["down 64", "down", "leaf"], ["address", "return_address"],
                           ["stacks", "half"], ["stacks-down", "half"], ["migrate", "half"], ["fork", "forks", "leaf"]):
        yield guest("returns", symbols, mode.split(), title=f"returns of {' and '.join(symbols)}: {mode}",
                    at_return=True)
    yield guest("threads8", ["add", "work"], threaded=True, at_return=True, title="returns in eight threads")
    yield guest("exceptions", ["_Z8throw_ati"], at_return=True, title="a function that is left by an exception")

    # Functions of libc that are called by name, not through an ifunc: what the CPU can do chooses among variants of
    # memcpy, strlen and their like, and the emulated CPU is not the live one. Nor what the order of a folder's entries
    # decides (strcoll, when ls sorts): trapline sorts them, a file system has an order of its own.
    libc = next((path for path in libraries(os.path.join(guests, "hello-dynamic")) if "/libc.so" in path), None)
    if not libc:
        return
    elf = Elf(libc)
    memory = [(s, libc, elf.offset_of(s)) for s in ("malloc", "free", "calloc", "realloc", "exit", "setlocale", "puts")]
    malloc = [(name, libc, at) for name, at in instructions(libc, "malloc")]
    if malloc:
        yield Case("every instruction of malloc", ["/exceptions"], malloc, {"/exceptions": os.path.join(guests, "exceptions")})
    for name in ("hello-dynamic", "exceptions"):
        yield Case(f"libc in {name}", [f"/{name}", "argument"], memory, {f"/{name}": os.path.join(guests, name)})
    if os.path.exists("/bin/ls"):
        files = [(s, libc, elf.offset_of(s)) for s in ("opendir", "readdir", "closedir", "getenv")]
        yield Case("libc in ls", ["/bin/ls", "-1", "/fixed"], memory + files, {"/bin/ls": "/bin/ls"},
                   env={"LC_ALL": "C"}, prepare=make_folder)


# --- comparing ------------------------------------------------------------------------------------------------------


def compare(account, case, live, run, where):
    what = f"{case.name}, {where}"
    if not account.check(run.result is not None, f"{what}: no result, exit {run.code}: {run.stderr.decode()[-300:]}"):
        return
    strategy = run.result["strategy"]
    for (label, _, _), kernel, ours in zip(case.probes, live.result["probes"], run.result["probes"]):
        account.equal(ours["errno"], kernel["errno"], f"{what}: errno of {label}")
        if kernel["errno"] == 0:
            account.equal(ours["hits"] - ours["repeated"] + ours["missed"], ours["executions"],
                          f"{what}: hits - repeated + missed against executions of {label}")
        if case.executions is not None:
            account.equal(ours["executions"], case.executions, f"{what}: executions of {label}")
        if strategy != "inline" or not case.threaded:
            account.equal(ours["hits"], kernel["hits"], f"{what}: hits of {label}")
            if not case.at_return:
                account.equal(ours["missed"], 0, f"{what}: missed of {label}")
        else:
            account.equal(ours["hits"] + ours["missed"], kernel["hits"], f"{what}: hits and missed of {label}")
    if strategy not in NOT_COMPARED.get(case.name, ()):
        account.equal((run.code, run.stdout), (live.code_of_program, live.stdout), f"{what}: exit and output")


def judge(account, case, trapline, live):
    with tempfile.TemporaryDirectory(prefix="trapline-live-") as root:
        case.build(root)
        judge_in(root, account, case, trapline, live)


def judge_in(root, account, case, trapline, live):
    began = time.monotonic()
    seen = live.run(case.argv, probes=[(path, offset) for _, path, offset in case.probes], root=root,
                    cpus=2 if case.threaded else 1, env=case.env, at_return=case.at_return)
    if not account.check(seen.code == 0 and seen.result is not None,
                         f"{case.name}: live_counter: exit {seen.code}: {seen.stderr.decode()}"):
        return
    ended = seen.result["exit"]
    seen.code_of_program = ended["code"] if "code" in ended else 128 + ended["signal"]
    specs = [f"{'r ' if case.at_return else ''}{path}:{offset:#x}" for _, path, offset in case.probes]
    settings = [(strategy, cpus) for strategy in ("nop5", "xol", "inline") for cpus in (1, 4)]
    runs = [trapline.run(case.argv, probes=specs, strategy=strategy, cpus=cpus, root=root, env=case.env)
            for strategy, cpus in settings]
    for (strategy, cpus), run in zip(settings, runs):
        compare(account, case, seen, run, f"{strategy} on {cpus} CPU{'s' if cpus > 1 else ''}")
    refused = sum(p["errno"] != 0 for p in seen.result["probes"])
    print(f"{time.monotonic() - began:5.1f} s  {case.name}: {len(case.probes)} probes, {refused} refused, "
          f"{sum(p['hits'] for p in seen.result['probes'])} live hits", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trapline", required=True)
    parser.add_argument("--live-counter", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--only", help="only cases whose name contains this")
    options = parser.parse_args()
    if os.geteuid() != 0:
        skip("uprobes need root")
    live = Live(options.live_counter)
    with tempfile.TemporaryDirectory(prefix="trapline-live-") as folder:
        chosen = [case for case in cases(options.guests, folder) if not options.only or options.only in case.name]
        tried = live.run([os.path.join(options.guests, "loop"), "1"], root="/")
        if tried.code == SKIP or (tried.result or {}).get("exit") == {"code": SKIP}:
            skip(tried.stderr.decode().strip())
        account = Account()
        in_parallel([lambda c=case: judge(account, c, Trapline(options.trapline), live) for case in chosen])
    account.finish()


if __name__ == "__main__":
    sys.exit(main())
