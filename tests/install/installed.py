"""What `meson install` puts in a folder, used from there: command, pages, completions, library, the recipes of docs/ci.md.

python3 installed.py BUILD SOURCE. Installs once into a folder of its own and removes it.
"""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

build, source = map(os.path.abspath, sys.argv[1:3])
stage = None


def setUpModule():
    global stage
    stage = tempfile.mkdtemp(prefix="trapline-installed-")
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", stage], check=True,
                   stdout=subprocess.DEVNULL)


def tearDownModule():
    shutil.rmtree(stage)


def prefix():
    return os.path.join(stage, "usr/local")


def find(name):
    found = [os.path.join(folder, name) for folder, _, files in os.walk(stage) if name in files]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def environment(**more):
    """The installed command comes first in PATH, and nothing points back into the build."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRAPLINE_", "GITHUB_"))}
    env["PATH"] = os.path.join(prefix(), "bin") + ":" + env["PATH"]
    env.update(more)
    return env


def run(*command, **more):
    more.setdefault("env", environment())
    return subprocess.run(command, capture_output=True, text=True, timeout=250, **more)


def subcommands():
    return re.findall(r"^  trapline (\w+) ", run("trapline", "--help").stdout.split("SUBCOMMAND --help")[0], re.M)


def options_of(name):
    """The long options that a subcommand's help text has."""
    text = run("trapline", name, "--help").stdout.split("Options:", 1)[1].split("\n\n")[0]
    return re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.M)


