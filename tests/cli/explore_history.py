"""Races that real kernels had: each is found with its defect on, and proven absent with it off.

What the table of docs/history.md says is what is tested.
"""
import json
import os
import re

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "history.md")


def table():
    with open(PAGE) as file:
        return re.findall(r"^\| .* \| `([^`]+\.toml)` \| `([^`]*)` \| `([^`]*)` \|$", file.read(), re.M)


class History(harness.CommandTest):
    def search(self, code, scenario, options):
        result = self.expect(code, "explore", self.scenario(scenario), *options.split(), "--json", "-")
        return json.loads(result.out)["results"]

    def test_the_defects_are_found_where_they_are_on(self):
        self.assertGreaterEqual(len(table()), 10)
        for scenario, on, _ in table():
            with self.subTest(f"{scenario} {on}"):
                row, = self.search(1, scenario, on)
                self.assertEqual(row["status"], "violated")
                self.assertTrue(row["token"])

    def test_and_proven_absent_where_they_are_off(self):
        for scenario, _, off in table():
            with self.subTest(f"{scenario} {off}"):
                row, = self.search(0, scenario, off)
                self.assertTrue(row["complete"], row)


if __name__ == "__main__":
    harness.main()
