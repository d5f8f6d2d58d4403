"""gdb, unmodified and in batch mode, looks at runs: forwards, backwards, and without a trace."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import harness  # noqa: E402

RACE = "missed-probe/two-cpus.toml"


class Debug(harness.CommandTest):
    def gdb(self, commands, *target, program="two-threads", code=0):
        """What gdb prints when it is told these lines."""
        script = ["set pagination off", "set confirm off", "set width 0", "set debuginfod enabled off",
                  "target remote | " + " ".join([harness.trapline, "debug", "--pipe", *map(self.quoted, target)])]
        script += commands
        path = self.file("commands.gdb", "\n".join(script) + "\n")
        run = subprocess.run(["gdb", "-nx", "-batch", "-ex", "set python print-stack none", "-x", path, self.guest(program)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=harness.TIMEOUT,
                             env={**os.environ, "LC_ALL": "C"})
        self.text = run.stdout.decode(errors="replace")
        self.assertEqual(run.returncode, code, self.text)
        self.assertNotIn("internal-error", self.text)
        return self.text

    @staticmethod
    def quoted(word):
        return "'" + word + "'" if re.search(r"[^\w./:+-]", word) else word

    def stops(self, commands, *target, **more):
        """The register rip and the thread behind each command that moves."""
        lines = []
        for command in commands:
            lines.append(command)
            if not command.startswith(("monitor", "break", "watch", "delete", "printf", "tbreak")):
                lines.append(r'printf "<%d %#lx>\n", $_thread, $rip')
        text = self.gdb(lines, *target, **more)
        return [(int(thread), int(rip, 16)) for thread, rip in re.findall(r"<(\d+) (0x[0-9a-f]+)>", text)]

    def symbol(self, name, program="two-threads"):
        listing = subprocess.run(["nm", self.guest(program)], capture_output=True, check=True).stdout.decode()
        return int(re.search(rf"^([0-9a-f]+) \w {name}$", listing, re.M)[1], 16)

    def test_from_a_missed_probe_back_to_who_restored_the_byte(self):
        text = self.gdb(["monitor catch missed", "continue", "thread", "monitor catch none",
                         "monitor catch text-restored@:hot", "reverse-continue", "thread", "x/1xb &hot",
                         "monitor view program", "maintenance flush dcache", "x/1xb &hot", "monitor uprobes", "monitor steps"],
                        self.scenario(RACE), "--strategy", "inline")
        self.assertIn("missed: t2 executes :hot and no handler has run: t1 has put the original byte back (event 11)", text)
        missed, restored = text.index("Thread 2 \"t2\" stopped."), text.index("Thread 1 \"t1\" stopped.")
        self.assertLess(missed, restored, text)
        self.assertRegex(text, r"event 11: t1: text-restored")
        self.assertRegex(text, r"t1 +CPU 0 +in the kernel, behind event 11: text-restored")
        self.assertRegex(text, r":hot +0x[0-9a-f]+ +armed +0 +1 +0 +0")
        # The byte is the original one here: mov %rdi,%rax begins with 0x48.
        self.assertEqual(re.findall(r"<hot>:\s+(0x\w\w)", text), ["0x48", "0x48"])

    def test_the_two_views_of_a_probed_byte(self):
        text = self.gdb(["x/1xb &hot", "monitor view program", "maintenance flush dcache", "x/1xb &hot"],
                        self.scenario(RACE), "--strategy", "xol")
        self.assertEqual(re.findall(r"<hot>:\s+(0x\w\w)", text), ["0x48", "0xcc"])

    def test_breakpoints_and_steps_forwards_and_backwards(self):
        hot, start = self.symbol("hot"), self.symbol("_start")
        moves = self.stops(["stepi 0", "break hot", "continue", "continue", "stepi", "reverse-stepi", "reverse-continue",
                            "reverse-continue"], self.scenario(RACE), "--strategy", "xol")
        self.assertEqual(moves[0], (1, start))
        # t1 traps; t2 is let in while t1 is about to step its copy.
        self.assertEqual(moves[1:3], [(1, hot), (2, hot)])
        self.assertNotEqual(moves[3], (2, hot))
        self.assertEqual(moves[4:], [(2, hot), (1, hot), (1, start)])
        self.assertIn("No more reverse-execution history", self.text)

    def test_a_watchpoint_finds_the_writes_in_both_directions(self):
        hot = self.symbol("hot")
        moves = self.stops(["watch *(long *) &calls", "continue", "continue", "reverse-continue", "reverse-continue"],
                           self.scenario(RACE), "--strategy", "inline")
        # The write is the instruction behind the probed one, lock incq; forwards one stands behind it, backwards before.
        length = 8
        self.assertEqual(re.findall(r'Thread \d "(t\d)" hit', self.text), ["t2", "t1", "t1", "t2"], self.text)
        self.assertEqual([rip for _, rip in moves], [hot + 3 + length] * 2 + [hot + 3] * 2, self.text)
        self.assertRegex(self.text, r"Old value = 0\s+New value = 1")
        self.assertRegex(self.text, r"Old value = 1\s+New value = 2")

    def test_a_run_that_was_stepped_through_is_the_same_run(self):
        plain = self.expect(0, "run", "-p", ":hot", "--strategy", "inline", "--schedule", "random:7", "--json", "-", "--quiet",
                            "--", self.guest("two-threads"))
        result = json.loads(plain.out[plain.out.index("{"):])
        text = self.gdb(["break hot", "watch *(long *) &calls", "continue", "stepi 7", "reverse-stepi 3", "reverse-continue",
                         "delete", "stepi 40", "monitor vmas", "monitor frames", "monitor steps", "monitor slots", "info registers",
                         "info all-registers", "x/4i $rip", "continue"],
                        "-p", ":hot", "--strategy", "inline", "--schedule", "random:7", "--", self.guest("two-threads"))
        self.assertIn(f"log {result['log_hash']}, token {result['token']}", text)
        self.assertIn("the program has exited with code 0", text)

    def test_registers_are_those_of_the_program(self):
        # cpu-mix fills SSE registers; its own output says nothing of them, so one instruction is followed by hand.
        text = self.gdb(["tbreak guest_main", "continue", "p $cs", "p $ss", "p $mxcsr", "p $eflags & 0x100", "p/x $xmm15.uint128",
                         "p $_exitcode", "info threads"], "--", self.guest("cpu-mix"), program="cpu-mix")
        self.assertIn("= 51", text)  # 0x33
        self.assertIn("= 43", text)  # 0x2b
        self.assertRegex(text, r"\[ IM DM ZM OM UM PM \]")  # 0x1f80, what a program starts with
        self.assertRegex(text, r'Thread 1 "t1"')

    def test_a_position_independent_program_with_libraries(self):
        text = self.gdb(["break lib_hot", "continue", "info sharedlibrary", "backtrace 2", "monitor catch syscall", "continue"],
                        "-p", "libhot.so:lib_hot", "--", self.guest("uses-libhot"), program="uses-libhot")
        self.assertRegex(text, r"Breakpoint 1, 0x[0-9a-f]+ in lib_hot \(\) from .*libhot.so")
        self.assertRegex(text, r"0x[0-9a-f]+ +0x[0-9a-f]+ +Yes.*libc\.so\.6")
        self.assertRegex(text, r"#1 .* in main \(\)")

    def test_a_fault_stops_where_it_happens(self):
        text = self.gdb(["continue", "reverse-stepi", "x/i $rip"], "--", self.guest("own-int3"), program="own-int3")
        self.assertIn("received signal SIGTRAP", text)

    def test_goto_and_events(self):
        text = self.gdb(["monitor goto 13", "continue", "monitor events 2", "monitor goto 9", "reverse-continue", "monitor events 1",
                         "monitor token"], self.scenario(RACE), "--strategy", "inline")
        self.assertRegex(text, r"12  t1 +stepped\n +13  t1 +text-armed\n(?s:.*) 9  t1 +lookup\n")
        self.assertRegex(text, r"tl1:[0-9a-f]{8}:\d+:inline:")

    def test_what_the_kernel_can_be_asked(self):
        text = self.gdb(["monitor catch slot-written", "continue", "monitor slots", "monitor vmas", "monitor frames",
                         "monitor frames hot", "monitor frames 0x401000", "monitor help", "monitor nonsense", "monitor catch txt-armed"],
                        self.scenario(RACE), "--strategy", "xol")
        # The copy of mov %rdi,%rax stands in the first slot behind the trampoline's.
        self.assertRegex(text, r"slot  1 at 0x[0-9a-f]+80, taken: 48 89 f8")
        self.assertRegex(text, r"--xp 00000000 \[uprobes\]")
        self.assertRegex(text, r"\d+ frames in use")
        self.assertRegex(text, r"0x401000 is in frame \d+, 2 references\n")  # a copy for the int3: it is not the page cache's
        self.assertIn("no monitor command \"nonsense\"", text)
        self.assertIn("did you mean 'text-armed'?", text)

    def test_nothing_can_be_changed(self):
        text = self.gdb(["set var $rax = 5"], "--", self.guest("hello-static"), program="hello-static", code=1)
        self.assertIn("Could not write register", text)

    def test_over_a_port_and_interrupted(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([harness.trapline, "debug", "--port", str(port), "--", self.guest("forever")],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.stderr.close)
        self.assertIn(f"localhost:{port}", server.stderr.readline().decode())
        script = self.file("commands.gdb", f"set confirm off\ntarget remote localhost:{port}\ncontinue\nbacktrace 1\nkill\n")
        gdb = subprocess.Popen(["gdb", "-nx", "-batch", "-x", script, self.guest("forever")], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            gdb.wait(3)
        except subprocess.TimeoutExpired:
            gdb.send_signal(signal.SIGINT)
        text = gdb.communicate(timeout=60)[0].decode()
        self.assertIn("SIGINT", text)
        self.assertEqual(server.wait(30), 0)

    def test_wrong_use(self):
        self.refused(2, "one scenario file", "debug")
        self.refused(2, "--write", "debug", "--write", self.folder, "--", self.guest("hello-static"))
        self.refused(2, "--port", "debug", "--port", "0", "--", self.guest("hello-static"))
        self.refused(2, "no-such-program", "debug", "--", "no-such-program")


if __name__ == "__main__":
    if shutil.which("gdb") is None:
        print("gdb is not installed")
        sys.exit(77)
    harness.main()
