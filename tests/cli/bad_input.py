"""Wrong input of every kind: one line, the right exit code, no crash, no hang (INTERFACES, the exit codes)."""
import os
import struct
import tempfile

import harness

SCENARIO = """schema = 1
name   = "wrong-on-purpose"
intent = "A scenario that the tests break in one place."
source = "this file"

[guest]
program = "guests/two-threads"

[[probe]]
at = ":hot"

[run]
strategies = ["inline"]
schedule = "rr"

[[expect]]
exit = 0
"""


class Programs(harness.CommandTest):
    def with_bytes(self, name, at, new):
        """A copy of hello-dynamic with other bytes at one place."""
        with open(self.guest("hello-dynamic"), "rb") as file:
            content = bytearray(file.read())
        content[at : at + len(new)] = new
        return self.file(name, bytes(content), 0o755)

    def test_a_program_that_is_not_there_is_127(self):
        self.refused(127, "nosuch", "run", "--", "/nosuch/program")

    def test_a_name_that_no_folder_of_PATH_has_is_127(self):
        self.refused(127, "nosuchprogram", "run", "--", "nosuchprogram")

    def test_a_folder_is_126(self):
        self.refused(126, self.folder, "run", "--", self.folder)

    def test_a_file_that_may_not_be_executed_is_126(self):
        with open(self.guest("hello-static"), "rb") as file:
            path = self.file("hello", file.read(), 0o644)
        self.refused(126, path, "run", "--", path)

    def test_text_is_no_program(self):
        path = self.file("text", "no program\n", 0o755)
        self.refused(126, path, "run", "--", path)

    def test_an_empty_file_is_no_program(self):
        path = self.file("empty", "", 0o755)
        self.refused(126, path, "run", "--", path)

    def test_a_truncated_ELF_file_is_refused_wherever_it_ends(self):
        with open(self.guest("hello-dynamic"), "rb") as file:
            content = file.read()
        for length in (4, 16, 63, 64, 100, 64 + 56):
            path = self.file(f"cut-{length}", content[:length], 0o755)
            self.refused(126, path, "run", "--", path)

    def test_a_program_for_another_processor_is_126(self):
        path = self.with_bytes("arm", 18, struct.pack("<H", 183))  # e_machine, EM_AARCH64
        self.refused(126, path, "run", "--", path)

    def test_a_32_bit_program_is_126(self):
        path = self.with_bytes("class32", 4, b"\x01")  # EI_CLASS, ELFCLASS32
        self.refused(126, path, "run", "--", path)

    def test_a_missing_interpreter_is_named(self):
        with open(self.guest("hello-dynamic"), "rb") as file:
            at = file.read().index(b"/lib64/ld-linux")
        path = self.with_bytes("lost", at, b"/nosuch/")
        # execve says ENOENT, so env exits with 127, and so do we.
        self.refused(127, "/nosuch/", "run", "--", path)

    def test_a_script_of_a_missing_interpreter_is_127(self):
        path = self.file("script", "#!/nosuch/shell\n", 0o755)
        self.refused(127, "/nosuch/shell", "run", "--", path)


class Probes(harness.CommandTest):
    def refuse(self, words, probe, code=125):
        return self.refused(code, words, "run", "-p", probe, "--", self.guest("two-threads"))

    def test_an_unknown_symbol_suggests_the_nearest(self):
        self.refuse(["hott", "hot"], ":hott")

    def test_a_file_that_is_not_there(self):
        self.refuse("/nosuch/lib.so", "/nosuch/lib.so:malloc")

    def test_an_offset_behind_the_end_of_the_file_is_refused_as_Linux_does_it(self):
        result = self.expect(0, "run", "-p", ":0xfffffff", "--", self.guest("two-threads"))
        self.assertRegex(result.err, r"(?m)^:0xfffffff .* refused: EINVAL$")

    def test_an_address_outside_the_program(self):
        self.refuse("0x10", "@0x10")

    def test_words_that_are_no_probe(self):
        for words in ("", "hot", ":", ":hot+", "@hot", ":0xzz", "p:"):
            with self.subTest(words):
                self.refuse("", words)

    def test_a_probe_inside_an_instruction_is_accepted_with_a_warning(self):
        result = self.run_trapline("run", "-p", ":hot+1", "--", self.guest("two-threads"))
        self.assertNotIn(result.code, (125, 126, 127), result)
        self.assertIn("trapline: warning: ", result.err, result)
        self.assertIn("hot+1", result.err, result)


