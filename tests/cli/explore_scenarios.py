"""`explore`: verdicts, exit codes, what is written, and searches in pieces."""
import json
import os
import xml.etree.ElementTree

import harness

RACE = "missed-probe/two-cpus.toml"

MACHINE = """
[guest]
program = "two-threads"

[[probe]]
at = ":hot"

[run]
strategies = ["xol"]
kernel = "uprobes-2010"

[explore]
"""

SAMPLED = """schema = 1
name   = "sampled"
intent = "A few random runs."
source = "tests/cli"
""" + MACHINE + """method = "random"
runs = 500
seed = 7

[[expect]]
missed = "never"
"""

NEVER_SEEN = """schema = 1
name   = "expects-a-miss"
intent = "Out of line nothing is missed, so this expectation is wrong."
source = "tests/cli"
""" + MACHINE + """
[[expect]]
missed = "sometimes"
"""


class Explore(harness.CommandTest):
    def explore(self, code, *arguments):
        """The results as JSON."""
        result = self.expect(code, "explore", *arguments, "--json", "-")
        document = json.loads(result.out)
        self.assertEqual((document["schema"], document["command"]), (1, "explore"))
        return document["results"]

    def without_time(self, results):
        return [{k: v for k, v in r.items() if k != "seconds"} for r in results]

    def test_the_race(self):
        inline, xol = self.explore(0, self.scenario(RACE), "--strategy", "inline,xol")
        self.assertEqual((inline["miss"], inline["complete"], inline["fewest_preemptions"]), ("sometimes", True, 1))
        self.assertTrue(inline["fewest_preemptions_proven"])
        self.assertLess(0, inline["schedules_with_miss"])
        self.assertLess(inline["schedules_with_miss"], inline["schedules"])
        self.assertEqual((xol["miss"], xol["complete"], xol["schedules_with_miss"]), ("never", True, 0))
        self.assertIsNone(xol["fewest_preemptions"])
        self.assertIn("text-restored", inline["scheduling_points"])
        # The token replays alone, and what it shows is what was said.
        replayed = self.expect(0, "replay", self.scenario(RACE), "--token", inline["token"])
        self.assertIn("missed 1", replayed.out)

    def test_the_text_names_the_space_and_the_line_to_copy(self):
        result = self.expect(0, "explore", self.scenario(RACE), "--strategy", "inline")
        for words in ("missed sometimes", "1 preemption is enough", "complete:", "scheduling points", "text-armed",
                      "trapline replay", "--token 'tl1:"):
            self.assertIn(words, " ".join(result.out.split()))
        for line in result.out.splitlines():
            self.assertLessEqual(len(line), 100, result)

    def test_a_bound_on_preemptions_is_part_of_the_verdict(self):
        # Without preemption nothing is missed: that is a proof of a small space, and the text says so.
        result = self.expect(1, "explore", self.scenario(RACE), "--strategy", "inline", "--preemptions", "0")
        self.assertIn("every order with at most 0 preemptions", result.out)
        self.assertIn("missed never", result.out)

    def test_a_budget_that_runs_out_is_no_verdict(self):
        row, = self.explore(4, self.scenario(RACE), "--strategy", "xol", "--schedules", "10")
        self.assertEqual((row["miss"], row["complete"], row["status"]), ("not-seen", False, "inconclusive"))
        self.assertEqual(row["schedules"], 10)

    def test_what_is_expected_and_not_there_is_violated(self):
        path = self.file("never.toml", NEVER_SEEN)
        row, = self.explore(1, path)
        self.assertEqual((row["miss"], row["status"]), ("never", "violated"))
        junit = os.path.join(self.folder, "out.xml")
        result = self.expect(1, "explore", path, "--junit", junit, "--github")
        self.assertIn("::error file=", result.out)
        self.assertEqual(xml.etree.ElementTree.parse(junit).getroot().attrib["failures"], "1")

    def test_sampling_says_not_seen_and_how_sure_that_is(self):
        path = self.file("sampled.toml", SAMPLED)
        row, = self.explore(0, path)
        self.assertEqual((row["miss"], row["complete"], row["schedules"]), ("not-seen", False, 500))
        # 1 - 0.05^(1/500), the exact form of the rule of three.
        self.assertAlmostEqual(row["upper_bound"], 0.005974, places=5)
        pct = self.expect(0, "explore", path, "--method", "pct", "--depth", "2")
        self.assertIn("with a probability of at least", " ".join(pct.out.split()))
        found, = self.explore(1, path, "--strategy", "inline", "--method", "pos")
        self.assertEqual(found["miss"], "sometimes")

    def test_the_result_does_not_depend_on_the_number_of_processes(self):
        race = [self.scenario(RACE), "--strategy", "inline", "--grain", "instructions", "--schedules", "5000"]
        one = self.explore(0, *race, "--jobs", "1")
        self.assertEqual(self.without_time(one), self.without_time(self.explore(0, *race, "--jobs", "3")))

    def test_shards_are_joined_to_the_whole_and_a_search_is_resumed(self):
        race = [self.scenario("races/06-unregister.toml"), "--strategy", "jump"]
        whole = self.explore(0, *race)
        self.assertTrue(whole[0]["complete"])
        states = [os.path.join(self.folder, f"{i}.json") for i in (1, 2)]
        for i, state in enumerate(states, 1):
            part, = self.explore(0, *race, "--shard", f"{i}/2", "--state", state)
            self.assertFalse(part["complete"])
        joined = self.explore(0, *race, "--merge", states[0], "--merge", states[1])
        self.assertEqual(self.without_time(joined), self.without_time(whole))
        # Resuming from what is done takes no time to speak of; and a state of something else is refused.
        state = os.path.join(self.folder, "whole.json")
        self.explore(0, *race, "--state", state)
        again = self.explore(0, *race, "--resume", state)
        self.assertEqual(self.without_time(again), self.without_time(whole))
        self.refused(2, "knows of the search", "explore", self.scenario(RACE), "--strategy", "xol", "--merge", state)

    def test_the_shortest_counterexample_is_explained_drawn_and_saved(self):
        saved, drawn = os.path.join(self.folder, "found.toml"), os.path.join(self.folder, "found.mmd")
        result = self.expect(0, "explore", self.scenario(RACE), "--strategy", "inline", "--explain", "--save", saved,
                             "--mermaid", drawn)
        # Two columns, the probed byte between them; and the two steps whose order decides.
        self.assertRegex(result.out, r"event +t1, CPU 0 +byte at :hot +t2, CPU 1")
        self.assertRegex(result.out, r"text-restored +> original")
        self.assertIn("MISSED", result.out)
        self.assertIn("`t2 executes :hot` comes before `t1 text-armed`", " ".join(result.out.split()))
        with open(drawn) as file:
            self.assertTrue(file.read().startswith("sequenceDiagram"))
        # The saved scenario has one schedule, and fails the same way without a search.
        with open(saved) as file:
            text = file.read()
        self.assertRegex(text, r'(?m)^schedule +=')
        self.assertNotIn("[explore]", text)
        replayed, = json.loads(self.expect(0, "replay", saved, "--json", "-").out)["results"]
        self.assertIn("missed 1", replayed["detail"])
        found, = self.explore(0, self.scenario(RACE), "--strategy", "inline")
        self.assertIn(["t2 executes :hot", "t1 text-armed"], found["decides"])
        nothing = self.expect(0, "explore", self.scenario(RACE), "--strategy", "xol", "--save", saved)
        self.assertIn("nothing was found to be written", nothing.err)

    def test_bad_command_lines(self):
        race = self.scenario(RACE)
        self.refused(2, "no scenario file", "explore")
        self.refused(2, "--schedule", "explore", race, "--schedule", "rr")
        self.refused(2, "i/n", "explore", race, "--shard", "4/3", "--state", "x")
        self.refused(2, "--state", "explore", race, "--shard", "1/3")
        self.refused(2, "no such file", "explore", race, "--resume", os.path.join(self.folder, "no.json"))
        self.refused(2, "--state", "explore", race, "--resume", "x", "--state", "y")
        self.refused(2, "--method", "explore", race, "--method", "guess")
        self.refused(2, "--runs", "explore", race, "--method", "random")
        self.refused(2, "--preemptions", "explore", race, "--preemptions", "-1")
        self.refused(2, "state of a search", "explore", race, "--merge", self.file("no.json", "{}"))


if __name__ == "__main__":
    harness.main()
