"""`trapline show` and `trapline report`: event logs as text and as a page, and what is no event log."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import harness  # noqa: E402


class Show(harness.CommandTest):
    def log(self, strategy="inline"):
        path = os.path.join(self.folder, strategy + ".log")
        self.expect(0, "replay", "--strategy", strategy, "--log", path, self.scenario("missed-probe/two-cpus.toml"))
        return path

    def test_columns_tell_the_story_of_the_missed_probe(self):
        out = self.expect(0, "show", self.log()).out
        self.assertRegex(out.splitlines()[0], r"^event  t1, CPU 0 +byte at :hot +t2, CPU 1$")
        # In this order: the trap, the window opens, the other walks through, the window closes.
        self.assertRegex(out, r"(?s)trap: int3 was fetched +int3.*text-restored +> original"
                              r".*\n    \. +original +MISSED: executes :hot bare\n.*text-armed +> int3")
        self.assertEqual(out.count("MISSED"), 1)
        self.assertNotIn("MISSED", self.expect(0, "show", self.log("xol")).out)

    def test_mermaid_has_an_arrow_for_the_miss(self):
        out = self.expect(0, "show", "--mermaid", self.log()).out
        self.assertTrue(out.startswith("sequenceDiagram\n"))
        self.assertIn("t2->>text: fetches the original byte\n    Note over t2: MISSED", out)

    def test_standard_input(self):
        path = self.log()
        with open(path, "rb") as file:
            self.assertEqual(self.expect(0, "show", "-", stdin=file.read()).out, self.expect(0, "show", path).out)

    def test_a_window_of_events(self):
        out = self.expect(0, "show", self.log(), "--all", "--from", "5", "--to", "6").out
        self.assertEqual(len(out.splitlines()), 3)
        self.assertIn("syscall clone", out)
        out = self.expect(0, "show", self.log(), "--lines", "2").out
        self.assertRegex(out, r"\(\d+ more lines are not shown")

    def test_what_is_no_event_log_is_refused_with_its_line(self):
        path = self.log()
        with open(path) as file:
            lines = file.read().splitlines()
        self.refused(2, "/nosuch", "show", "/nosuch")
        self.refused(2, "one event log", "show")
        self.refused(2, "exclude", "show", path, "--mermaid", "--columns")
        self.refused(2, "empty", "show", self.file("bad", ""))
        for text, words in {
            "hello\n": ":1: this is no line",
            "[1]\n": ":1: this is no line",
            "{}\n": ":1: this line of the event log lacks",
            lines[0] + "\n" + lines[0] + "\n": ":2: a second run",
            lines[1].replace('"created"', '"creatd"') + "\n": ":1: there is no step \"creatd\"",
            lines[1].replace('"cpu":0', '"cpu":"a"') + "\n": ":1: this line",
            lines[0].replace('"model":', '"model":9') + "\n": ":1: the log is of model 9",
        }.items():
            with self.subTest(words):
                self.refused(2, words, "show", self.file("bad", text))

    def test_a_log_without_its_end_is_shown(self):
        path = self.log()
        with open(path) as file:
            lines = file.read().splitlines()
        out = self.expect(0, "show", self.file("cut", "\n".join(lines[:-1]) + "\n")).out
        self.assertIn("byte at 0x", out)  # the names of probes stand in the last line
        self.assertIn("MISSED", out)

    def test_damaged_logs_never_crash_it(self):
        with open(self.log(), "rb") as file:
            good = file.read()
        for step in range(0, len(good), 97):
            for bad in (good[:step], good[:step] + b"\xff" + good[step + 1:], good[:step] + b'"' + good[step:]):
                result = self.run_trapline("show", "-", stdin=bad)
                self.assertIn(result.code, (0, 2), result)

    def test_the_log_says_what_was_run(self):
        with open(self.log()) as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(lines[0]["scenario"]["name"], "missed-probe-two-cpus")
        with open(self.scenario("missed-probe/two-cpus.toml")) as file:
            self.assertEqual(lines[0]["scenario"]["text"], file.read())
        self.assertTrue(re.match(r"tl1:[0-9a-f]{8}:", lines[-1]["end"]["token"]))


class Report(harness.CommandTest):
    def test_what_is_no_event_log_is_refused(self):
        out = os.path.join(self.folder, "report.html")
        self.refused(2, "/nosuch", "report", "/nosuch", "-o", out)
        self.refused(2, "-o FILE.html", "report", "/nosuch")
        self.refused(2, "one event log", "report", "-o", out)
        self.refused(2, ":1:", "report", self.file("bad", "hello\n"), "-o", out)
        self.refused(2, "-o", "report", self.file("log", "{\"log\":1}\n"), "-o", "/nosuch/folder/report.html")
        self.assertFalse(os.path.exists(out))

    def test_nothing_is_fetched_from_elsewhere(self):
        result = self.expect(0, "report", self.file("log", '{"log":1}\n'), "-o", "-")
        page = re.sub(r'<script type="application/json".*?</script>', "", result.out, flags=re.S)
        found = re.search(r"(?i)(src|href)\s*=\s*[\"'](?!data:)|@import|url\(|fetch\(|XMLHttp|//[a-z]+\.", page)
        self.assertIsNone(found)


if __name__ == "__main__":
    harness.main()