class Options(harness.CommandTest):
    def refuse(self, words, *options, command="run"):
        code = 125 if command == "run" else 2
        program = ["--", self.guest("two-threads")]
        return self.refused(code, words, command, "-p", ":hot", *options, *program)

    def test_an_unknown_name_suggests_the_nearest(self):
        for command in ("run", "compare"):
            self.refuse(["inlin", "'inline'"], "--strategy", "inlin", command=command)
            self.refuse(["linux-6.188", "'linux-6.18'"], "--kernel", "linux-6.188", command=command)
            self.refuse(["bare-mettle", "'bare-metal'"], "--cost", "bare-mettle", command=command)
            self.refuse(["--strategi", "--strategy"], "--strategi", "xol", command=command)

    def test_a_cost_file_says_what_is_wrong_in_it(self):
        with tempfile.NamedTemporaryFile("w", suffix=".cost") as file:
            self.refuse(["it is empty"], "--cost", file.name)
            file.write("name = \"x\"\nhz = 1000000000\nstep-trapp = 3\n")
            file.flush()
            self.refuse([f"{file.name}:3:", "step-trapp"], "--cost", file.name)
        self.refuse(["/nowhere/x.cost", "No such file"], "--cost", "/nowhere/x.cost")

    def test_run_takes_one_strategy(self):
        self.refuse("trapline compare", "--strategy", "all")
        self.refuse("trapline compare", "--strategy", "inline,xol")
        self.refuse("", "--strategy", "")

    def test_numbers_are_decimal_and_in_range(self):
        for option, values in {
            "--cpus": ("0", "65", "-1", "two", "1.5", "", "99999999999999999999"),
            "--seed": ("-1", "x", "0x10", "18446744073709551616"),
            "--limit": ("0", "-1", "1e9"),
        }.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refuse(option, f"{option}={value}")

    def test_schedules(self):
        for schedule, word in {
            "": "schedule",
            "round-robin": "schedule",
            "random:": "random",
            "random:x": "random",
            "pct:0:1": "pct",
            "t1 until": "t1 until",
            "t1 until text-restred": "text-restored",
            "tl1:zz": "token",
        }.items():
            with self.subTest(schedule):
                self.refuse(word, "--schedule", schedule)

    def test_a_token_of_another_program_is_refused(self):
        self.refuse("00000000", "--schedule", "tl1:00000000:1:xol:-")

    def test_the_environment_needs_names_and_values(self):
        self.refuse("NAME=VALUE", "--env", "PATH")
        self.refuse("NAME=VALUE", "--env", "=x")

    def test_folders_must_exist(self):
        self.refuse("/nosuch/root", "--root", "/nosuch/root")
        self.refuse("/nosuch/write", "--write", "/nosuch/write")

    def test_an_option_without_its_value(self):
        self.refused(125, "--strategy", "run", "--strategy")
        self.refused(2, "--token", "replay", "--token")

    def test_outputs_that_cannot_be_written_are_found_before_anything_runs(self):
        for option in ("--json", "--log", "--trace"):
            result = self.refuse([option, "/nosuch/folder/file"], option, "/nosuch/folder/file")
            self.assertEqual(result.out, "", "the guest has printed something")
            self.refuse(option, option, self.folder)


