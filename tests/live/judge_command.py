#!/usr/bin/env python3
"""judge-command: `trapline judge` as its users have it, and above all what it leaves behind: nothing.

    judge_command.py TRAPLINE GUESTS SCENARIOS
"""
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import harness
from common import Elf

SKIP = 77


def children_of(pid):
    """Every process below this one."""
    found, parents = [], {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    parents[int(entry)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                pass
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for child, its_parent in parents.items():
            if its_parent == parent:
                found.append(child)
                waiting.append(child)
    return found


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def processes_with(mark):
    """Whose command line or environment has these words; what forks without executing has its parent's."""
    found = []
    for entry in os.listdir("/proc"):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{entry}/{name}", "rb") as file:
                    if entry.isdigit() and int(entry) != os.getpid() and mark.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                pass
    return found


def wait_until(what, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def mounts():
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return file.read()


def first_bytes(symbol):
    """What stands at a function of libc in this process, which the judge did not start."""
    address = ctypes.cast(getattr(ctypes.CDLL("libc.so.6"), symbol), ctypes.c_void_p).value
    return ctypes.string_at(address, 8)


class Verdicts(harness.CommandTest):
    def judge(self, code, *arguments, **more):
        path = os.path.join(self.folder, "verdict.json")
        result = self.expect(code, "judge", "--json", path, *arguments, **more)
        with open(path, encoding="utf-8") as file:
            return result, json.load(file)

    def test_the_document_has_the_keys_of_the_interface(self):
        result, verdict = self.judge(0, "-p", ":body", "-p", ":guest_main", "--", self.guest("loop"), "1000")
        self.assertEqual((verdict["schema"], verdict["command"]), (1, "judge"))
        self.assertEqual(verdict["kernel"], os.uname().release)
        self.assertEqual([(p["spec"], p["live_hits"], p["emulated_hits"], p["agree"]) for p in verdict["probes"]],
                         [(":body", 1000, 1000, True), (":guest_main", 1, 1, True)])
        self.assertTrue(verdict["exit_agrees"] and verdict["stdout_agrees"])
        self.assertIn("agrees", result.out)

    def test_threads_and_children_are_counted(self):
        for guest, probe, hits in (("two-threads", ":hot", 2), ("fork-hot", ":hot", None), ("threads8", ":add", None)):
            for cpus in ("1", "2"):
                _, verdict = self.judge(0, "-p", probe, "--cpus", cpus, "--", self.guest(guest))
                probe_of = verdict["probes"][0]
                self.assertGreater(probe_of["live_hits"], 1)
                if hits is not None:
                    self.assertEqual(probe_of["live_hits"], hits)

    def test_a_missed_probe_is_a_disagreement(self):
        schedule = "t1 until text-restored; t2 until :hot+3; t1 until text-armed"
        result, verdict = self.judge(1, "-p", ":hot", "--strategy", "inline", "--schedule", schedule, "--",
                                     self.guest("two-threads"))
        self.assertEqual([(p["live_hits"], p["emulated_hits"], p["agree"]) for p in verdict["probes"]], [(2, 1, False)])
        self.assertIn("differ", result.out)

    def test_refusals_agree_by_number(self):
        _, verdict = self.judge(0, "-p", ":own_int3", "--", self.guest("own-int3"))
        self.assertEqual(verdict["probes"][0]["live_errno"], 524)
        self.assertEqual(verdict["probes"][0]["emulated_errno"], 524)
        self.assertTrue(verdict["exit_agrees"])

    FETCHED = ("p:seen :seen a=%di:s64 d=%cx:u16 e=%r8:s32 f=%r9:x8 g=+8(%sp):x32 st=$stack1 comm=$comm four=\\4 "
               "b=+0(+0(%si)):u8[4] n=+4(+0(%si)):s32 w=+8(%si):u32[4] lo=+24(%si):b3@0/32 mid=+24(%si):b7@3/32 "
               "hi=+24(%si):b22@10/32 q=%di:char")

    def test_fetch_arguments_agree_hit_by_hit(self):
        guest = self.guest("fetch")
        for spec in (self.FETCHED, "r:back :seen $retval:s64 sum=%ax", "p :seen text=+0(%dx):string",
                     "p :seen name=+0(+8(+0(%si))):string text=+0(%dx):string last=$comm",
                     'p :seen one=\\"constant":string text=+0(%dx):string two=\\"x"',
                     "p :seen @0x400000:x32 @+1:string"):
            _, verdict = self.judge(0, "--args", "-p", spec, "--", guest)
            probe = verdict["probes"][0]
            self.assertEqual((probe["live_hits"], probe["values_agree"], probe["values_lost"]), (4, True, 0), spec)

    def test_pointers_are_the_same(self):
        _, verdict = self.judge(0, "--args", "-p", "p libc.so.6:malloc sp=%sp bp=%bp bx=%bx back=$stack0", "-p",
                                "r libc.so.6:malloc $retval", "--", "/bin/ls", "/")
        self.assertTrue(all(p["values_agree"] and p["live_hits"] > 10 for p in verdict["probes"]))

    def test_values_that_differ_are_a_disagreement_and_named(self):
        # What cannot be read is a 0 on the live kernel, and (fault) in the dialect without the kernel's defects.
        spec = "p :seen n=+4(+0(%si)):s32"
        result, verdict = self.judge(1, "--args", "--kernel", "fixed", "-p", spec, "--", self.guest("fetch"))
        self.assertIn("hit 2: live \" n=0\", emulated \" n=(fault)\"", result.out)
        self.assertFalse(verdict["probes"][0]["values_agree"])
        # A constant is the kernel's own, and looked for in the program's memory.
        result, _ = self.judge(1, "--args", "--kernel", "fixed", "-p", 'p :seen one=\\"constant":string', "--", self.guest("fetch"))
        self.assertIn("hit 1: live \" one=(fault)\", emulated \" one=\\\"constant\\\"\"", result.out)
        # Nobody asked for it: hits agree.
        self.judge(0, "--kernel", "fixed", "-p", spec, "--", self.guest("fetch"))
        self.refused(2, "no probe has fetch arguments", "judge", "--args", "-p", ":seen", "--", self.guest("fetch"))

    def test_values_of_threads_are_compared_whatever_their_order(self):
        _, verdict = self.judge(0, "--args", "--cpus", "2", "-p", "p :add %di:s32", "--",
                                self.guest("threads8"))
        self.assertTrue(verdict["probes"][0]["values_agree"])

    def test_reference_counters_count_on_both_sides(self):
        guest = self.guest("process-life")
        elf = Elf(guest)
        place = f":{elf.offset_of('stepped'):#x}({elf.offset_of('semaphores'):#x})"
        for spec in ("-p", place), ("--args", "-p", f"p {place} n=%di:u8"):
            _, verdict = self.judge(0, *spec, "--", guest, "counts", "stepped", "2")
            self.assertEqual((verdict["probes"][0]["live_hits"], verdict["stdout_agrees"]), (2, True))
        run = self.expect(0, "run", "--quiet", "-p", place, "--", guest, "counts", "stepped", "2")
        self.assertIn("semaphore 1\n", run.out)
        odd = f":{elf.offset_of('stepped'):#x}({elf.offset_of('semaphores') + 1:#x})"
        _, verdict = self.judge(0, "-p", odd, "--", guest, "counts", "stepped", "1")
        self.assertEqual((verdict["probes"][0]["live_errno"], verdict["probes"][0]["emulated_errno"]), (22, 22))

    def test_both_read_the_same_input(self):
        path = self.file("input", "b\nc\na\n")
        with open(path, "rb") as file:
            process = subprocess.run([harness.trapline, "judge", "-p", "libc.so.6:malloc", "--", "/usr/bin/sort"],
                                     stdin=file, capture_output=True, timeout=harness.TIMEOUT, check=False)
        self.assertEqual(process.returncode, 0, process)

    def test_what_the_program_writes_stays_in_the_emulated_run(self):
        folder = os.path.join(self.folder, "out")
        os.mkdir(folder)
        self.judge(0, "-p", "libc.so.6:malloc", "--write", folder, "--", "/bin/sh", "-c",
                   f"test -e {folder}/x && exit 3; echo made > {folder}/x; cat {folder}/x")
        with open(f"{folder}/x", encoding="utf-8") as file:
            self.assertEqual(file.read(), "made\n")

    def test_without_write_both_find_a_read_only_system(self):
        target = os.path.join(self.folder, "never")
        self.judge(0, "-p", "libc.so.6:malloc", "--", "/bin/sh", "-c", f"echo x > {target}")
        self.assertFalse(os.path.exists(target))

    def test_a_root_folder(self):
        root = os.path.join(self.folder, "root")
        os.mkdir(root)
        subprocess.run(["cp", self.guest("loop"), f"{root}/loop"], check=True)
        _, verdict = self.judge(0, "-p", ":body", "--root", root, "--", "/loop", "10")
        self.assertEqual(verdict["probes"][0]["live_hits"], 10)

    def test_functions_that_libc_chooses_by_the_processor_are_the_same(self):
        _, verdict = self.judge(0, "-p", ":main", "--", self.guest("chosen"))
        self.assertTrue(verdict["stdout_agrees"])

    def test_mappings_are_at_the_same_addresses(self):
        for probe in "libc.so.6:setlocale", "r libc.so.6:setlocale":
            result, verdict = self.judge(0, "-p", probe, "--", "/bin/sed", "-n", "/vsyscall/!s/ .*//p", "/proc/self/maps")
            self.assertTrue(verdict["stdout_agrees"], result)

    def test_a_program_that_takes_too_long_is_inconclusive(self):
        began = time.monotonic()
        result = self.expect(4, "judge", "--timeout", "1", "-p", "libc.so.6:malloc", "--", "/bin/sleep", "100")
        self.assertIn("--timeout", result.err)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(children_of(os.getpid()), [])

    def test_bad_command_lines(self):
        self.refused(2, "no program", "judge", "-p", ":main")
        self.refused(2, "nowhere", "judge", "-p", ":main", "--", "/nowhere")
        self.refused(2, "--timeout", "judge", "--timeout", "0", "-p", ":hot", "--", self.guest("loop"))
        self.refused(2, "one strategy", "judge", "--strategy", "inline,xol", "-p", ":hot", "--", self.guest("two-threads"))

    def test_without_root_it_is_skipped_with_the_reason(self):
        # The guest is one that everybody may read.
        command = ["judge", "-p", "/bin/true:0x2000", "--", "/bin/true"]
        result = subprocess.run([harness.trapline, *command], capture_output=True, timeout=harness.TIMEOUT, cwd="/",
                                user=65534, group=65534, extra_groups=[], check=False)
        self.assertEqual(result.returncode, SKIP, result)
        self.assertIn(b"root", result.stderr)


# Before it becomes the command that follows, this process gives up system calls (the number of one as first argument;
# a filter that answers EPERM).
FILTER = """import ctypes, os, struct, sys
number = int(sys.argv[1])
code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
filter = Filter(len(code), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
PERF_EVENT_OPEN, UNSHARE, FSOPEN = 298, 272, 430


class Machines(harness.CommandTest):
    """What lacks on other machines, taken away on this one."""

    def below(self, *wrapper, options=(), guest=("/bin/true",)):
        return subprocess.run([*wrapper, harness.trapline, "judge", *options, "-p", "libc.so.6:malloc", "--", *guest],
                              capture_output=True, text=True, timeout=harness.TIMEOUT, check=False)

    def lacking(self, words, *wrapper, options=()):
        result = self.below(*wrapper, options=options)
        self.assertEqual(result.returncode, SKIP, result)
        self.assertIn(words, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result)
        return result.stderr

    @staticmethod
    def without(call):
        return sys.executable, "-c", FILTER, str(call)

    def test_without_the_pmu(self):
        hide = "mount -t tmpfs none /sys/bus/event_source/devices && exec \"$@\""
        self.lacking("no uprobe PMU", "unshare", "-m", "sh", "-c", hide, "sh")

    def test_with_a_filter_of_system_calls(self):
        self.assertNotIn("lockdown", self.lacking("a container's seccomp filter", *self.without(PERF_EVENT_OPEN)))
        self.lacking("a mount namespace", *self.without(UNSHARE))

    def test_under_lockdown(self):
        locked = "mount -t tmpfs none /sys/kernel/security && echo 'none [integrity] confidentiality' > /sys/kernel/security/lockdown"
        self.lacking("lockdown is at integrity", "unshare", "-m", "sh", "-c", locked + " && exec \"$@\"", "sh",
                     *self.without(PERF_EVENT_OPEN))

    def test_without_the_kernels_tracer(self):
        self.lacking("tracefs", *self.without(FSOPEN), options=("--args", "-p", "p libc.so.6:malloc %di"))
        self.assertEqual(self.below(*self.without(FSOPEN)).returncode, 0) # hits alone need none

    def test_on_one_processor(self):
        for cpus in "1", "2":
            result = self.below("taskset", "-c", "0", options=("--cpus", cpus, "-p", ":add"), guest=(self.guest("threads8"),))
            self.assertEqual(result.returncode, 0, result)

    def test_on_another_kernel(self):
        result = self.below("setarch", "--uname-2.6")
        self.assertIn("this kernel is 2.6.", result.stderr)
        self.assertIn("the emulated one is linux-6.18", result.stderr)
        self.assertEqual(result.returncode, 0, result)


class NothingLeft(harness.CommandTest):
    """A live program that sleeps, and a judge that ends in every way while it does."""

    def start(self, *options):
        self.before = mounts()
        process = subprocess.Popen([harness.trapline, "judge", *options, "-p", "libc.so.6:malloc", "-p", "libc.so.6:nanosleep", "-p",
                                    "libc.so.6:clock_nanosleep", "--", "/bin/sh", "-c", "sleep 100 & sleep 200"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        sleepers = lambda: [pid for pid in children_of(process.pid) if program_of(pid) == "sleep"]
        self.assertTrue(wait_until(lambda: len(sleepers()) == 2), process.poll())
        return process, children_of(process.pid)

    def gone(self, pids):
        self.assertTrue(wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids)), pids)
        self.assertEqual(mounts(), self.before)

    def test_a_kill_leaves_no_process_and_no_mount(self):
        for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGQUIT):
            process, pids = self.start()
            process.send_signal(number)
            process.wait()
            self.gone(pids)

    @staticmethod
    def tracefs():
        """What is entered in the kernel's tracer, and its instances; in a mount namespace of its own."""
        return subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tracefs none /sys/kernel/tracing && "
                               "cat /sys/kernel/tracing/uprobe_events && ls /sys/kernel/tracing/instances"],
                              capture_output=True, text=True, check=True).stdout

    def test_a_kill_at_any_moment_leaves_nothing(self):
        """From the first instruction of the judge, over files, events and namespaces, to the end of the program."""
        before, mounted, clean = self.tracefs(), mounts(), first_bytes("malloc")
        for i in range(18):
            mark = f"TRAPLINE_MARK={os.getpid()}.{i}"
            process = subprocess.Popen([harness.trapline, "judge", "--args", "--env", mark, "-p", "p libc.so.6:malloc %di", "-p",
                                        "libc.so.6:free", "--", "/bin/sh", "-c", "sleep 0.2"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.04 * i)
            process.kill()
            process.wait()
            self.assertTrue(wait_until(lambda: not processes_with(mark)), (i, processes_with(mark)))
            self.assertTrue(wait_until(lambda: self.tracefs() == before), (i, self.tracefs()))
            self.assertEqual((mounts(), first_bytes("malloc")), (mounted, clean), i)

    def test_a_kill_leaves_nothing_in_the_kernels_tracer(self):
        before = self.tracefs()
        process, pids = self.start("--args", "-p", "p libc.so.6:malloc %di")
        self.assertNotEqual(self.tracefs(), before)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.gone(pids)
        self.assertTrue(wait_until(lambda: self.tracefs() == before), self.tracefs())

    def test_the_runner_may_be_killed_too(self):
        process, pids = self.start()
        os.kill(pids[0], signal.SIGKILL)
        self.assertEqual(process.wait(harness.TIMEOUT), 2)
        self.gone(pids)

    def test_interrupting_it_ends_both(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process, pids = self.start()
            process.send_signal(number)
            self.assertEqual(process.wait(harness.TIMEOUT), 128 + number)
            self.gone(pids)

    def test_nobody_else_is_probed(self):
        """This process runs the same libc all the time; its text must stay what the file has."""
        clean = first_bytes("malloc")
        self.assertNotEqual(clean[0], 0xcc)
        process, pids = self.start()
        self.assertEqual(first_bytes("malloc"), clean)
        child = subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; import judge_command; "
                                "print(judge_command.first_bytes('malloc').hex())"],
                               capture_output=True, text=True, check=True, cwd=os.path.dirname(os.path.abspath(__file__)))
        self.assertEqual(child.stdout.strip(), clean.hex())
        # The judged program is: its memory shows the int3.
        sleeper = next(pid for pid in pids if program_of(pid) == "sleep")
        self.assertEqual(self.byte_in(sleeper, "malloc"), b"\xcc")
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.gone(pids)

    @staticmethod
    def byte_in(pid, symbol):
        """The byte at a function of libc in another process that maps it elsewhere."""
        here = ctypes.cast(getattr(ctypes.CDLL("libc.so.6"), symbol), ctypes.c_void_p).value

        def base(of):
            with open(f"/proc/{of}/maps", encoding="utf-8") as file:
                return next(int(line.split("-")[0], 16) for line in file if "libc.so.6" in line)
        with open(f"/proc/{pid}/mem", "rb") as memory:
            memory.seek(base(pid) + here - base("self"))
            return memory.read(1)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    tried = subprocess.run([sys.argv[1], "judge", "--", "/bin/true"], capture_output=True, check=False)
    if tried.returncode == SKIP:
        print("skipped:", tried.stderr.decode().strip())
        sys.exit(SKIP)
    harness.main()
