"""The race catalogue: every scenario of scenarios/races is searched, and docs/races.md says what came out.

No scenario there has a schedule: it states a program, what tracers do and what must hold, and the search finds the rest.
"""
import glob
import json
import os

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "races.md")


def besides(row):
    words = ("repeated", "deadlocks", "crashes", "broken", "leaked_frames")
    return ", ".join(f"{word} {row[word]}" for word in words if row[word] not in ("never", "not-seen"))


def missed(row):
    fewest = row["fewest_preemptions"]
    if fewest is None:
        return row["miss"]
    return f"{row['miss']}, {fewest} preemption{'' if fewest == 1 else 's'}"


def space(row):
    grain = "each instruction; " if row["grain"] == "instructions" else ""
    bound = row["preemptions"]
    orders = "every order" if bound is None else f"at most {bound} preemption{'' if bound == 1 else 's'}"
    return grain + orders


def table(rows):
    """Markdown: strategies of a scenario that come out the same share a line."""
    lines = {}
    for row in rows:
        name = os.path.basename(row["file"]).removesuffix(".toml")
        cells = (str(int(name[:2])), f"[{name[3:]}](../scenarios/races/{name}.toml)", missed(row), besides(row), space(row))
        lines.setdefault(cells, []).append(f"`{row['strategy']}`")
    out = ["| entry | scenario | strategies | missed | besides | searched |", "|---|---|---|---|---|---|"]
    for (entry, scenario, *words), strategies in lines.items():
        out.append(f"| {entry} | {scenario} | {', '.join(strategies)} | {' | '.join(words)} |")
    return out


class Races(harness.CommandTest):
    maxDiff = None

    def test_every_race_is_found_where_it_is_and_nowhere_else(self):
        files = sorted(glob.glob(self.scenario("races/*.toml")))
        self.assertGreaterEqual(len(files), 15)
        result = self.expect(0, "explore", *files, "--json", "-")
        rows = json.loads(result.out)["results"]
        for row in rows:
            self.assertTrue(row["complete"], row)
        with open(PAGE) as file:
            page = [line for line in file.read().splitlines() if line.startswith("|")]
        self.assertEqual(table(rows), page, "\n".join(table(rows)))


if __name__ == "__main__":
    harness.main()