class Installed(unittest.TestCase):
    maxDiff = None

    def succeeds(self, *command, **more):
        process = run(*command, **more)
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        return process.stdout

    def test_a_scenario_finds_its_guest(self):
        scenario = os.path.join(prefix(), "share/trapline/scenarios/missed-probe/two-cpus.toml")
        out = self.succeeds("trapline", "replay", scenario, cwd="/")
        self.assertEqual(re.findall("^holds .*missed (\\d)", out, re.M), ["1", "0"])

    def test_every_subcommand_has_a_page_that_names_all_its_options(self):
        names = subcommands()
        self.assertGreater(len(names), 8)
        for name in names:
            page = find(f"trapline-{name}.1")
            text = open(page).read().replace("\\-", "-")
            for option in options_of(name):
                self.assertRegex(text, re.escape(option) + r"\b", name)
        overview = open(find("trapline.1")).read().replace("\\-", "-")
        for name in names:
            self.assertIn(f"trapline-{name} (1)", overview)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_pages_are_well_formed(self):
        for name in ["", *("-" + name for name in subcommands())]:
            lint = run("mandoc", "-T", "lint", "-W", "warning", find(f"trapline{name}.1"))
            complaints = [line for line in lint.stdout.splitlines() if "missing date" not in line]
            self.assertEqual(complaints, [])

    def complete_in_bash(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trapline; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        out = self.succeeds("bash", "-c", script, "bash", find("trapline.bash"), *words, cwd=source)
        return [line for line in out.splitlines() if line]

    def test_bash_completes_subcommands_options_and_values(self):
        self.assertEqual(self.complete_in_bash("trapline", "rep"), ["replay", "report"])
        self.assertEqual(set(self.complete_in_bash("trapline", "")), {*subcommands(), "--help", "--version"})
        for name in subcommands():
            self.assertLessEqual(set(options_of(name)), set(self.complete_in_bash("trapline", name, "--")), name)
        listed = json.loads(self.succeeds("trapline", "list", "strategies", "--json", "-"))
        strategies = [item["name"] for item in listed["items"]]
        self.assertEqual(self.complete_in_bash("trapline", "run", "--strategy", ""), strategies)
        self.assertEqual(self.complete_in_bash("trapline", "run", "--root", "scenar"), ["scenarios"])
        self.assertIn("scenarios/README.md", self.complete_in_bash("trapline", "replay", "scenarios/REA"))
        # Behind the dashes it is the program's line: none of our options, but commands, and then files.
        self.assertIn("gzip", self.complete_in_bash("trapline", "run", "--", "gzi"))
        self.assertEqual(self.complete_in_bash("trapline", "run", "--", "gzip", "--str"), [])
        self.assertEqual(self.complete_in_bash("trapline", "run", "--", "gzip", "meson.b"), ["meson.build"])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_completes_at_a_terminal(self):
        functions = os.path.dirname(find("_trapline"))
        # A space behind a word says that zsh found it to be the only one.
        wanted = {"trapline cov\t": "trapline coverage ", "trapline run --strat\t": "--strategy ",
                  "trapline list sysc\t": "list syscalls ", "trapline run -- gunzi\t": "-- gunzip ",
                  "trapline replay --guests scenar\t": "--guests scenarios/",
                  "trapline run --kernel uprobes-2010-\t": " uprobes-2010-hidden "}
        for typed, words in wanted.items():
            shown = self.at_a_zsh(functions, typed, words)
            self.assertIn(words, shown, typed)

    def at_a_zsh(self, functions, typed, words):
        """What the terminal shows once the keys have been typed at a zsh that knows the completion, until the words come."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(source)
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(TERM="dumb", PS1="% ", ZDOTDIR=stage))
        shown = ""

        def until(text, seconds=20):
            nonlocal shown
            end = time.monotonic() + seconds
            while text not in shown and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 65536).decode(errors="replace")
            return text in shown

        try:
            setup = f"fpath=({functions} $fpath); autoload -Uz compinit; compinit -D -u; print rea''dy\n"
            os.write(terminal, setup.encode())
            self.assertTrue(until("ready"), shown)
            shown = ""
            os.write(terminal, typed.encode())
            until(words)
            return shown
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(terminal)

    def compile_flags(self):
        file = find("trapline.pc")
        flags = ["pkg-config", f"--define-variable=prefix={prefix()}", "--cflags", "--libs", file]
        return self.succeeds(*flags).split()

    def test_a_program_of_somebody_else_registers_a_probe(self):
        example = os.path.join(stage, "count-hits")
        text = os.path.join(source, "docs/examples/count-hits/count-hits.cpp")
        flags = self.compile_flags()
        self.assertNotIn(build, " ".join(flags))
        self.assertNotIn(source, " ".join(flags))
        self.succeeds("c++", "-Wall", "-Wextra", "-Werror", text, "-o", example, *flags)
        guest = find("two-threads")
        address = re.search(r"^([0-9a-f]+) \w hot$", self.succeeds("nm", guest), re.M).group(1)
        # The guest prints how often it called the function: once in each of its two threads.
        self.assertRegex(self.succeeds(example, guest, "0x" + address), r"2\n2 hits, exit 0, token tl1:")
        refused = run(example, guest, "0x10")
        self.assertEqual((refused.returncode, refused.stderr), (1, "register_uprobe: Invalid argument\n"))

    def repository(self):
        copy = os.path.join(stage, "repository")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(os.path.join(source, "docs/examples/repository"), copy)
        self.succeeds("make", "src/counter", cwd=copy)
        return copy

    def test_the_recipe_reports_a_pass(self):
        copy = self.repository()
        summary = os.path.join(copy, "github-summary.md")
        out = self.succeeds("ci/check.sh", cwd=copy, env=environment(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=summary))
        self.assertNotIn("::error", out)
        suite = xml.etree.ElementTree.parse(os.path.join(copy, "probes.xml")).getroot()
        cases = list(suite.iter("testcase"))
        self.assertEqual(len(cases), 2)
        self.assertFalse(list(suite.iter("failure")))
        text = open(summary).read()
        self.assertRegex(text, r"(?m)^\| *inline *\|")
        self.assertIn("```mermaid\nsequenceDiagram", text)
        self.assertIn("MISSED", text)

    def test_the_recipe_reports_a_failure_where_it_is(self):
        copy = self.repository()
        file = os.path.join(copy, "probes/nothing-is-missed.toml")
        text = open(file).read().replace("hits       = 10", "hits       = 11")
        open(file, "w").write(text)
        failed = run("ci/check.sh", cwd=copy, env=environment(GITHUB_ACTIONS="true"))
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.assertRegex(failed.stdout, r"(?m)^::error file=probes/nothing-is-missed\.toml")
        suite = xml.etree.ElementTree.parse(os.path.join(copy, "probes.xml")).getroot()
        self.assertEqual(len(list(suite.iter("failure"))), 1)

    def test_meson_and_prove_read_the_tap(self):
        copy = self.repository()
        self.succeeds("meson", "setup", "build", cwd=copy)
        out = self.succeeds("meson", "test", "-C", "build", cwd=copy)
        self.assertRegex(out, r"Ok: +2\b")
        wrapper = os.path.join(copy, "probes.t")
        with open(wrapper, "w") as script:
            script.write("#!/bin/sh\nexec trapline replay --tap --guests src probes/*.toml\n")
        os.chmod(wrapper, 0o755)
        self.assertIn("Result: PASS", self.succeeds("prove", "-e", "sh", "probes.t", cwd=copy))

    @unittest.skipUnless(shutil.which("ruby"), "ruby is not installed")
    def test_the_workflows_are_yaml_and_run_the_same_script(self):
        copy = self.repository()
        for file, query in ((".github/workflows/probes.yml", 'd["jobs"]["probes"]["steps"].map { |s| s["run"] }'),
                            (".gitlab-ci.yml", 'd["probes"]["script"]')):
            lines = self.succeeds("ruby", "-ryaml", "-e", f"d = YAML.load_file(ARGV[0]); puts {query}", file, cwd=copy)
            self.assertIn("ci/check.sh", lines.split("\n"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
