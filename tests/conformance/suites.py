"""Suites that others wrote, as far as they can be told as facts: what they call a case, what it checks, and what of
ours asks that. conformance.py asks, and prints the table of docs/suites.md (--table).

A row is a name, what is checked, our cases, and when an answer is what the suite wants: `hits(...)`: so many at each
probe; `ends(...)`: the exit; `SAME`: the program prints and ends as without the probe; `prints(...)`: a line of the
output; or several of them. A row without cases says why there are none.
"""


def hits(*counts):
    return lambda answer, *_: answer["probes"] == list(counts)


def lacks(line):
    return lambda answer, *_: line not in answer["output"]


def refused(error):
    return lambda answer, *_: answer.get("errno", answer.get("probes")) in (error, [f"errno {error}"])


def ends(**how):
    return lambda answer, *_: answer["end"] == how


def prints(line):
    return lambda answer, *_: line in answer["output"]


def SAME(answer, unprobed, _):
    return (answer["output"], answer["end"]) == (unprobed["output"], unprobed["end"])


def REGISTERS(answer, unprobed, _):
    """The same registers at the end; memory below the stack may differ."""
    one, other = ([line for line in a["output"] if not line.startswith("stack-")] for a in (answer, unprobed))
    return one == other


def MATRIX(answer, _, name):
    """An entry consumer is called if it was there; a return consumer if it was there at the entry and is at the return
    (since 6.13, for consumers that have handlers for both, as perf's do). Then one more call."""
    before, after = (int(part[-4:], 2) for part in name.split(", then "))
    first = [before >> i & (1 if i < 2 else after >> i) & 1 for i in range(4)]
    return answer["probes"] == [n + (after >> i & 1) for i, n in enumerate(first)]


def compared_with_no_probe():
    """Names of our cases that are asked without their probes, too."""
    return {name for _, rows in SUITES for _, _, ours, wants in rows if ours and (SAME in wants or REGISTERS in wants) for name in ours}


HEAD = """# Suites that others wrote

Their cases as facts: what each checks, asked anew in `tests/conformance`. `here` is the emulation (linux-6.18, nop5), `live` what
Linux 6.18.44 answered (`recorded-6.18.json`); `yes` means that the answer is what the suite wants. Where both say `no`, that kernel
has the defect and so has its emulation. `tests/conformance/suites.py` has the rows, `conformance.py --table` writes this page, and
the test fails when it is out of date."""

