"""`replay` and `compare`: every scenario holds, and every format of the results is well-formed."""
import glob
import json
import os
import re
import tomllib
import xml.etree.ElementTree

import harness

VIOLATED = """schema = 1
name   = "expects-the-wrong"
intent = "Two calls are no three; quotes \\" and <brackets> must survive every format."
source = "tests/cli"

[guest]
program = "two-threads"

[[probe]]
at = ":hot"

[run]
strategies = ["inline", "xol"]

[[expect]]
strategies = ["xol"]
hits = 3

[[expect]]
stdout = "2\\n"
"""


class EveryScenario(harness.CommandTest):
    def files(self):
        files = sorted(filter(self.has_schedules, glob.glob(self.scenario("*/*.toml"))))
        self.assertGreaterEqual(len(files), 8)
        return files

    def has_schedules(self, path):
        """Not one whose schedules `explore` searches."""
        with open(path) as file:
            text = file.read()
        return "[explore]" not in text or "method" in text

    def test_all_hold(self):
        result = self.expect(0, "replay", *self.files())
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 100)

    def test_each_strategy_has_a_file_for_what_it_does_right_and_one_for_where_it_breaks(self):
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/scenarios.md")
        with open(page, encoding="utf-8") as file:
            rows = re.findall(r"^\| `([\w-]+)` \| \[(.*?)\]\(.*?\) \| \[(.*?)\]\(.*?\) \|$", file.read(), re.M)
        named = [s["name"] for s in json.loads(self.expect(0, "list", "strategies", "--json", "-").out)["items"]]
        self.assertEqual(sorted(row[0] for row in rows), sorted(named))
        for strategy, *files in rows:
            for name in files:
                with open(self.scenario(f"{name}.toml"), "rb") as file:
                    self.assertIn(strategy, tomllib.load(file)["run"]["strategies"], name)
            self.assertNotEqual(*files)

    def test_from_anywhere_with_any_environment(self):
        def rows(**more):
            # Whether they hold is another test's business.
            out = self.run_trapline("replay", "--json", "-", *map(os.path.abspath, self.files()), **more).out
            return json.loads(out)["results"]

        here = rows()
        elsewhere = rows(cwd=self.folder, env={"HOME": self.folder, "LANG": "C.UTF-8", "X": "y" * 1000})
        self.assertEqual(here, elsewhere)

    def test_a_token_replays_a_row(self):
        file = self.scenario("missed-probe/two-cpus.toml")
        rows = json.loads(self.expect(0, "replay", file, "--json", "-").out)["results"]
        for row in rows:
            again = json.loads(self.expect(0, "replay", file, "--token", row["token"], "--json", "-").out)["results"]
            self.assertEqual(again, [row])


class Formats(harness.CommandTest):
    def setUp(self):
        super().setUp()
        self.path = self.file("violated.toml", VIOLATED)

    def test_text_names_what_does_not_hold_and_how_to_see_it_again(self):
        out = self.expect(1, "replay", self.path).out
        self.assertRegex(out, r"(?m)^holds +expects-the-wrong: inline")
        self.assertRegex(out, r"(?m)^violated +expects-the-wrong: xol.*hits is 2, expected 3")
        self.assertRegex(out, r"trapline replay \S*violated\.toml (\\\n +)?--token '?tl1:")

    def test_json(self):
        document = json.loads(self.expect(1, "replay", self.path, "--json", "-").out)
        self.assertEqual((document["schema"], document["command"]), (1, "replay"))
        found = [(row["scenario"], row["strategy"], row["status"]) for row in document["results"]]
        name = "expects-the-wrong"
        self.assertEqual(found, [(name, "inline", "holds"), (name, "xol", "violated")])
        for row in document["results"]:
            self.assertLessEqual({"scenario", "strategy", "status", "detail", "token"}, set(row))

    def test_junit(self):
        path = os.path.join(self.folder, "report.xml")
        self.expect(1, "replay", self.path, "--junit", path)
        suites = xml.etree.ElementTree.parse(path).getroot()
        cases = suites.findall("testsuite/testcase")
        self.assertEqual([case.get("name") for case in cases], ["inline", "xol"])
        self.assertEqual([len(case.findall("failure")) for case in cases], [0, 1])
        self.assertEqual(suites.get("failures"), "1")

    def test_tap(self):
        lines = self.expect(1, "replay", self.path, "--tap").out.splitlines()
        self.assertEqual(lines[:2], ["TAP version 13", "1..2"])
        self.assertTrue(lines[2].startswith("ok 1 - "))
        self.assertTrue(lines[3].startswith("not ok 2 - "))

    def test_github(self):
        out = self.expect(1, "replay", self.path, "--github").out
        self.assertRegex(out, r"(?m)^::error file=[^,]*violated\.toml,line=15,title=[^:]*::hits is 2, expected 3")

    def test_a_strategy_can_be_chosen(self):
        self.expect(0, "replay", self.path, "--strategy", "inline")
        self.expect(1, "replay", self.path, "--strategy", "xol")

    def test_the_log_of_one_run(self):
        log = os.path.join(self.folder, "log")
        self.refused(2, "--log", "replay", self.path, "--log", log)
        self.assertFalse(os.path.exists(log))
        self.expect(0, "replay", self.path, "--strategy", "inline", "--log", log)
        with open(log) as file:
            self.assertTrue(all(json.loads(line) for line in file))

    def test_guests_are_where_one_says(self):
        self.expect(1, "replay", self.path, "--guests", harness.guests)
        self.expect(1, "replay", self.path, env={"TRAPLINE_GUESTS": harness.guests})
        self.refused(2, self.folder, "replay", self.path, "--guests", self.folder)
        self.refused(2, self.folder, "replay", self.path, env={"TRAPLINE_GUESTS": self.folder})


