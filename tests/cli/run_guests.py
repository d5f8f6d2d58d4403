"""`trapline run` behaves like the program that it runs, and says the truth about its probes."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness


class FetchArguments(harness.CommandTest):
    """Expected values are those in the guest's source, in the kernel tracer's words."""
    def fetched(self, *arguments):
        path = os.path.join(self.folder, "result.json")
        result = self.expect(0, "run", "--args", "--json", path, *arguments, "--", self.guest("fetch"))
        with open(path, encoding="utf-8") as file:
            probe = json.load(file)["probes"][0]
        self.assertEqual((probe["hits"], probe["not_kept"]), (4, 0))
        return result, [hit["values"] for hit in probe["fetched"]]

    def test_registers_memory_and_types(self):
        _, hits = self.fetched("-p", "p :seen a=%di:s64 %cx:u16 e=%r8:s32 f=%r9:x8 on_stack=+8(%sp) $stack1:x32 $comm "
                               "b=+0(+0(%si)):u8[4] n=+4(+0(%si)):s32 w=+8(%si):u32[4] lo=+24(%si):b3@0/32 "
                               "mid=+24(%si):b7@3/32 hi=+24(%si):b22@10/32 text=+0(%dx):string c=%di:char k=\\-7:s8")
        self.assertEqual(hits[0], ' a=-2 arg2=300 e=2147483647 f=0xff on_stack=0xabcd arg6=0xabcd arg7="fetch" '
                         'b={1,2,254,255} n=-5 w={10,20,30,40} lo=5 mid=100 hi=3000000 text="text with "quotes"" '
                         "c='\ufffd' k=-7")
        self.assertIn("c='q'", hits[1])

    def test_what_cannot_be_read_is_a_fault_where_faults_show(self):
        spec = "p :seen n=+4(+0(%si)):s32 name=+0(+8(+0(%si))):string text=+0(%dx):string"
        _, hits = self.fetched("--kernel", "fixed", "-p", spec)
        self.assertEqual(hits[0], ' n=-5 name="a name" text="text with "quotes""')
        self.assertEqual(hits[1], ' n=(fault) name=(fault) text=""')
        self.assertEqual(hits[2], " n=(fault) name=(fault) text=(fault)")
        # And a 0 where they do not.
        _, hits = self.fetched("-p", "p :seen n=+4(+0(%si)):s32")
        self.assertEqual(hits, [" n=-5", " n=0", " n=0", " n=0"])

    def test_a_constant_string_is_a_fault_where_the_kernel_looks_for_it_in_the_program(self):
        spec = 'p :seen one=\\"constant":string text=+0(%dx):string two=\\"x"'
        self.assertEqual(self.fetched("-p", spec)[1][0], ' one=(fault) text="text with "quotes"" two=(fault)')
        self.assertEqual(self.fetched("--kernel", "fixed", "-p", spec)[1][0],
                         ' one="constant" text="text with "quotes"" two="x"')

    def test_a_line_for_each_hit(self):
        result, _ = self.fetched("-p", "r:back :seen ret=$retval:s64")
        lines = [line for line in result.err.splitlines() if ": back: (" in line]
        # -2 + 300 + 0x7fffffff - 1 + 0xabcd
        self.assertRegex(lines[0], r"^fetch-1000 \[00\d\] 0\.\d{6}: back: \(0x[0-9a-f]+ <- 0x[0-9a-f]+\) ret=2147527925$")
        self.assertEqual(len(lines), 4)

    def test_arguments_that_mean_nothing_are_refused(self):
        for spec, words in (("p :seen %di:string", "a string is in memory"), ("p :seen %di:u8[4]", "an array is in memory"),
                            ("p :seen $comm:u8", "$comm is a string"),
                            ('p :seen \\"a":u8', "a constant string is a string"), ("p :seen +0(%di):b9@0/8", "not within"),
                            ("p :seen $retval", "only known when the function returns")):
            self.refused(125, words, "run", "-p", spec, "--", self.guest("fetch"))


class Calls(harness.CommandTest):
    def calls(self, *command):
        log = os.path.join(self.folder, "events.log")
        self.expect(0, "run", "--quiet", "--log", log, "--", *command)
        with open(log, encoding="utf-8") as file:
            end = json.loads(file.read().splitlines()[-1])["end"]
        return self.expect(0, "show", "--calls", log).out, end

    def test_the_log_says_calls_in_words(self):
        text, end = self.calls("/bin/sh", "-c", "echo hello; cd /nowhere/at/all || true")
        for line in (r'write\(1, "hello\\n", 6\) = 6', r'chdir\("/nowhere/at/all"\) = -1 ENOENT', r"exit_group\(0\)",
                     r"mmap\(0, \d+, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\) = 0x7[0-9a-f]+",
                     r'openat\(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY\|O_CLOEXEC, 0\) = 3'):
            self.assertRegex(text, rf"(?m)^ +\d+ t1 +{line}")
        self.assertEqual(len(text.splitlines()), end["counters"]["syscalls"])

    def test_a_run_that_is_written_down_is_the_same_run(self):
        path = os.path.join(self.folder, "result.json")
        command = ["/bin/sh", "-c", "ls / | sort | head -n 1"]
        _, end = self.calls(*command)
        self.expect(0, "run", "--quiet", "--json", path, "--", *command)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["log_hash"], end["log_hash"])


class LikeTheProgram(harness.CommandTest):
    def test_output_and_exit_code_are_the_guests(self):
        result = self.expect(0, "run", "--", self.guest("two-threads"))
        self.assertEqual((result.out, result.err), ("2\n", ""))

    def test_a_closed_stream_is_closed_for_the_guest_too(self):
        # Not whatever the command opened first: that would be the guest's own memory.
        for redirection, stream in (("<&-", "cat"), (">&-", "ls /"), ("2>&-", "ls /")):
            command = f"exec {harness.trapline} run -- {stream} {redirection}"
            native = subprocess.run(["sh", "-c", f"exec {stream} {redirection}"], capture_output=True)
            ours = subprocess.run(["sh", "-c", command], capture_output=True)
            self.assertEqual((ours.returncode, len(ours.stdout)), (native.returncode, len(native.stdout)), redirection)

    def test_an_exit_code_is_passed_on(self):
        busybox = shutil.which("busybox")
        if not busybox:
            self.skipTest("busybox is not installed")
        for code in (0, 1, 42, 255):
            self.expect(code, "run", "--", busybox, "sh", "-c", f"exit {code}")

    def test_arguments_behind_the_dashes_belong_to_the_guest(self):
        busybox = shutil.which("busybox")
        if not busybox:
            self.skipTest("busybox is not installed")
        result = self.expect(0, "run", "--", busybox, "echo", "-p", "--", "--json", "a b", "")
        self.assertEqual(result.out, "-p -- --json a b \n")

    def test_standard_input_is_the_commands(self):
        sort = shutil.which("sort")
        if not sort:
            self.skipTest("sort is not installed")
        self.assertEqual(self.expect(0, "run", "--", sort, stdin=b"b\na\n").out, "a\nb\n")

    def test_signals_that_kill_the_guest_are_128_more(self):
        for guest, number in {"jump0": signal.SIGSEGV, "overflow": signal.SIGSEGV, "avx": signal.SIGILL}.items():
            with self.subTest(guest):
                result = self.expect(128 + number, "run", "--", self.guest(guest))
                self.assertEqual(result.out, "")

    def test_a_limit_ends_a_program_that_never_would(self):
        result = self.expect(125, "run", "--quiet", "--limit", "100000", "--", self.guest("forever"))
        self.assertEqual(result.err, "trapline: the limit of 100000 instructions was reached\n")

    def test_the_environment_is_not_the_hosts(self):
        env = shutil.which("env")
        if not env:
            self.skipTest("env is not installed")
        result = self.expect(0, "run", "--env", "B=2", "--env", "HOME=/x", "--", env)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.assertEqual(sorted(result.out.splitlines()), ["B=2", "HOME=/x", path])

    def test_an_interrupted_run_prints_what_it_has(self):
        command = [harness.trapline, "run", "-p", ":body", "--", self.guest("forever")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        try:
            _, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.fail("it did not stop")
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(b"interrupted", err)
        self.assertIn(b"token tl1:", err)


class Results(harness.CommandTest):
    RACE = "t1 until text-restored; t2 until :hot+3; t1 until text-armed"

    def race(self, *options):
        return self.expect(
            0, "run", "-p", ":hot", "--strategy", "inline", "--kernel", "uprobes-2010", "--schedule", self.RACE,
            *options, "--", self.guest("two-threads"),
        )

    def test_the_table_is_on_standard_error_and_narrow(self):
        result = self.race()
        self.assertEqual(result.out, "2\n")
        self.assertRegex(result.err, r"(?m)^:hot +2 +1 +1 +0 +armed$")
        self.assertRegex(result.err, r"log [0-9a-f]{16}, token tl1:[0-9a-f]{8}:\d+:inline:\S+\n")
        for line in result.err.splitlines():
            if "token" not in line:
                self.assertLessEqual(len(line), 100, line)

    def test_a_long_probe_keeps_the_table_narrow(self):
        link = os.path.join(self.folder, "x" * 120)
        os.symlink(self.guest("two-threads"), link)
        result = self.expect(0, "run", "-p", f"{link}:hot", "--", link)
        row = next(line for line in result.err.splitlines() if "armed" in line)
        self.assertLessEqual(len(row), 100)
        self.assertIn("x:hot", row)

    def test_quiet_is_quiet(self):
        self.assertEqual(self.race("--quiet").err, "")

    def test_json_has_the_keys_of_the_interface(self):
        path = os.path.join(self.folder, "run.json")
        self.race("--json", path)
        with open(path) as file:
            document = json.load(file)
        wanted = {
            "schema": 1, "command": "run", "strategy": "inline", "kernel": "uprobes-2010", "cpus": 2, "seed": 0,
            "schedule": self.RACE, "exit": {"code": 0}, "threads": 2, "processes": 1,
        }
        self.assertEqual({key: document[key] for key in wanted}, wanted)
        self.assertRegex(document["log_hash"], "^[0-9a-f]{16}$")
        self.assertRegex(document["token"], "^tl1:[0-9a-f]{8}:[0-9]+:inline:")
        self.assertTrue(os.path.samefile(document["program"], self.guest("two-threads")))
        for key in ("virtual_cycles", "instructions"):
            self.assertIsInstance(document[key], int)
            self.assertGreater(document[key], 0)
        (probe,) = document["probes"]
        address = probe.pop("address")
        self.assertIsInstance(address, int)
        self.assertEqual(
            probe,
            {"spec": ":hot", "kind": "entry", "executions": 2, "hits": 1, "missed": 1, "repeated": 0,
             "status": "armed", "errno": 0},
        )
        counters = document["counters"]
        # One hit: one int3, one step. The byte was armed, lifted, and armed again, in one private page.
        self.assertEqual((counters["breakpoint_traps"], counters["step_traps"]), (1, 1))
        self.assertEqual((counters["text_writes"], counters["pages_copied"]), (3, 1))
        self.assertEqual(counters["xol_slots_used"], 0)
        for key in ("ipis", "syscalls"):
            self.assertIsInstance(counters[key], int)

    def test_json_goes_to_standard_output_behind_the_guests(self):
        out = self.race("--quiet", "--json", "-").out
        self.assertTrue(out.startswith("2\n{"), out)
        self.assertEqual(json.loads(out[2:])["command"], "run")

    def test_json_tells_of_signals(self):
        path = os.path.join(self.folder, "run.json")
        self.expect(139, "run", "--json", path, "--", self.guest("jump0"))
        with open(path) as file:
            self.assertEqual(json.load(file)["exit"], {"signal": 11})

    def test_the_log_has_a_line_for_every_event(self):
        log = os.path.join(self.folder, "log")
        self.race("--log", log)
        with open(log) as file:
            lines = [json.loads(line) for line in file]
        # A line before them says what was run, one behind them how it ended; misses and words are no events.
        self.assertEqual(lines[0]["probes"], [":hot"])
        self.assertEqual(lines[-1]["end"]["probes"][0]["missed"], sum("missed" in line for line in lines))
        events = [line for line in lines[1:-1] if not line.keys() & {"missed", "called", "returned"}]
        self.assertEqual(lines[-1]["end"]["events"], len(events))
        keys = ["number", "time", "cpu", "task", "serial", "step", "object", "value", "text", "cost", "space", "frames"]
        self.assertTrue(events)
        for number, event in enumerate(events, 1):
            self.assertEqual(list(event), keys)
            self.assertEqual(event["number"], number)
        steps = [(event["task"], event["step"]) for event in events]
        trap = steps.index(("t1", "trap"))
        hit = [step for task, step in steps[trap:] if task == "t1"]
        order = ["trap", "lookup", "handler", "text-restored", "stepped", "text-armed", "resumed"]
        self.assertEqual([step for step in hit if step in order], order)

    def test_a_token_repeats_the_run(self):
        first, second = (os.path.join(self.folder, name) for name in ("1.json", "2.json"))
        self.race("--json", first)
        with open(first) as file:
            one = json.load(file)
        self.expect(
            0, "run", "-p", ":hot", "--kernel", "uprobes-2010", "--schedule", one["token"], "--json", second, "--",
            self.guest("two-threads"),
        )
        with open(second) as file:
            two = json.load(file)
        for key in ("strategy", "log_hash", "probes", "counters", "instructions"):
            self.assertEqual(one[key], two[key], key)


class Files(harness.CommandTest):
    def test_a_file_is_replaced_through_its_link_and_nothing_else_is_left(self):
        real = self.file("real.json", "old")
        link = os.path.join(self.folder, "link.json")
        os.symlink(real, link)
        self.expect(0, "run", "--json", link, "--", self.guest("two-threads"))
        self.assertTrue(os.path.islink(link))
        with open(real) as file:
            self.assertEqual(json.load(file)["schema"], 1)
        self.assertEqual(sorted(os.listdir(self.folder)), ["link.json", "real.json"])

    def test_an_old_file_survives_a_failure(self):
        path = self.file("old.json", "old")
        self.run_trapline("run", "--json", path, "--", "/nosuch/program")
        with open(path) as file:
            self.assertEqual(file.read(), "old")
        self.assertEqual(os.listdir(self.folder), ["old.json"])

    def test_what_is_no_regular_file_is_written_to_as_it_is(self):
        pipe = os.path.join(self.folder, "pipe")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.expect(0, "run", "--json", pipe, "--", self.guest("two-threads"))
        self.assertEqual(json.loads(os.read(reader, 1 << 16))["schema"], 1)

    def test_results_on_a_full_disk_are_no_success(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        with open("/dev/full", "wb") as full:
            process = subprocess.run([harness.trapline, "list", "steps"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(process.returncode, 3)
        self.assertIn(b"No space left", process.stderr)


if __name__ == "__main__":
    harness.main()
