"""`compare`: the rows of all strategies, and the same cells as text, Markdown, CSV, JSON and a page with bars."""
import csv
import html.parser
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import harness  # noqa: E402

RACE = "missed-probe/two-cpus.toml"


class Page(html.parser.HTMLParser):
    """The cells of the table; what is marked as best; everything that would be fetched; how deep elements are nested."""

    def __init__(self):
        super().__init__()
        self.rows, self.best, self.open, self.links, self.bars = [], [], [], [], 0

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.links += [v for k, v in attributes.items() if k in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if attributes.get("class") == "best" and "td" in self.open:
            self.best.append((len(self.rows) - 1, len(self.rows[-1]) - 1))
        if attributes.get("class") == "bar":
            self.bars += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if "table" in self.open and self.rows and self.rows[-1] and self.open[-1] in ("td", "th", "span"):
            self.rows[-1][-1] += data


class Compare(harness.CommandTest):
    def rows(self, *arguments, code=0):
        document = json.loads(self.expect(code, "compare", "--json", "-", *arguments).out)
        return {row["strategy"]: row for row in document["rows"]}

    def test_every_format_has_the_same_cells(self):
        page_path, markdown_path, csv_path = (os.path.join(self.folder, n) for n in ("page.html", "table.md", "table.csv"))
        out = self.expect(0, "compare", self.scenario(RACE), "--strategy", "inline,xol", "--html", page_path, "--markdown",
                          markdown_path, "--csv", csv_path, "--columns", "all").out
        with open(csv_path, newline="") as file:
            cells = list(csv.reader(file))
        page = Page()
        with open(page_path) as file:
            page.feed(file.read())
        self.assertEqual(page.open, [])
        self.assertEqual(page.links, [])  # nothing is fetched from anywhere
        self.assertGreater(page.bars, 10)
        self.assertEqual([[c.replace("\u2605", "").strip() for c in row] for row in page.rows], cells)
        with open(markdown_path) as file:
            lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in file if line.startswith("|")]
        markdown = [[c.strip() for c in line] for line in lines]
        bold = [(r if r == 0 else r - 1, c) for r, row in enumerate(markdown) for c, cell in enumerate(row) if cell.startswith("**")]
        self.assertEqual(sorted(bold), sorted(page.best))
        del markdown[1]  # the rule
        self.assertEqual([[re.sub(r"\*\*(.*)\*\*", r"\1", c).replace("\\", "") for c in row] for row in markdown], cells)
        text = {}
        for line in out.splitlines():
            words = line.split()
            if words and words[0] in ("inline", "xol"):
                text.setdefault(words[0], []).extend(re.split(r"\s{2,}|(?<=\*) ", re.sub(r"(?<=[\d%])\*(?= |$)", "", line).strip())[1:])
        for row in cells[1:]:
            self.assertEqual(" ".join(text[row[0]]).split(), " ".join(row[1:]).split())

    def test_text_is_narrow_whatever_is_asked_for(self):
        out = self.expect(0, "compare", "-p", ":hot", "--columns", "all", "--cost", "bare-metal,i686-2010,x86_64-2010", "--",
                          self.guest("two-threads")).out
        self.assertLessEqual(max(map(len, out.splitlines())), 100, out)
        self.assertGreaterEqual(out.count("\nstrategy "), 3)

    def test_the_best_of_a_column_is_marked_unless_all_are_equal(self):
        out = self.expect(0, "compare", self.scenario(RACE), "--strategy", "inline,xol", "--columns",
                          "missed,vmas,pages,probeable").out
        self.assertRegex(out, r"(?m)^inline +1 +0\* +1 +\d+\.\d+%$")
        self.assertRegex(out, r"(?m)^xol +0\* +1 +1 +\d+\.\d+%$")

    def test_what_did_not_run_to_its_end_is_never_the_best(self):
        script = "t1 until text-restored; t2 until :hot+3; t1 until text-armed"
        out = self.expect(0, "compare", "-p", ":hot", "--schedule", script, "--strategy", "inline,xol", "--columns",
                          "missed,verdict", "--", self.guest("two-threads")).out
        self.assertRegex(out, r"(?m)^xol +0 +diverged$")

    def test_costs_of_several_machines_side_by_side(self):
        arguments = ["-p", ":hot", "--strategy", "xol", "--"]
        both = self.rows("--cost", "x86_64-2010,i686-2010", *arguments, self.guest("two-threads"))["xol"]
        alone = self.rows("--cost", "i686-2010", *arguments, self.guest("two-threads"))["xol"]
        hertz = 2.4e9  # docs/costs.md
        self.assertEqual(both["nanoseconds_per_hit"]["i686-2010"], round(alone["cycles"] / alone["hits"] / hertz * 1e9))
        self.assertNotEqual(both["nanoseconds_per_hit"]["i686-2010"], both["nanoseconds_per_hit"]["x86_64-2010"])
        out = self.expect(0, "compare", "--cost", "x86_64-2010,i686-2010", *arguments, self.guest("two-threads")).out
        self.assertRegex(out, r"ns x86_64-2010 +ns i686-2010")

    def test_the_share_of_instructions_is_that_of_coverage(self):
        rows = self.rows("-p", ":_start", "--strategy", "inline,xol,boosted", "--kernel", "linux-6.12", "--", self.guest("kinds"))
        coverage = json.loads(self.expect(0, "coverage", "--json", "-", "--kernel", "linux-6.12", self.guest("kinds")).out)["files"][0]
        for name, row in rows.items():
            self.assertEqual(row["probeable_ppm"],
                             round(coverage["strategies"][name]["probeable"] * 1e6 / coverage["instructions"]), name)

    def test_repeat_shows_the_spread_over_seeds(self):
        arguments = ["-p", ":hot", "--strategy", "inline"]
        missed, cycles = [], []
        for seed in range(8):
            one = json.loads(self.expect(0, "run", *arguments, "--seed", str(seed), "--schedule", f"random:{seed}", "--json", "-",
                                         "--quiet", "--", self.guest("two-threads"), stdin=b"").out.split("\n", 1)[1])
            missed.append(one["probes"][0]["missed"])
            cycles.append(one["virtual_cycles"])
        self.assertTrue(0 < sum(map(bool, missed)) < 8, missed)  # otherwise this test shows nothing
        row = self.rows(*arguments, "--schedule", "random:0", "--repeat", "8", "--", self.guest("two-threads"))["inline"]
        self.assertEqual((row["runs"], row["missed"], row["runs_with_miss"]), (8, sum(missed), sum(map(bool, missed))))
        self.assertEqual(row["spread"]["missed"], [min(missed), max(missed)])
        self.assertEqual(row["spread"]["virtual_cycles"], [min(cycles), max(cycles)])
        out = self.expect(0, "compare", *arguments, "--schedule", "random:0", "--repeat", "8", "--", self.guest("two-threads")).out
        self.assertRegex(out, rf"(?m)^inline +2 +\d\.\.\d +0\.\.{max(missed)} .*missed in {row['runs_with_miss']} of 8")
        again = self.expect(0, "run", *arguments[:2], "--schedule", row["token"], "--seed", str(missed.index(max(missed))), "--json",
                            "-", "--quiet", "--", self.guest("two-threads")).out.split("\n", 1)[1]
        self.assertGreater(json.loads(again)["probes"][0]["missed"], 0)

    def test_a_scenario_that_samples_makes_its_runs(self):
        text = 'schema = 1\nname = "sampled"\nintent = "x"\nsource = "x"\n[guest]\nprogram = "two-threads"\n[[probe]]\nat = ":hot"\n' \
               '[run]\nstrategies = ["inline", "xol"]\n[explore]\nmethod = "random"\nruns = 20\nseed = 0\n' \
               '[[expect]]\nstrategies = ["inline"]\nmissed = "sometimes"\n[[expect]]\nstrategies = ["xol"]\nmissed = "never"\n'
        rows = self.rows(self.file("sampled.toml", text), "--strategy", "inline,xol")
        self.assertEqual([row["runs"] for row in rows.values()], [20, 20])
        self.assertRegex(rows["inline"]["verdict"], r"missed in \d+ of 20")
        violated = text.replace('["inline"]\nmissed = "sometimes"', '["inline"]\nmissed = "never"')
        rows = self.rows(self.file("violated.toml", violated), "--strategy", "inline", code=1)
        self.assertIn("violated", " ".join(rows["inline"]["notes"]))

    def test_a_scenario_that_states_a_space_is_searched(self):
        scenario = self.scenario("races/01-window.toml")
        rows = self.rows(scenario, "--strategy", "inline,xol")
        self.assertEqual({name: row["verdict"] for name, row in rows.items()},
                         {"inline": "sometimes missed", "xol": "never missed"})
        out = self.expect(0, "replay", scenario, "--token", rows["inline"]["token"], "--json", "-").out
        self.assertIn("missed 1", json.loads(out)["results"][0]["detail"])

    def test_what_the_program_notices(self):
        # It prints the first byte of `hot`, which is an int3 while it is probed.
        rows = self.rows("-p", ":hot", "--strategy", "xol", "--", self.guest("reads-own-text"))
        self.assertEqual(rows["xol"]["noticed"], "output")
        self.assertIn("cc", rows["xol"]["notes"][0])
        self.assertEqual(self.rows("-p", ":hot", "--strategy", "xol", "--", self.guest("two-threads"))["xol"]["noticed"], "")

    def test_sorting(self):
        def order(*options):
            return list(self.rows("-p", ":hot", "--strategy", "inline,xol-int3,xol", *options, "--", self.guest("three-threads")))
        self.assertEqual(order(), ["inline", "xol-int3", "xol"])
        by_cost = order("--sort", "cycles")
        self.assertEqual(by_cost[-1], "inline")  # two writes to text with interrupts to the other CPU

    def test_wrong_options(self):
        guest = ["--", self.guest("two-threads")]
        self.refused(2, ["--columns", "verdict"], "compare", "-p", ":hot", "--columns", "verdikt", *guest)
        self.refused(2, ["--sort", "better"], "compare", "-p", ":hot", "--sort", "hits", *guest)
        self.refused(2, "--sort", "compare", "-p", ":hot", "--sort", "nothing", *guest)
        self.refused(2, "--repeat", "compare", "-p", ":hot", "--repeat", "0", *guest)
        self.refused(2, "profile", "compare", "-p", ":hot", "--cost", "bare-metal,tube", *guest)
        self.refused(2, "standard output", "compare", "-p", ":hot", "--csv", "-", "--json", "-", *guest)

    def test_ctrl_c_prints_what_there_is(self):
        script = self.file("rows.toml", 'schema = 1\nname = "long"\nintent = "x"\nsource = "x"\n[guest]\nprogram = "two-threads"\n'
                           '[[probe]]\nat = ":hot"\n[run]\nstrategies = ["inline"]\n')
        with subprocess.Popen([harness.trapline, "compare", script, "--strategy", "inline,xol", "--schedule", "random:0", "--repeat",
                               "1000000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertRegex(out.decode(), r"(?m)^inline +2 .*missed in \d+ of \d+")
        self.assertIn(b"interrupted", err)


if __name__ == "__main__":
    harness.main()