class Searches(harness.CommandTest):
    def explore(self, section, expectation):
        text = VIOLATED.split("[[expect]]")[0] + f"\n[explore]\n{section}\n\n[[expect]]\n{expectation}\n"
        return self.file("explore.toml", text)

    def test_sampling_makes_its_runs(self):
        path = self.explore('method = "random"\nruns = 5\nseed = 3', 'stdout = "2\\n"\nexecutions = 2')
        out = self.expect(0, "replay", path).out
        self.assertEqual(len(re.findall(r"in 5 runs", out)), 2, out)

    def test_an_exhaustive_search_is_left_to_explore(self):
        path = self.explore('method = "exhaustive"', 'missed = "never"')
        result = self.expect(4, "replay", path)
        self.assertIn("inconclusive", result.out)
        self.assertIn("trapline explore", result.out)

    def test_a_limit_is_inconclusive(self):
        path = self.file("limit.toml", VIOLATED.split("[[expect]]")[0] + "\n[[expect]]\nexit = 0\n")
        self.assertIn("inconclusive", self.expect(4, "replay", path, "--limit", "20").out)


class Compare(harness.CommandTest):
    def rows(self, code, *arguments):
        document = json.loads(self.expect(code, "compare", "--json", "-", *arguments).out)
        self.assertEqual((document["schema"], document["command"]), (1, "compare"))
        return {row["strategy"]: row for row in document["rows"]}

    def test_the_race_with_every_strategy(self):
        rows = self.rows(0, self.scenario("missed-probe/two-cpus.toml"))
        self.assertEqual(list(rows)[0], "inline")
        inline, xol = rows["inline"], rows["xol"]
        self.assertEqual((inline["executions"], inline["hits"], inline["missed"], inline["repeated"]), (2, 1, 1, 0))
        self.assertEqual((xol["executions"], xol["hits"], xol["missed"], xol["repeated"]), (2, 2, 0, 0))
        self.assertEqual((inline["verdict"], xol["verdict"]), ("missed 1", "no miss"))
        self.assertEqual((inline["traps_per_hit"], xol["traps_per_hit"]), (2, 2))  # int3 and the step, both ways
        self.assertEqual((inline["vmas_added"], xol["vmas_added"]), (0, 1))  # the XOL area
        for row in rows.values():
            for key in ("traps_per_hit", "cycles_per_hit", "pages_copied", "vmas_added"):
                self.assertIsInstance(row[key], int)
        # The schedule waits for a step of `inline` or of a slot: the others have neither, and say so.
        for name in ("inline", "xol"):
            self.assertEqual(rows[name]["notes"], [])

    def test_text_is_narrow(self):
        out = self.expect(0, "compare", self.scenario("missed-probe/two-cpus.toml")).out
        self.assertRegex(out, r"(?m)^inline +2 +1 +1 .*missed 1\b")
        for line in out.splitlines():
            self.assertLessEqual(len(line), 100)

    def test_a_program(self):
        rows = self.rows(0, "-p", ":hot", "--strategy", "xol,inline", "--", self.guest("three-threads"))
        self.assertEqual(list(rows), ["xol", "inline"])
        self.assertEqual({row["executions"] for row in rows.values()}, {3})

    def test_a_schedule_that_a_strategy_cannot_follow_is_a_note(self):
        script = "t1 until text-restored; t2 until :hot+3; t1 until text-armed"
        rows = self.rows(0, "-p", ":hot", "--schedule", script, "--", self.guest("two-threads"))
        self.assertEqual(rows["inline"]["verdict"], "missed 1")
        self.assertEqual(rows["xol"]["verdict"], "diverged")
        self.assertIn("t1 until text-restored", " ".join(rows["xol"]["notes"]))

    def test_expectations_are_judged(self):
        path = self.file("violated.toml", VIOLATED)
        rows = self.rows(1, path)
        self.assertEqual(rows["inline"]["notes"], [])
        self.assertIn("hits is 2, expected 3", " ".join(rows["xol"]["notes"]))

    def test_what_a_program_sees_of_a_strategy_is_a_note(self):
        rows = self.rows(0, "-p", ":hot", "--limit", "1000000", "--", self.guest("two-threads"))
        died = rows.pop("stack-as-posted")  # its stack may not be executed
        self.assertIn("ends with signal", died["notes"][0])
        self.assertEqual([row["notes"] for row in rows.values()], [[] for _ in rows])


if __name__ == "__main__":
    harness.main()
