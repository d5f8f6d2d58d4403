#!/usr/bin/env python3
"""conformance: the live kernel and the emulated one are asked the same questions, hundreds of them.

Every case of cases.py is a small program with probes. Its answer, what it prints, how it ends, errno and hits of each
probe, is read from the live kernel now; beside it stands what Linux 6.18 answered (recorded-6.18.json). The emulation
(dialect linux-6.18, strategy nop5, which is what that kernel does) must give that answer. So there are two statements:

  * the emulation differs from Linux 6.18: a failure, unless differences.json knows it and why; a known difference that
    is no longer there is a failure, too;
  * this kernel differs from 6.18: said, and a failure only if it claims to be one.

Without root or uprobes the second cannot be asked: the emulation is held against what was recorded.

    conformance.py --ask COMMAND --guests DIR [--only WORDS] [--all] [--show] [--record FILE] [--table FILE]

`--record` writes what the live kernel says now, for recorded-6.18.json; the difference is to be read before it is
committed. `--show` prints both answers of every case that is looked at. `--table` writes docs/suites.md: which cases of
suites that others wrote (suites.py) hold here and live.
"""

import argparse
import concurrent.futures
import itertools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../live")]
import cases
import suites
from common import SKIP, Elf

START, PAD = 0x100, 0x140  # in `code`
TIMEOUT = 500
PAGE = os.path.join(HERE, "../../docs/suites.md")


class Case:
    """A question: a program with its arguments and probes. Cases with the same `batch` share a run."""

    def __init__(self, name, program, args, probes, changes=(), places=None, mapped=True):
        self.name, self.program, self.args, self.probes = name, program, args, probes
        self.changes, self.places, self.mapped = changes, places, mapped

    def question(self):
        if isinstance(self.probes, str):
            return {"program": self.program, "line": self.probes}
        return {"program": self.program, "args": self.args, "probes": self.probes, "mapped": self.mapped,
                **({"changes": self.changes, "child_asks": "forks" in self.args[0]} if self.changes else {})}


def encode(text, at, elf):
    """The bytes of an instruction, its places filled in. `at`: the address of the first."""
    out = bytearray()
    for word in text.split():
        if word[0] not in "@=":
            out += bytes.fromhex(word)
            continue
        name, offset, behind = re.fullmatch(r".(\w+)\+([0-9a-f]+)(?:,(\d))?", word).groups()
        target = elf.symbols[name] + int(offset, 16)
        if word[0] == "@":
            target -= at + len(out) + 4 + int(behind or 0)
        out += struct.pack("<i", target)
    return bytes(out)


class Subject:
    """The guest `subject`, with other bytes in `code` for every case."""

    def __init__(self, path, folder):
        self.elf, self.folder = Elf(path), folder
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.code = self.elf.offset_of("code")
        self.leave = bytes.fromhex("ff2425") + struct.pack("<i", self.elf.symbols["leave_at"])  # jmp *leave_at

    def with_bytes(self, name, places):
        content = bytearray(self.bytes)
        for at, code in places.items():
            content[self.code + at:self.code + at + len(code)] = code
        path = os.path.join(self.folder, re.sub(r"\W", "-", name))
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o755)
        return path

    def case(self, name, code, args="", probes=(0,)):
        at = next((int(arg[3:], 16) for arg in args.split() if arg.startswith("at=")), START)
        insn = encode(code, self.elf.symbols["code"] + at, self.elf)
        path = self.with_bytes(name, {PAD: bytes.fromhex("48ffc3") + self.leave, at: insn + self.leave})
        if f"at={at:x}" not in args.split():
            args += f" at={at:x}"
        return Case(f"instruction: {name}", path, args.split(),
                    [{"path": path, "offset": self.code + at + int(str(p).split()[-1]), "return": str(p)[0] == "r"}
                     for p in probes])

    def encodings(self, name, codes):
        """One run; every probe is a question of its own."""
        places = {START + 0x40 * (i + 2): bytes.fromhex(code) + self.leave for i, code in enumerate(codes)}
        path = self.with_bytes("encodings " + name, {START: self.leave, **places})
        return Case(f"encodings: {name}", path, [f"at={START:x}"],
                    [{"path": path, "offset": self.code + at} for at in places], places=codes)


