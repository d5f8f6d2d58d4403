"""Runs the command as its users do: a command line in, bytes and an exit code out.

Every test module is a program of its own: python3 NAME.py TRAPLINE GUESTS SCENARIOS. Only the standard library is used.
"""
import os
import subprocess
import sys
import tempfile
import unittest

TIMEOUT = 120  # seconds; nothing here takes one, but a hang must become a failure

trapline = guests = scenarios = None
write = False  # --write: a page that shows what the command prints is written, not compared


class Result:
    def __init__(self, process, command):
        self.code = process.returncode
        self.out = process.stdout.decode(errors="replace")
        self.err = process.stderr.decode(errors="replace")
        self.command = command

    def __str__(self):
        return f"$ {' '.join(self.command)}\nexit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_trapline(self, *arguments, stdin=b"", **more):
        command = [trapline, *arguments]
        more.setdefault("timeout", TIMEOUT)
        process = subprocess.run(command, input=stdin, capture_output=True, **more)
        result = Result(process, command)
        # Whatever happens, nothing of ours dies of a signal or fails a check.
        self.assertGreaterEqual(result.code, 0, result)
        self.assertNotIn("defect", result.err, result)
        return result

    def expect(self, code, *arguments, **more):
        result = self.run_trapline(*arguments, **more)
        self.assertEqual(result.code, code, result)
        return result

    def refused(self, code, words, *arguments, **more):
        """Nothing on standard output, one line that holds all the words, at most one more that helps."""
        result = self.expect(code, *arguments, **more)
        lines = result.err.splitlines()
        self.assertEqual(result.out, "", result)
        self.assertIn(len(lines), (1, 2), result)
        self.assertTrue(lines[0].startswith("trapline: "), result)
        if len(lines) == 2:
            self.assertTrue(lines[1].startswith("  "), result)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, result.err, result)
        return result

    def file(self, name, content, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def guest(self, name):
        return os.path.join(guests, name)

    def scenario(self, name):
        return os.path.join(scenarios, name)


def main():
    global trapline, guests, scenarios, write
    write = "--write" in sys.argv
    # Meson gives paths relative to the build folder; some tests run elsewhere.
    trapline, guests, scenarios = map(os.path.abspath, sys.argv[1:4])
    # What the tests start must not depend on who starts the tests.
    os.environ.pop("TRAPLINE_GUESTS", None)
    unittest.main(argv=[sys.argv[0], *(a for a in sys.argv[4:] if a != "--write")])
