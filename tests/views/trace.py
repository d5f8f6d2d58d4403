"""Traces as their readers meet them: every track is a well-formed stack of slices, and every arrow arrives.

The rules are those of the Trace Event Format (Chrome's document of that name) as far as we use it: phases M, B, E, i,
C, s, f; B and E nest per track; times of a track never fall; s and f with one id are a pair and lie inside slices.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import harness  # noqa: E402

CPUS, THREADS, PLACES, COUNTERS = 1, 2, 3, 4


class Trace:
    """A trace that keeps the rules; anything else is an AssertionError."""

    def __init__(self, path):
        with open(path) as file:
            events = json.load(file)["traceEvents"]
        self.tracks, self.slices, self.instants, self.counters = {}, [], [], {}
        named, stacks, last, tails, heads = {}, {}, {}, {}, {}
        for event in events:
            phase, track = event["ph"], (event["pid"], event.get("tid"))
            assert phase in "MBEisfC", event
            if phase == "M":
                assert event["name"] in ("process_name", "thread_name", "thread_sort_index"), event
                if event["name"] == "thread_name":
                    assert track not in self.tracks, f"{track} has two names"
                    self.tracks[track] = event["args"]["name"]
                if event["name"] == "process_name":
                    named[event["pid"]] = event["args"]["name"]
                continue
            assert event["ts"] >= last.get(track, 0), f"time runs backwards: {event}"
            last[track] = event["ts"]
            assert event["pid"] in named, event
            if phase == "C":
                self.counters.setdefault(event["name"], []).append(*event["args"].values())
                continue
            assert track in self.tracks, f"a track without a name: {event}"
            stack = stacks.setdefault(track, [])
            if phase == "B":
                stack.append(event)
            elif phase == "E":
                begun = stack.pop()
                assert begun["name"] == event["name"], (begun, event)
                path = tuple(outer["name"] for outer in stack)
                self.slices.append((track, path, begun, event["ts"] - begun["ts"]))
            elif phase == "i":
                self.instants.append((track, event))
            else:
                ends = tails if phase == "s" else heads
                assert event["id"] not in ends, f"two arrows with one id: {event}"
                assert stack, f"an arrow outside of every slice: {event}"
                assert phase == "s" or event["bp"] == "e", event
                ends[event["id"]] = (stack[-1]["name"], event["ts"], stack[-1]["args"]["task"])
        assert not any(stacks.values()), f"slices that are never closed: {stacks}"
        assert set(tails) == set(heads), f"arrows without both ends: {set(tails) ^ set(heads)}"
        self.arrows = [(*tails[i], *heads[i]) for i in tails]

    def names(self, group):
        return [name for (pid, _), name in sorted(self.tracks.items()) if pid == group]

    def on(self, group):
        """(name of track, enclosing slices, name) of every slice of a group."""
        return [(self.tracks[track], path, begun["name"]) for track, path, begun, _ in self.slices if track[0] == group]


class Traces(harness.CommandTest):
    def trace(self, *arguments, code=0):
        path, result = os.path.join(self.folder, "trace.json"), os.path.join(self.folder, "result.json")
        self.expect(code, *arguments[:1], "--trace", path, "--json", result, *arguments[1:])
        with open(result) as file:
            return Trace(path), json.load(file)

    def race(self, strategy):
        trace, _ = self.trace("replay", "--strategy", strategy, self.scenario("missed-probe/two-cpus.toml"))
        return trace

    def test_a_track_for_each_cpu_thread_and_probe_point(self):
        trace = self.race("inline")
        self.assertEqual(trace.names(CPUS), ["CPU 0", "CPU 1"])
        self.assertEqual(trace.names(THREADS), ["t1", "t2"])
        self.assertEqual(trace.names(PLACES), [":hot in space 1"])
        self.assertIn(("CPU 0", ("t1",), "trap"), trace.on(CPUS))
        self.assertIn(("CPU 1", ("t2",), "syscall"), trace.on(CPUS))

    def test_the_window_of_inline_stepping_and_who_went_through(self):
        trace = self.race("inline")
        hits = [name for track, path, name in trace.on(THREADS) if track == "t1" and path == ("hit :hot",)]
        self.assertEqual(hits, ["trap", "lookup", "handler", "text-restored", "stepped", "text-armed", "resumed"])
        window = [name for _, _, name in trace.on(PLACES)]
        self.assertEqual(window, ["being patched", "int3"] + ["being patched", "original byte, by t1"] +
                         ["being patched", "int3"])
        self.assertEqual([trace.tracks[track] for track, _ in trace.instants], [":hot in space 1", "t2"])
        why = trace.instants[0][1]["args"]["why"]
        self.assertIn("t1 had put the original byte back", why)

    def test_an_arrow_from_every_trap_to_its_resumption(self):
        self.assertEqual([(a[0], a[3]) for a in self.race("inline").arrows], [("trap", "resumed")])
        arrows = self.race("xol").arrows
        self.assertEqual([(a[0], a[3], a[2] == a[5]) for a in arrows], [("trap", "resumed", True)] * 2)

    def test_slots_are_counted(self):
        self.assertEqual(self.race("xol").counters["XOL slots in use"], [1, 2, 1, 0])

    def test_all_strategies(self):
        listed = self.expect(0, "list", "strategies", "--json", "-").out
        every = [(item["name"], ":hot", "three-threads") for item in json.loads(listed)["items"]
                 if item["name"] != "stack-as-posted"]  # the program dies of it
        for strategy, probe, guest in every + [("inline", ":add", "threads8")]:
            for schedule in ("rr", "random:5"):
                with self.subTest(strategy=strategy, schedule=schedule, guest=guest):
                    trace, result = self.trace("run", "-p", probe, "--strategy", strategy, "--schedule", schedule, "--cpus",
                                               "4", "--", self.guest(guest))
                    self.assertEqual(len(trace.names(THREADS)), result["threads"])
                    missed = sum(probe["missed"] for probe in result["probes"])
                    self.assertEqual(len([i for i in trace.instants if i[0][0] == PLACES]), missed)
                    traps = [s for s in trace.on(THREADS) if s[2] in ("trap", "copy-trapped", "hwbp-hit")]
                    self.assertEqual(len(traps), result["counters"]["breakpoint_traps"])

    def test_a_run_that_was_cut_short_is_still_well_formed(self):
        trace, result = self.trace("run", "-p", ":add", "--limit", "30000", "--", self.guest("threads8"), code=125)
        self.assertEqual(result["exit"], {"stopped": "limit"})
        self.assertTrue(trace.slices)

    def test_a_log_becomes_the_same_trace(self):
        log, one, two = (os.path.join(self.folder, name) for name in ("log", "one", "two"))
        self.expect(0, "run", "-p", ":add", "--cpus", "3", "--strategy", "inline", "--log", log, "--trace", one, "--",
                    self.guest("threads8"))
        self.expect(0, "show", log, "--trace", two)
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())


if __name__ == "__main__":
    harness.main()