def probes_of(elf, path, names):
    found = []
    for name in names:
        plain = name.removeprefix("-")
        function, counter, by = re.fullmatch(r"(\w+)(?:\((\w+)\+(\d+)\))?", plain.removeprefix("r ")).groups()
        found.append({"path": path, "offset": elf.offset_of(function), "return": plain.startswith("r "),
                      "registered": not name.startswith("-")})
        if counter:
            found[-1]["counter"] = elf.offset_of(counter) + int(by)
    return found


WITHOUT = " (without a probe)"


def all_cases(guests, folder, everything):
    subject = Subject(os.path.join(guests, "subject"), folder)
    for row in cases.INSTRUCTIONS:
        case = subject.case(*row)
        yield case
        if case.name in suites.compared_with_no_probe():
            yield Case(case.name + WITHOUT, case.program, case.args, [])
    for name, codes in cases.ENCODINGS.items():
        yield subject.encodings(name, codes.split())
    for name, guest, rows in (("life", "process-life", cases.LIVES),
                              ("returns", "returns", [(f"{a} of {' and '.join(p)}", a, ["r " + n for n in p])
                                                      for a, p in cases.RETURNS])):
        path = os.path.join(folder, guest)
        shutil.copy(os.path.join(guests, guest), path)
        elf = Elf(path)
        for title, args, probes, *changes in rows:
            turns = [[{"probe": int(n), "register": sign == "+"} for sign, n in re.findall(r"([+-])(\d)", turn)]
                     for turn in (changes[0] if changes else [])]
            # A guest that asks gets an answer in any case.
            if not turns and args.split()[0] in ("asks", "counts", "writes", "open-call", "forks-and-asks"):
                asked = {"counts": args.split()[-1], "forks-and-asks": 1}.get(args.split()[0], 8)
                turns = [[]] * int(asked)
            yield Case(f"{name}: {title}", path, args.split(), probes_of(elf, path, probes), turns)
    path = os.path.join(folder, "process-life")
    for name, by in cases.PLACES:
        yield Case(f"place: {name} of the file", path, ["rounds", "stepped", "1"],
                   [{"path": path, "offset": os.path.getsize(path) + by}], mapped=False)
    shutil.copy(path, os.path.join(folder, "never-mapped"))
    with open(os.path.join(folder, "empty"), "wb"):
        pass
    for name, file, symbol in cases.FILES:
        yield Case(f"file: {name}", path, ["rounds", "stepped", "1"], places=["errno"], mapped=False,
                   probes=[{"path": file.replace("FOLDER", folder), "offset": Elf(path).offset_of(symbol) if symbol else 0}])
    for name, line in cases.SYNTAX:
        yield Case(f"syntax: {name}", path, [], line)
    elf = Elf(path)
    for before, after in itertools.product(range(16), range(16)) if everything else cases.SAMPLED_CONSUMERS:
        here = [i for i in range(4) if before >> i & 1]
        probes = [("" if i in here else "-") + name for i, name in enumerate(cases.CONSUMERS)]
        change = [{"probe": i, "register": bool(after >> i & 1)} for i in range(4) if (before ^ after) >> i & 1]
        yield Case(f"consumers: {before:04b}, then {after:04b}", path, ["open-call", "outer"],
                   probes_of(elf, path, probes), [change, [], []])


def table_of_suites(live, emulated):
    """docs/suites.md"""

    def verdict(answers, ours, wants):
        found = [answers[name] for name in ours]
        return "yes" if all(want(a, answers.get(name + WITHOUT), name) for name, a in zip(ours, found) for want in wants) else "no"

    lines = [suites.HEAD]
    for suite, rows in suites.SUITES:
        lines += ["", f"## {suite}", "", "| case | what it checks | here | live 6.18.44 | asked as |", "|---|---|---|---|---|"]
        for name, checks, ours, wants in rows:
            if not ours:
                lines.append(f"| {name} | {checks} | | | {wants} |")
                continue
            if isinstance(ours, str):
                ours = sorted(n for n in live if n.startswith(ours))
            asked = ours[0] if len(ours) == 1 else f"{ours[0]} and {len(ours) - 1} more"
            lines.append(f"| {name} | {checks} | {verdict(emulated, ours, wants)} | {verdict(live, ours, wants)} | {asked} |")
    return "\n".join(lines) + "\n"


