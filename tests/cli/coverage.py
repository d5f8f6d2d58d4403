"""`trapline coverage`: what it counts, what it refuses to count, and that nothing in a file can hurt it."""
import json
import os
import random
import re
import shutil
import struct
import subprocess
import time
import unittest

import harness

# As in the design's table of strategies.
STRATEGIES = """inline inline-stop inline-hwbp inline-hwbp-lazy stack stack-as-posted xol xol-owned xol-page xol-int3
    emulate emulate-most kernel-exec kernel-exec-unchecked kernel-exec-cpl2 boosted fasttrap jump nop5 nop10""".split()


def elf(code, address=0x401000, sections=(), symbols=()):
    """A program of one executable segment, optionally with sections (name is of no use) and function symbols."""
    offset = 0x1000
    body = bytearray(offset + len(code))
    body[offset:] = code
    tables = b""
    headers = [(0,) * 10]
    for kind, flags, start, where, size in sections:
        headers.append((0, kind, flags, start, where, size, 0, 0, 1, 0))
    if symbols:
        names = b"\0"
        entries = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)
        for name, start, size in symbols:
            entries += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, start, size)
            names += name.encode() + b"\0"
        at = len(body)
        tables = entries + names
        headers.append((0, 2, 0, 0, at, len(entries), len(headers) + 1, 0, 8, 24))
        headers.append((0, 3, 0, 0, at + len(entries), len(names), 0, 0, 1, 0))
    body += tables
    shoff = len(body) if len(headers) > 1 else 0
    for header in headers if shoff else ():
        body += struct.pack("<IIQQQQIIQQ", *header)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    body[:64] = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, address, 64, shoff, 0, 64, 56, 1, 64,
                                    len(headers) if shoff else 0, 0)
    body[64:120] = struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, len(code), len(code), 0x1000)
    return bytes(body)


