"""The race catalogue: scenarios of scenarios/races are searched, and docs/races.md says what came out.

No scenario there has a schedule: it states a program, what tracers do and what must hold, and the search finds the rest.
The environment's RACE names one (01-window); without it all are searched. RACE_JUNIT: where JUnit results go. What the
searches print, annotations for GitHub and lines to copy included, is printed. --write, behind the other
arguments, writes the page's table.
"""
import glob
import json
import os
import re

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 280 * (1 if "RACE" in os.environ else 10)
PAGE = os.path.join(HERE, "..", "..", "docs", "races.md")


def besides(row):
    words = ("repeated", "deadlocks", "crashes", "broken", "leaked_frames")
    return ", ".join(f"{word} {row[word]}" for word in words if row[word] not in ("never", "not-seen"))


def missed(row):
    fewest = row["fewest_preemptions"]
    if row["executions"] == "never":
        return "never executed"
    if fewest is None:
        return row["miss"]
    return f"{row['miss']}, {fewest} preemption{'' if fewest == 1 else 's'}"


def space(row):
    grain = "each instruction; " if row["grain"] == "instructions" else ""
    bound = row["preemptions"]
    orders = "every order" if bound is None else f"at most {bound} preemption{'' if bound == 1 else 's'}"
    return grain + orders


def name_of(path):
    return os.path.basename(path).removesuffix(".toml")


def table(rows):
    """Markdown: strategies of a scenario that come out the same share a line."""
    lines = {}
    for row in rows:
        name = name_of(row["file"])
        cells = (str(int(name[:2])), f"[{name[3:]}](../scenarios/races/{name}.toml)", missed(row), besides(row), space(row))
        lines.setdefault(cells, []).append(f"`{row['strategy']}`")
    return [f"| {entry} | {scenario} | {', '.join(strategies)} | {' | '.join(words)} |"
            for (entry, scenario, *words), strategies in lines.items()]


def page():
    """The lines of the page's table, without its head."""
    with open(PAGE) as file:
        return [line for line in file.read().splitlines() if re.match(r"\| [0-9]", line)]


def of_scenario(lines, name):
    return [line for line in lines if f"/{name}.toml)" in line]


def write(names, lines):
    with open(PAGE) as file:
        text = file.read()
    old = page()
    new = [line for name in names for line in of_scenario(lines, name) or of_scenario(old, name)]
    with open(PAGE, "w") as file:
        file.write(text.replace("\n".join(old), "\n".join(new)))


class Races(harness.CommandTest):
    maxDiff = None

    def names(self):
        return sorted(map(name_of, glob.glob(self.scenario("races/*.toml"))))

    def test_every_race_is_found_where_it_is_and_nowhere_else(self):
        wanted = [os.environ["RACE"]] if "RACE" in os.environ else self.names()
        files = [self.scenario(f"races/{name}.toml") for name in wanted]
        results = os.path.join(self.folder, "results.json")
        junit = ["--junit", os.environ["RACE_JUNIT"]] if "RACE_JUNIT" in os.environ else []
        result = self.run_trapline("explore", *files, "--github", "--json", results, *junit, timeout=SECONDS)
        print(result.out, flush=True)
        self.assertEqual(result.code, 0, result)
        with open(results) as file:
            rows = json.load(file)["results"]
        for row in rows:
            self.assertTrue(row["complete"], row)
        lines = table(rows)
        if harness.write:
            write(self.names(), lines)
        self.assertEqual(lines, [line for name in wanted for line in of_scenario(page(), name)], "\n".join(lines))

    def test_the_page_names_every_scenario_and_no_other(self):
        named = [re.search(r"/([^/]+)\.toml\)", line).group(1) for line in page()]
        self.assertEqual(list(dict.fromkeys(named)), self.names())
        with open(os.path.join(HERE, "meson.build")) as file:
            tests = re.findall(r"^    '([0-9]{2}-[a-z-]+)',$", file.read(), re.M)
        self.assertEqual(tests, self.names())


if __name__ == "__main__":
    harness.main()