def ask(command, how, chosen, folder, number):
    """The answers of some cases, by name. None: there is no live kernel for us."""
    path = os.path.join(folder, f"questions-{how}-{number}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump([case.question() for case in chosen], file)
    done = subprocess.run([command, f"--{how}", path], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode == SKIP:
        print("the live kernel is not asked:", done.stderr.strip())
        return None
    if done.returncode != 0:
        sys.exit(f"{command} --{how}: exit {done.returncode}: {done.stderr[-2000:]}")
    answers = {}
    for case, answer in zip(chosen, json.loads(done.stdout)):
        if case.places:  # an answer for each encoding
            for code, probe in zip(case.places, answer["probes"]):
                answers[f"{case.name}: {code}"] = {"errno": probe["errno"]}
            continue
        answer["output"] = answer["output"].splitlines()
        answer["probes"] = [f"errno {p['errno']}" if p["errno"] else p["hits"] for p in answer["probes"]]
        answers[case.name] = answer
    return answers


def ask_all(command, how, chosen, folder):
    parts = [chosen[i::2] for i in range(2)]  # as many at a time as the machines have processors that run this
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        found = list(pool.map(lambda i: ask(command, how, parts[i], folder, i), range(len(parts))))
    return None if None in found else {name: answer for part in found for name, answer in part.items()}


def read_json(name):
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def read_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def difference(first, second):
    return "; ".join(f"{key}: {first.get(key)!r}, {second.get(key)!r}"
                     for key in {**first, **second} if first.get(key) != second.get(key))


def write_recording(path, answers):
    with open(path, "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in sorted(answers.items())) + "\n}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ask", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--only", help="only cases whose name contains this")
    parser.add_argument("--record", metavar="FILE", help="write the live kernel's answers")
    parser.add_argument("--table", metavar="FILE", help="write the table of suites")
    parser.add_argument("--all", action="store_true", help="all sets of consumers, which takes three minutes more")
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    release = os.uname().release
    recorded, known = read_json("recorded-6.18.json"), read_json("differences.json")
    with tempfile.TemporaryDirectory(prefix="trapline-conformance-") as folder:
        os.chmod(folder, 0o755)
        chosen = [c for c in all_cases(os.path.abspath(options.guests), folder, options.all) if (options.only or "") in c.name]
        live = ask_all(options.ask, "live", chosen, folder)
        emulated = ask_all(options.ask, "emulated", chosen, folder)
    if options.record:
        if live is None:
            sys.exit(SKIP)
        write_recording(options.record, live)
        recorded = live

    if options.table and not options.only:
        with open(options.table, "w", encoding="utf-8") as file:
            file.write(table_of_suites(live or recorded, emulated))
    failures = []
    differs_here = 0
    for name, answer in emulated.items():
        now = (live or recorded).get(name)
        was = now if options.record else recorded.get(name)
        if options.show:
            print(f"{name}\n    live     {now}\n    emulated {answer}")
        if was is None and options.all and name.startswith("consumers: "):
            was = now  # these are not recorded
        if was is None:
            failures.append(f"{name}: not recorded; --record does it")
            continue
        if now != was:
            differs_here += 1
            what = f"{name}: this kernel, {release}, is not what was recorded on 6.18: {difference(now, was)}"
            failures.append(what) if release.startswith("6.18.") else print(what)
        if name in known:
            if answer == was:
                failures.append(f"{name}: the known difference is gone; take it out of differences.json")
        elif answer != was:
            failures.append(f"{name}: Linux 6.18 and the emulation: {difference(was, answer)}")
        if live is not None and answer != now and now != was:
            print(f"{name}: the emulation differs from this kernel: {difference(now, answer)}")
    if not options.only:
        failures += [f"{name}: a known difference of no case" for name in known if name not in emulated]
        failures += [f"{name}: recorded, and not asked" for name in recorded if name not in emulated]
        if table_of_suites(recorded, emulated) != read_text(PAGE):
            failures.append("docs/suites.md is out of date: --table writes it")
    for failure in failures:
        print("FAIL", failure)
    print(f"{len(emulated)} questions to " + (f"Linux {release} and " if live is not None else "") +
          f"the emulation: {len(failures)} failures, {len(known)} known differences, "
          f"{differs_here} differences between this kernel and 6.18")
    if failures:
        sys.exit(1)
    if live is None:
        sys.exit(SKIP)


if __name__ == "__main__":
    main()
