"""README's table of strategies is what `compare` prints: a scenario, every strategy, and each one's verdict by search.

--write, behind the other arguments, writes the table instead of comparing.
"""
import os
import re

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(HERE, "..", "..", "README.md")
COMMAND = "$ build/tools/trapline compare scenarios/races/01-window.toml\n"


class ReadmeTable(harness.CommandTest):
    maxDiff = None

    def test_the_table_is_what_the_command_prints(self):
        with open(README) as file:
            text = file.read()
        self.assertEqual(text.count(COMMAND), 1)
        before, rest = text.split(COMMAND)
        shown, after = re.split(r"(?=\n\$ build/tools/trapline run)", rest, maxsplit=1)
        printed = self.expect(0, "compare", self.scenario("races/01-window.toml")).out
        if harness.write:
            with open(README, "w") as file:
                file.write(before + COMMAND + printed + after)
            shown = printed
        self.assertEqual(printed, shown)


if __name__ == "__main__":
    harness.main()
