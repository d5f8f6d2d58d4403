"""Help, version and lists: what somebody reads who has the command and nothing else."""
import json
import os
import re

import harness

SUBCOMMANDS = ("run", "replay", "compare", "coverage", "list")


class Help(harness.CommandTest):
    def test_the_overview_names_every_subcommand(self):
        for spelling in ("--help", "-h", "help"):
            result = self.expect(0, spelling)
            for name in SUBCOMMANDS:
                self.assertIn(f"trapline {name}", result.out)
            self.assertEqual(result.err, "")

    def test_each_subcommand_explains_itself_in_100_columns(self):
        for name in SUBCOMMANDS:
            for spelling in ("--help", "-h"):
                result = self.expect(0, name, spelling)
                self.assertIn(f"trapline {name} ", result.out)
                self.assertRegex(result.out, "Examples?:")
                for line in result.out.splitlines():
                    self.assertLessEqual(len(line), 100, line)
            if name != "list":
                self.assertIn("Exit code:", result.out)

    def test_the_options_of_the_interface_are_there(self):
        common = ["-p", "--strategy", "--cpus", "--kernel", "--schedule", "--seed", "--cost", "--json", "--root"]
        for name in ("run", "replay", "compare"):
            text = self.expect(0, name, "--help").out
            for option in [*common, "--write", "--env", "--limit"]:
                self.assertRegex(text, rf"(?m)^ +(-p,)?{option}\b", f"{name}: {option}")

    def test_help_behind_the_dashes_is_the_guests(self):
        result = self.run_trapline("run", "--", self.guest("loop"), "--help")
        self.assertNotIn("Exit code:", result.out)

    def test_the_version_names_the_model(self):
        self.assertRegex(self.expect(0, "--version").out, r"^trapline \d+\.\d+\.\d+, model \d+\n$")


class Lists(harness.CommandTest):
    def items(self, what):
        document = json.loads(self.expect(0, "list", what, "--json", "-").out)
        self.assertEqual((document["schema"], document["command"], document["what"]), (1, "list", what))
        return document["items"]

    def test_text_and_json_name_the_same_things(self):
        for what in ("strategies", "dialects", "profiles", "prices", "steps", "syscalls"):
            text = self.expect(0, "list", what).out
            for line in text.splitlines():
                self.assertLessEqual(len(line), 100, line)
            names = [item["name"] for item in self.items(what)]
            self.assertEqual(len(names), len(set(names)))
            for name in names:
                self.assertRegex(text, rf"(?m)^ *(\d+ +)?{re.escape(name)}\b")

    def test_the_names_that_the_interface_promises(self):
        def names(what):
            return {item["name"] for item in self.items(what)}

        self.assertLessEqual({"inline", "xol"}, names("strategies"))
        self.assertLessEqual({"uprobes-2010", "linux-6.12", "linux-6.18", "fixed"}, names("dialects"))
        self.assertLessEqual({"bare-metal", "i686-2010", "x86_64-2010"}, names("profiles"))
        shared = "trap lookup handler resumed registered unregistered page-copied text-armed text-restored"
        self.assertLessEqual({*shared.split(), "slot-taken", "slot-written", "slot-freed", "stepped"}, names("steps"))
        self.assertLessEqual({"read", "write", "mmap", "clone", "futex", "execve"}, names("syscalls"))

    def test_every_system_call_of_the_kernel_is_in_the_table_once(self):
        items = self.items("syscalls")
        numbers = [item["number"] for item in items]
        self.assertEqual(len(numbers), len(set(numbers)))
        # arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18: 335 and 336 are what return probes and nop5 probes use.
        self.assertEqual(set(numbers), {*range(337), *range(424, 470)})
        for item in items:
            self.assertRegex(item["status"], r"^(full|partial: .+|refused: E[A-Z]+)$", item)
            self.assertLessEqual(len(item["arguments"]), 6, item)
            self.assertNotIn("", item["arguments"], item)

    def test_the_page_of_the_manual_is_the_table(self):
        with open(os.path.join(self.docs(), "syscalls.md"), encoding="utf-8") as page:
            self.assertIn(self.expect(0, "list", "syscalls", "--markdown").out, page.read(),
                          "put the output of `trapline list syscalls --markdown` into docs/syscalls.md")

    def docs(self):
        return os.path.join(os.path.dirname(harness.scenarios), "docs")


if __name__ == "__main__":
    harness.main()
