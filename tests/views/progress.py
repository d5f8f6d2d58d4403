"""Long runs say how far they are, on a terminal and nowhere else; Ctrl-C prints what there is and the token."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import harness  # noqa: E402


class Terminal:
    """A command whose standard error is a terminal."""

    def __init__(self, *command, stdout=subprocess.DEVNULL):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs,
                                        stdout=theirs if stdout is None else stdout)
        os.close(theirs)
        self.text = ""

    def until(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if not select.select([self.ours], [], [], max(0, end - time.monotonic()))[0]:
                return False
            try:
                part = os.read(self.ours, 4096)
            except OSError:  # the other side is closed
                part = b""
            if not part:
                return bool(re.search(pattern, self.text))
            self.text += part.decode(errors="replace")
        return True

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


class Progress(harness.CommandTest):
    def terminal(self, *arguments, **more):
        terminal = Terminal(harness.trapline, *arguments, **more)
        self.addCleanup(terminal.close)
        return terminal

    def test_a_long_run_says_how_far_it_is_and_ends_well_on_ctrl_c(self):
        run = self.terminal("run", "-p", ":_start", "--", self.guest("forever"))
        self.assertTrue(run.until(r"\r\x1b\[K[\d,]+ instructions, \d+\.\d+ s of virtual time, \d+ hits"), run.text)
        first = int(re.search(r"([\d,]+) instructions", run.text)[1].replace(",", ""))
        self.assertTrue(run.until(r"(?s)instructions, .*instructions, .*instructions, "), run.text)
        self.assertGreater(int(re.findall(r"([\d,]+) instructions", run.text)[-1].replace(",", "")), first)
        run.process.send_signal(signal.SIGINT)
        self.assertTrue(run.until("token tl1:[^ ]+\r\n"), run.text)
        # The line is taken away before anything else is printed.
        self.assertRegex(run.text, r"\r\x1b\[Ktrapline: interrupted\r\n")
        self.assertEqual(run.process.wait(), 130)

    def test_the_token_of_an_interrupted_run_repeats_it(self):
        result = os.path.join(self.folder, "result.json")
        run = self.terminal("run", "-p", ":_start", "--json", result, "--", self.guest("forever"))
        self.assertTrue(run.until("instructions"), run.text)
        run.process.send_signal(signal.SIGINT)
        run.process.wait()
        with open(result) as file:
            document = json.load(file)
        self.assertEqual(document["exit"], {"stopped": "interrupted"})
        again = self.expect(125, "run", "-p", ":_start", "--schedule", document["token"], "--limit", "1000000", "--json", "-",
                            "--quiet", "--", self.guest("forever"))
        self.assertEqual(json.loads(again.out)["probes"], document["probes"])

    def test_nothing_where_the_guest_prints_to_the_same_terminal_nor_when_quiet(self):
        for options, stdout in ((["run"], None), (["run", "--quiet"], subprocess.DEVNULL)):
            run = self.terminal(*options, "--", self.guest("forever"), stdout=stdout)
            self.assertFalse(run.until("instructions", 4), run.text)

    def test_nothing_where_it_is_no_terminal(self):
        with subprocess.Popen([harness.trapline, "run", "--", self.guest("forever")], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            time.sleep(3)
            process.send_signal(signal.SIGINT)
            error = process.communicate()[1].decode()
        self.assertNotIn("\r", error)
        self.assertTrue(error.startswith("trapline: interrupted\n"), error)

    def test_replay_names_the_scenario(self):
        text = 'schema = 1\nname = "endless"\nintent = "x"\nsource = "x"\n[guest]\nprogram = "forever"\n' \
               '[run]\nstrategies = ["xol"]\n[[expect]]\nexit = 0\n'
        replay = self.terminal("replay", self.file("endless.toml", text), stdout=None)
        self.assertTrue(replay.until(r"endless, xol: [\d,]+ instructions"), replay.text)
        replay.process.send_signal(signal.SIGINT)
        # What there is: the run that was stopped, and how to start it again.
        self.assertTrue(replay.until(r"inconclusive endless: xol: the run was interrupted\r\n"), replay.text)
        self.assertTrue(replay.until(r"--token tl1:[^ ]+\r\n"), replay.text)
        self.assertEqual(replay.process.wait(), 130)


if __name__ == "__main__":
    harness.main()
