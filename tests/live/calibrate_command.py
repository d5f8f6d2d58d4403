#!/usr/bin/env python3
"""calibrate-command: `trapline calibrate` measures, writes a profile that --cost takes, and says how well it predicts.

How well is not this test's business: the machine that runs tests is not quiet. That the numbers are the kernel's is: a
probe costs more than a system call, a step more than an emulated nop.

    calibrate_command.py TRAPLINE GUESTS SCENARIOS
"""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import harness

SKIP = 77


class Calibrate(harness.CommandTest):
    def test_a_profile_that_the_other_commands_take(self):
        profile, numbers = os.path.join(self.folder, "here.cost"), os.path.join(self.folder, "numbers.json")
        result = self.run_trapline("calibrate", "--quick", "-o", profile, "--json", numbers)
        with open(numbers, encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual((document["schema"], document["command"]), (1, "calibrate"))
        self.assertEqual(document["kernel"], os.uname().release)
        self.assertEqual(result.code, 0 if document["within_goal"] else 1 if document["settled"] else 4, result)
        if result.code == 4:
            self.assertIn("too noisy", result.err)
        self.assertEqual(document["within_goal"], all(p["error_percent"] <= 20 for p in document["predictions"]), document)
        self.assertGreaterEqual(len(document["predictions"]), 5)
        took = {m["what"]: m["picoseconds"] for m in document["measured"]}
        self.assertGreater(took["probe on a nop, emulated"], took["system call"])
        self.assertGreater(took["probe on a lea, stepped out of line"], took["probe on a nop, emulated"])
        with open(profile, encoding="utf-8") as file:
            text = file.read()
        for word in (os.uname().nodename, os.uname().release, document["date"], "breakpoint-trap"):
            self.assertIn(word, text)

        def cycles(cost):
            path = os.path.join(self.folder, "run.json")
            self.expect(0, "run", "--quiet", "--cost", cost, "--json", path, "-p", ":body", "--", self.guest("loop"), "1000")
            with open(path, encoding="utf-8") as file:
                return json.load(file)["virtual_cycles"]
        self.assertNotEqual(cycles(profile), cycles("bare-metal"))

    def test_on_one_processor(self):
        numbers = os.path.join(self.folder, "numbers.json")
        result = subprocess.run(["taskset", "-c", "0", harness.trapline, "calibrate", "--quick", "--json", numbers, "-o", "/dev/null"],
                                capture_output=True, timeout=harness.TIMEOUT, check=False)
        self.assertIn(result.returncode, (0, 1, 4), result)
        with open(numbers, encoding="utf-8") as file:
            self.assertIn("ipi", json.load(file)["assumed"]) # nobody is there to be interrupted

    def test_bad_command_lines(self):
        self.refused(2, "runs no program", "calibrate", "--", "/bin/true")
        self.refused(2, "--output", "calibrate", "-o", "/nowhere/x")

    def test_without_root_it_is_skipped_with_the_reason(self):
        result = subprocess.run([harness.trapline, "calibrate"], capture_output=True, timeout=harness.TIMEOUT, cwd="/",
                                user=65534, group=65534, extra_groups=[], check=False)
        self.assertEqual(result.returncode, SKIP, result)
        self.assertIn(b"root", result.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    tried = subprocess.run([sys.argv[1], "judge", "--", "/bin/true"], capture_output=True, check=False)
    if tried.returncode == SKIP:
        print("skipped:", tried.stderr.decode().strip())
        sys.exit(SKIP)
    harness.main()