class Coverage(harness.CommandTest):
    def counted(self, *arguments):
        document = json.loads(self.expect(0, "coverage", "--json", "-", *arguments).out)
        self.assertEqual(document["schema"], 1)
        self.assertEqual(document["command"], "coverage")
        return document

    def count_code(self, code, *arguments, **more):
        path = self.file("program", elf(bytes.fromhex(code), **more))
        return self.counted(*arguments, path)["files"][0]

    # What it counts.

    def test_every_strategy_answers_for_every_instruction(self):
        document = self.counted(self.guest("hello-static"))
        file = document["files"][0]
        self.assertEqual(list(file["strategies"]), STRATEGIES)
        self.assertGreater(file["instructions"], 10000)
        for name, row in file["strategies"].items():
            self.assertEqual(row["probeable"] + sum(row["refused"].values()), file["instructions"], name)
            self.assertLessEqual(sum(row["altered"].values()), row["probeable"], name)

    @unittest.skipUnless(shutil.which("objdump"), "needs objdump")
    def test_there_are_as_many_instructions_as_objdump_sees(self):
        for name in ("hello-static", "two-threads", "sort-table"):
            path = self.guest(name)
            text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True).stdout
            seen = len(re.findall(r"(?m)^\s+[0-9a-f]+:\t(?!\(bad\))", text))
            file = self.counted(path)["files"][0]
            self.assertEqual(file["instructions"], seen, name)

    def test_a_known_piece_of_code_gets_known_answers(self):
        # push rbp; mov rbp, rsp; nop of 5; lock inc [rax]; xchg r8, rax; syscall; ret
        file = self.count_code("55 4889e5 0f1f440000 f048ff00 4990 0f05 c3")
        self.assertEqual((file["instructions"], file["undecodable"]), (7, 0))
        rows = file["strategies"]
        self.assertEqual(rows["xol"], {"probeable": 6, "refused": {"prefix": 1}, "altered": {"copy-shows-in-rcx": 1}})
        self.assertEqual(rows["emulate"], {"probeable": 3, "refused": {"not-emulated": 3, "prefix": 1},
                                           "altered": {"emulated-wrongly": 1}})
        self.assertEqual(rows["nop5"]["probeable"], 1)
        self.assertEqual(rows["boosted"]["refused"], {"prefix": 1, "not-in-0f-map": 1})
        self.assertEqual(rows["kernel-exec"]["refused"],
                         {"control-flow": 2, "prefix": 1, "uses-stack": 1, "names-rsp": 1})

    def test_the_kernel_decides(self):
        code = "0f0b 90 0f1f00"  # ud2, a nop, a nop of three bytes
        emulated = {}
        for kernel in ("uprobes-2010", "linux-6.12", "linux-6.18", "fixed"):
            file = self.count_code(code, "--kernel", kernel)
            emulated[kernel] = file["strategies"]["emulate"]["probeable"]
            refused = file["strategies"]["xol"]["refused"]
            self.assertEqual(refused, {"system": 1} if kernel == "uprobes-2010" else {}, kernel)
        self.assertEqual(emulated, {"uprobes-2010": 1, "linux-6.12": 1, "linux-6.18": 2, "fixed": 2})

    def test_jumps_need_a_function_and_symbols_give_one(self):
        code = "b801000000 b802000000 c3 b803000000 c3"
        alone = self.count_code(code)["strategies"]["jump"]
        self.assertEqual(alone["refused"], {"no-function": 5})
        known = self.count_code(code, symbols=[("f", 0x401000, 11)])["strategies"]["jump"]
        self.assertEqual(known, {"probeable": 2, "refused": {"no-function": 2, "function-end": 1}, "altered": {}})

    def test_a_stripped_program_has_functions_in_its_unwind_table(self):
        path = os.path.join(self.folder, "stripped")
        subprocess.run(["strip", "-o", path, self.guest("hello-static")], check=True)
        whole = self.counted(self.guest("hello-static"))["files"][0]["strategies"]["jump"]
        stripped = self.counted(path)["files"][0]["strategies"]["jump"]
        self.assertGreater(stripped["probeable"], whole["probeable"] * 0.9)
        self.assertLess(stripped["refused"]["no-function"], whole["probeable"] * 0.1)

    def test_sections_say_what_is_code(self):
        code = bytes.fromhex("90 90 90 90") + b"\x06" * 12
        path = self.file("whole", elf(code))
        self.assertEqual(self.counted(path)["files"][0]["undecodable"], 12)
        path = self.file("with-sections", elf(code, sections=[(1, 6, 0x401000, 0x1000, 4)]))
        file = self.counted(path)["files"][0]
        self.assertEqual((file["instructions"], file["undecodable"]), (4, 0))

    def test_data_in_the_text_puts_nothing_out_of_step_beyond_the_next_function(self):
        # The last byte of the data is the start of a long instruction; the function behind it is intact.
        code = "eb02 48b8 90c3"
        whole = self.count_code(code)
        self.assertEqual(whole["strategies"]["nop5"]["probeable"], 0)
        synced = self.count_code(code, symbols=[("f", 0x401004, 2)])
        self.assertEqual(synced["strategies"]["emulate"]["probeable"], 2)  # jmp, and the nop of f

    # How it can be asked.

    def test_by_mnemonic_reason_function_and_file(self):
        path = self.guest("two-threads")
        whole = self.counted(path)
        for by in ("mnemonic", "function", "file"):
            groups = self.counted("--by", by, path)["groups"]
            self.assertEqual(sum(g["instructions"] for g in groups), whole["total"]["instructions"], by)
            self.assertEqual(sum(g["strategies"]["xol"]["probeable"] for g in groups),
                             whole["total"]["strategies"]["xol"]["probeable"], by)
        self.assertIn("push", [g["name"] for g in self.counted("--by", "mnemonic", path)["groups"]])
        self.assertIn("hot", [g["name"] for g in self.counted("--by", "function", path)["groups"]])
        self.assertRegex(self.expect(0, "coverage", "--by", "reason", path).out, r"emulate +refused +not-emulated +\d+")

    def test_no_line_is_longer_than_100_columns(self):
        for options in ([], ["--by", "mnemonic"], ["--by", "reason"], ["--by", "function"], ["--by", "file"],
                        ["--by", "mnemonic", "--strategy", "all"], ["--kernel", "fixed"]):
            out = self.expect(0, "coverage", *options, self.guest("hello-static"), self.guest("two-threads")).out
            for line in out.splitlines():
                self.assertLessEqual(len(line), 100, f"{options}: {line}")

    def test_top_limits_the_rows_and_says_so(self):
        out = self.expect(0, "coverage", "--by", "mnemonic", "--top", "3", self.guest("hello-static")).out
        self.assertRegex(out, r"and \d+ more")
        everything = self.expect(0, "coverage", "--by", "mnemonic", "--top", "0", self.guest("hello-static")).out
        self.assertNotRegex(everything, r"and \d+ more")

    def test_listed_instructions_are_probe_specifications(self):
        path = self.file("program", elf(bytes.fromhex("90 4990 48890425 00000000 c3"),
                                        symbols=[("start", 0x401000, 12)]))
        out = self.expect(0, "coverage", "--list", "emulated-wrongly", path).out
        self.assertEqual(out, f"{path}:0x1001\tstart+0x1\t49 90\txchg rax, r8\n")

    def test_only_the_strategies_asked_for(self):
        file = self.count_code("90", "--strategy", "jump,xol,jump")
        self.assertEqual(list(file["strategies"]), ["jump", "xol"])

    def test_the_number_of_threads_changes_nothing(self):
        names = [self.guest(n) for n in ("hello-static", "two-threads", "hello-static-pie", "kinds", "sort-table")]
        for options in (["--json", "-"], ["--by", "function"], ["--list", "prefix"]):
            one = self.expect(0, "coverage", *options, "--jobs", "1", *names).out
            self.assertEqual(one, self.expect(0, "coverage", *options, "--jobs", "7", *names).out)

    # Files and folders.

    def test_a_folder_gives_its_programs_once_each_and_the_rest_is_skipped(self):
        program = elf(b"\x90\xc3")
        inner = os.path.join(self.folder, "d", "e")
        os.makedirs(inner)
        for name in ("d/b", "d/e/a"):
            self.file(name, program)
        self.file("d/text", "hello")
        self.file("d/empty", b"")
        self.file("d/short", program[:100])
        self.file("d/i386", program[:4] + b"\x01" + program[5:])
        os.link(os.path.join(inner, "a"), os.path.join(inner, "again"))
        os.symlink("b", os.path.join(self.folder, "d", "link"))
        os.symlink("..", os.path.join(inner, "loop"))
        os.mkfifo(os.path.join(inner, "pipe"))
        document = self.counted(os.path.join(self.folder, "d"))
        self.assertEqual([os.path.relpath(f["path"], self.folder) for f in document["files"]], ["d/b", "d/e/a"])
        self.assertEqual(document["skipped"], 4)
        # A link that is named is followed.
        self.assertEqual(len(self.counted(os.path.join(self.folder, "d", "link"))["files"]), 1)

    def test_what_is_named_must_be_a_program(self):
        good = self.guest("loop")
        self.refused(2, ["text", "not an ELF file"], "coverage", good, self.file("text", "hello"))
        self.refused(2, ["short", "truncated"], "coverage", good, self.file("short", elf(b"\x90")[:90]))
        self.refused(2, ["nowhere", "No such file"], "coverage", os.path.join(self.folder, "nowhere"))
        self.refused(2, "no regular file", "coverage", "/dev/null")
        self.refused(2, "files or directories", "coverage")
        empty = os.path.join(self.folder, "nothing")
        os.mkdir(empty)
        self.refused(2, "no x86-64 program", "coverage", empty)

    def test_wrong_options_are_refused_with_a_hint(self):
        good = self.guest("loop")
        self.refused(2, ["xoll", "xol"], "coverage", "--strategy", "xoll", good)
        self.refused(2, ["linux-6.1", "linux-6.12"], "coverage", "--kernel", "linux-6.1", good)
        self.refused(2, "mnemonic", "coverage", "--by", "colour", good)
        self.refused(2, ["prefixx", "prefix"], "coverage", "--list", "prefixx", good)
        self.refused(2, "--top", "coverage", "--top", "many", good)
        self.refused(2, "exclude", "coverage", "--by", "file", "--list", "prefix", good)
        self.refused(2, "runs no program", "coverage", "--", good)

    # Nothing in a file can hurt.

    def test_damaged_files_are_answered_quickly(self):
        with open(self.guest("two-threads"), "rb") as file:
            whole = file.read()
        generator = random.Random(5)
        start = time.monotonic()
        for turn in range(100):
            damaged = bytearray(whole)
            if turn % 3 == 0:
                damaged = damaged[:generator.randrange(len(whole))]
            for _ in range(generator.choice((1, 10, 400))):
                # Half of the damage goes where the headers are.
                at = generator.randrange(min(len(damaged), 64 + 56 * 12) if turn % 2 else len(damaged)) if damaged else 0
                if damaged:
                    damaged[at] = generator.randrange(256)
            result = self.run_trapline("coverage", "--strategy", "xol,jump", self.file("damaged", bytes(damaged)))
            self.assertIn(result.code, (0, 2), result)
        self.assertLess(time.monotonic() - start, 60)

    def test_sections_and_symbols_that_all_cover_everything_take_no_longer(self):
        code = bytes(random.Random(1).randrange(256) for _ in range(1 << 20))
        sections = [(1, 6, 0x401000, 0x1000, len(code))] * 20000
        symbols = [("f" * 100, 0x401000 + i % len(code), len(code) - i) for i in range(20000)]
        path = self.file("overlapping", elf(code, sections=sections, symbols=symbols))
        start = time.monotonic()
        file = self.counted(path)["files"][0]
        self.assertLess(time.monotonic() - start, 20)
        self.assertLessEqual(file["instructions"], len(code))

    def test_prefixes_without_an_end_and_cut_instructions_are_bytes_that_are_none(self):
        file = self.count_code("66" * 64 + "48b8")
        self.assertEqual(file["instructions"], 0)
        self.assertEqual(file["undecodable"], 66)
        self.assertEqual(self.count_code("0f" * 3)["instructions"], 0)

    def test_a_file_of_half_a_gigabyte_is_counted(self):
        program = bytearray(elf(b"\x90" * 16))
        size = (512 if os.environ.get("TRAPLINE_LONG") else 32) << 20
        program[64 + 32:64 + 48] = struct.pack("<QQ", size, size)
        path = self.file("huge", bytes(program))
        os.truncate(path, 512 << 20)
        os.truncate(path, max(512 << 20, 0x1000 + size))
        file = self.counted("--strategy", "xol", path)["files"][0]
        self.assertEqual(file["instructions"], 16 + (size - 16) // 2)  # add [rax], al


if __name__ == "__main__":
    harness.main()