class CommandLines(harness.CommandTest):
    def test_no_program(self):
        self.refused(125, "--", "run")
        self.refused(125, "--", "run", "--")
        self.refused(125, ["ls", "--help"], "run", "ls")

    def test_an_unknown_subcommand_suggests_the_nearest(self):
        self.refused(2, ["rpelay", "'replay'"], "rpelay")

    def test_nothing_at_all_prints_the_help_and_is_wrong(self):
        result = self.expect(2)
        self.assertIn("trapline run", result.err)
        self.assertEqual(result.out, "")

    def test_compare_needs_one_thing_to_run(self):
        self.refused(2, "one scenario", "compare")
        self.refused(2, "one scenario", "compare", "a.toml", "b.toml")
        self.refused(2, "one scenario", "compare", "a.toml", "--", "ls")
        self.refused(2, "program", "compare", "--")

    def test_compare_needs_a_probe(self):
        self.refused(2, "probe", "compare", "--", self.guest("two-threads"))

    def test_list_needs_a_word_that_it_knows(self):
        self.refused(2, "one word", "list")
        self.refused(2, "'strategies'", "list", "stratgies")

    def test_replay_needs_a_file(self):
        self.refused(2, "no scenario file", "replay")
        self.refused(2, "/nosuch.toml", "replay", "/nosuch.toml")
        self.refused(2, self.folder, "replay", self.folder)

    def test_one_output_at_most_goes_to_standard_output(self):
        file = self.scenario("missed-probe/two-cpus.toml")
        self.refused(2, "standard output", "replay", file, "--tap", "--json", "-")
        self.refused(2, "standard output", "replay", file, "--tap", "--github")


class Scenarios(harness.CommandTest):
    def refuse(self, line, words, text):
        path = self.file("s.toml", text)
        for command in ("replay", "compare"):
            self.refused(2, [f"{path}:{line}: " if line else path, *words], command, path)

    def test_broken_TOML_is_shown_with_its_line(self):
        self.refuse(2, [], SCENARIO.replace('name   = "wrong-on-purpose"', "name = = 3"))

    def test_unknown_keys_are_errors(self):
        self.refuse(18, ["exits"], SCENARIO + "exits = 0\n")

    def test_unknown_strategies_are_errors(self):
        self.refuse(13, ["inlin"], SCENARIO.replace('["inline"]', '["inlin"]'))

    def test_unknown_steps_are_errors(self):
        self.refuse(14, ["text-restord"], SCENARIO.replace('"rr"', '"t1 until text-restord"'))

    def test_a_program_that_is_nowhere(self):
        self.refuse(None, ["nosuch"], SCENARIO.replace("guests/two-threads", "guests/nosuch"))

    def test_an_empty_file(self):
        self.refuse(None, [], "")

    def test_one_wrong_file_among_good_ones_means_that_nothing_runs(self):
        wrong = self.file("wrong.toml", "schema = 2\n")
        report = os.path.join(self.folder, "report.json")
        good = self.scenario("missed-probe/two-cpus.toml")
        self.refused(2, wrong, "replay", good, wrong, "--json", report)
        self.assertFalse(os.path.exists(report))

    def test_an_unknown_symbol_is_an_error_of_the_row(self):
        path = self.file("s.toml", SCENARIO.replace('":hot"', '":hott"'))
        result = self.expect(2, "replay", path)
        self.assertIn("error", result.out)
        self.assertIn("hott", result.out)

    def test_a_step_that_never_comes_is_diverged(self):
        path = self.file("s.toml", SCENARIO.replace('"rr"', '"t1 until slot-taken"'))  # inline takes no slot
        result = self.expect(3, "replay", path)
        self.assertIn("diverged", result.out)
        self.assertIn("t1 until slot-taken", result.out)
        result = self.expect(
            125, "run", "-p", ":hot", "--strategy", "inline", "--schedule", "t1 until slot-taken", "--",
            self.guest("two-threads"),
        )
        self.assertIn("t1 until slot-taken", result.err)

    def test_tokens(self):
        file = self.scenario("missed-probe/two-cpus.toml")
        self.refused(2, "token", "replay", file, "--token", "tl1:12")
        self.refused(2, "one scenario", "replay", file, file, "--token", "tl1:00000000:1:xol:-")
        result = self.expect(2, "replay", file, "--token", "tl1:00000000:1:xol:-")
        self.assertIn("00000000", result.out)


if __name__ == "__main__":
    harness.main()