I = "instruction: "
L = "life: "
SUITES = [
    ("wcohen/uprobe_tests (2006 to 2012)", [
        ("uprobes.w: 10_thread_test", "10 threads, 10 calls each: every call is a hit",
         [L + "ten threads, ten calls"], [hits(100), prints("calls 64")]),
        ("uprobes.w: 100_thread_test", "the same with 100 threads",
         [L + "a hundred threads, ten calls"], [hits(1000), prints("calls 3e8")]),
        ("uprobes.w: 10k_iterations", "5 threads, 10,000 calls each",
         [L + "five threads, ten thousand calls"], [hits(50000), prints("calls c350")]),
        ("uprobes.w: fork_thread_easy", "a child runs on without harm when its parent is probed",
         [L + "fork, stepped", L + "fork before the first hit"], [ends(code=0), prints("child ended 700")]),
        ("uprobes.w: fork_thread_hard", "the same with many threads", [], "one fork at a time says the same"),
        ("uprobes.w: die", "one thread dies of a fault: the probes go with the process",
         [L + "a thread dies"], [hits(100), ends(signal=11)]),
        ("uprobes.w: kexec", "one thread executes another program", [L + "a thread executes"], [hits(103), ends(code=0)]),
        ("uprobes.w: unreg", "unregister while the program runs", [L + "unregistered while it runs"], [hits(1), ends(code=0)]),
        ("uprobes.w: suicide, suicide2", "a handler exits, or oopses", [], "handlers are the tracer's: they count"),
        ("uprobes.existing: probe5", "one probe in one program", [L + "stepped"], [hits(3), ends(code=0)]),
        ("uprobes.existing: probe6", "several probes in one process", [L + "six probes in one page"], [ends(code=0)]),
        ("uprobes.existing: probe7-thread", "threads, each of which hits", [L + "threads, stepped"], [hits(4), ends(code=0)]),
        ("uprobes.existing: probe8-fork", "a fork with a probe", [L + "fork, stepped"], [ends(code=0)]),
        ("uprobes.existing: rprobe6", "return probes", [L + "return of a stepped function"], [hits(2), ends(code=0)]),
        ("uprobes.existing: probe5lim, blink, pong", "register and unregister inside a handler", [],
         "the kernels of today refuse it (a handler answers that it wants to go)"),
        ("bug 1 of its README", "unregister while it runs must not leave a SIGTRAP", [L + "comes and goes"], [ends(code=0)]),
    ]),
    ("linux: selftests/bpf uprobe_multi_test", [
        ("skel_api, attach_api_pattern, attach_api_syms, link_api", "two entry and two return consumers are each called once a call",
         ["consumers: 1111, then 1111"], [hits(2, 2, 2, 2)]),
        ("attach_uprobe_fails (trap)", "an int3 in the file is refused", [L + "own int3 in the file"], [refused(524)]),
        ("attach_uprobe_fails (refctr)", "two reference counters at one place are refused", [L + "two reference counters at one place"],
         [lambda answer, *_: answer["probes"] == [2, "errno 22"]]),
        ("attach_api_fails", "arguments of the system call bpf", [], "no bpf here"),
        ("consumers", "sets of 4 consumers before and after: who is called when they change inside the function (all 256: --all)",
         "consumers: ", [MATRIX]),
        ("bench_uprobe, bench_usdt", "50,000 probes", [], "a matter of time; `trapline calibrate` measures hits"),
    ]),
    ("linux: selftests/bpf uprobe_syscall", [
        ("uprobe_regs_equal", "no register changes over an optimised nop5", [I + "nop5-registers"], [REGISTERS]),
        ("uretprobe_regs_equal", "no register changes over a return probe", [I + "return-of-nop5-registers"], [REGISTERS]),
        ("uretprobe_regs_change", "a handler changes registers", [], "perf's events cannot"),
        ("uretprobe_syscall_call", "system call 335 out of place: SIGILL",
         [L + "system call 335 beside a return probe"], [prints("signal 4 code 80 at the program")]),
        ("uprobe_sigill", "system call 336 out of place: SIGILL (6.18.44: ENXIO)",
         [L + "system call 336 without a probe"], [lacks("system call -6")]),
        ("uretprobe_shadow_stack", "all of it with a shadow stack", [], "neither machine has one"),
        ("uprobe_legacy, uprobe_multi, uprobe_usdt", "nop5 becomes a call on the second hit, and a nop again",
         [L + "nop5 unregistered"], [ends(code=0), prints("text call [uprobes-trampoline]"), prints("text 0f 1f 44 00 00")]),
        ("uprobe_session", "one consumer for entry and return", [], "bpf's only"),
        ("uprobe_race", "threads hit while another attaches and detaches", [],
         "live: tests/live/live_hits.py; all orders of it: scenarios/nops, `trapline explore`"),
        ("2026: reattach", "attached again where it was a call", [L + "nop5 unregistered and registered"], [ends(code=0)]),
        ("2026: red zone", "the red zone survives the call (6.18: it does not)", [L + "red zone"], [lacks("call 4")]),
        ("2026: fork, clone", "an optimised probe in a child (6.18: SIGSEGV)", [L + "fork, nop5"], [prints("child ended 700")]),
    ]),
    ("linux: selftests/ftrace", [
        ("dynevent/add_remove_uprobe.tc", "a probe is added, hit, removed", [L + "comes and goes"], [ends(code=0)]),
        ("kprobe/uprobe_syntax_errors.tc", "eight lines that the tracer refuses",
         ["syntax: " + name for name in ("FILE_NOT_FOUND", "NO_REGULAR_FILE", "BAD_UPROBE_OFFS", "BAD_REFCNT", "REFCNT_OPEN_BRACE",
                                         "BAD_REFCNT_SUFFIX", "BAD_FILE_OFFS", "SYM_ON_UPROBE")], [prints("refused")]),
        ("kprobe/kprobe_insn_boundary.tc", "a probe at every byte: uprobes take the middle of an instruction",
         [I + "middle-of-an-instruction"], [hits(0)]),
    ]),
    ("gdb: amd64-disp-step, amd64-disp-step-self-call", [
        ("test_call", "a call steps to its target, the right return address on the stack", [I + "call", I + "call-over"], [SAME]),
        ("test_ret", "ret", [I + "ret"], [SAME]),
        ("test_abs_jmp", "jmp *%rdx", [I + "jmp-reg"], [SAME]),
        ("test_rep_ret", "rep ret", [I + "rep-ret"], [SAME]),
        ("test_syscall", "syscall; nop: rcx and RIP as without (6.18: they are not)", [I + "syscall-then-nop"], [SAME]),
        ("test_int3", "int3 with two prefixes", ["encodings: int3 in the file: f3f3cc"], [refused(524)]),
        ("test_rip_rax .. test_rip_rdi", "a RIP-relative add with every register",
         [I + "rip-add-" + r for r in ("rax", "rbx", "rcx", "rdx", "rbp", "rsi", "rdi")], [SAME]),
        ("self-call", "a call whose target is its own function", [I + "call-back"], [SAME]),
        ("disp-step-avx", "RIP-relative VEX instructions", [], "the emulated processor has no AVX"),
    ]),
    ("linux: selftests/x86", [
        ("single_step_syscall: nop", "TF and a nop", [I + "tf-nop"], [ends(code=0), prints("signal 5 code 0 at code+101 with TF")]),
        ("single_step_syscall: opportunistic sysret", "TF, rcx = rip, r11 = flags", [I + "tf-sysret"], [ends(code=0)]),
        ("single_step_syscall: fast syscall", "TF and syscall", [I + "syscall-under-tf-unprobed-beside"], [ends(code=0)]),
        ("single_step_syscall: int80, SYSENTER", "the same with 32-bit entries", [], "the emulated kernel has none"),
        ("mov_ss_trap: int3, #PF, syscall", "the entry behind mov ss, under TF instead of a watchpoint",
         [I + "mov-ss-then-int3", I + "mov-ss-then-fault", I + "mov-ss-then-syscall"], [ends(code=0)]),
        ("mov_ss_trap: the others", "ICEBP, CLI, INT n behind a watched mov ss", [], "refused by uprobes, and no watchpoints here"),
        ("sigtrap_loop", "push 0x302; popf; nop; nop; push 0x202; popf: each traps once", [I + "sigtrap-loop", I + "sigtrap-loop-unprobed"],
         [ends(code=0)]),
    ]),
]
