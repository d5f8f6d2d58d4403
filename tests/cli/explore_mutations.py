"""Defects that are put into the virtual kernel on purpose are found, each by the scenario that docs/explore.md names.

What the table says is what is tested: every mutation of probes/mutations.inc has a line, its search fails with the
mutation, and holds without.
"""
import os
import re

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")


def names():
    with open(os.path.join(ROOT, "probes", "mutations.inc")) as file:
        return re.findall(r'^MUTATION\(\w+, "([^"]+)"', file.read(), re.M)


def table():
    with open(os.path.join(ROOT, "docs", "explore.md")) as file:
        return re.findall(r"^\| `([a-z-]+)` \|[^|]*\| `([^`]+)` \| `([a-z0-9-]+)` \|", file.read(), re.M)


class Mutations(harness.CommandTest):
    def search(self, scenario, strategy, *more):
        return self.run_trapline("explore", self.scenario(scenario), "--strategy", strategy, *more)

    def test_the_table_is_complete(self):
        self.assertEqual(sorted(name for name, _, _ in table()), sorted(names()))
        self.assertGreaterEqual(len(names()), 20)

    def test_every_mutation_is_caught(self):
        for mutation, scenario, strategy in table():
            with self.subTest(mutation):
                result = self.search(scenario, strategy, "--mutation", mutation)
                self.assertEqual(result.code, 1, result)
                # The finding replays, on the same broken kernel.
                token = re.search(r"--token '?(tl1:[^'\s]+)", result.out)
                self.assertIsNotNone(token, result)
                if "flush" in mutation:
                    continue # what a CPU goes on executing is no part of a schedule
                again = self.run_trapline("replay", self.scenario(scenario), "--mutation", mutation,
                                          "--token", token.group(1))
                self.assertNotIn(again.code, (2, 3), again)

    def test_without_them_the_same_searches_hold(self):
        for scenario, strategy in sorted({(s, t) for _, s, t in table()}):
            with self.subTest(f"{scenario} {strategy}"):
                result = self.search(scenario, strategy)
                self.assertEqual(result.code, 0, result)


if __name__ == "__main__":
    harness.main()
