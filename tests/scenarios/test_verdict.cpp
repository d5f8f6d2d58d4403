#include "scenarios/verdict.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

/// A scenario with two probes that expects `expectations` of its one strategy.
Scenario scenario(std::string_view expectations) {
    auto parsed =
        parse_scenario("schema = 1\nname = \"s\"\n[guest]\nprogram = \"p\"\n[[probe]]\nat = \":a\"\n[[probe]]\n"
                       "at = \":b\"\n[run]\nstrategies = [\"xol\", \"inline\"]\n" +
                           std::string(expectations), // begins on line 11
                       "s.toml");
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().text()));
    return *parsed;
}

RunOutcome run(std::uint64_t missed_a, std::uint64_t missed_b = 0) {
    RunOutcome out;
    out.standard_output = "2\n";
    for (const std::uint64_t missed : {missed_a, missed_b}) {
        RunOutcome::Probe probe;
        probe.counts = {5, 5 - missed, missed, 0};
        out.probes.push_back(probe);
    }
    return out;
}

Observed observed(const std::vector<RunOutcome>& runs) {
    Observed out;
    int number = 0;
    for (const RunOutcome& one : runs) {
        ++number;
        out.add(one, [&] { return "token" + std::to_string(number); });
    }
    return out;
}

ResultRow judge(std::string_view expectations, const Observed& seen) {
    return evaluate(scenario(expectations), "xol", seen);
}
Status status(std::string_view expectations, const Observed& seen) { return judge(expectations, seen).status; }

} // namespace

TEST_SUITE("scenarios/verdict") {
    TEST_CASE("never, sometimes and always speak of all runs that were made") {
        const Observed none = observed({run(0), run(0)});
        const Observed some = observed({run(0), run(2), run(0)});
        const Observed all = observed({run(1), run(3)});
        const auto expect = [](const char* word) { return "[[expect]]\nmissed = \"" + std::string(word) + "\"\n"; };
        CHECK(status(expect("never"), none) == Status::holds);
        CHECK(status(expect("never"), some) == Status::violated);
        CHECK(status(expect("never"), all) == Status::violated);
        CHECK(status(expect("sometimes"), none) == Status::violated);
        CHECK(status(expect("sometimes"), some) == Status::holds);
        CHECK(status(expect("sometimes"), all) == Status::holds);
        CHECK(status(expect("always"), none) == Status::violated);
        CHECK(status(expect("always"), some) == Status::violated);
        CHECK(status(expect("always"), all) == Status::holds);
    }

    TEST_CASE("a violation carries the token of a run that shows it, and the line of the expectation") {
        const Observed some = observed({run(0), run(2), run(0)});
        ResultRow row = judge("[[expect]]\nexit = 0\n[[expect]]\nmissed = \"never\"\n", some);
        CHECK(row.token == "token2");
        CHECK(row.line == 13);
        CHECK(row.detail == "missed is 2 in 1 of 3 runs, expected never");
        row = judge("[[expect]]\nmissed = \"always\"\n", some);
        CHECK(row.token == "token1");
        CHECK(row.detail == "missed is 0 in 2 of 3 runs, expected always");
    }

    TEST_CASE("the witness is the run with the fewest preemptions") {
        std::vector<RunOutcome> runs = {run(1), run(3), run(1)};
        runs[0].preemptions = 4;
        runs[1].preemptions = 3;
        runs[2].preemptions = 1;
        CHECK(judge("[[expect]]\nmissed = \"never\"\n", observed(runs)).token == "token3");
        CHECK(judge("[[expect]]\nmissed = \"sometimes\"\n", observed(runs)).token == "token3");
        CHECK(judge("[[expect]]\nmissed = 1\n", observed(runs)).token == "token2");
        runs[0] = run(3);
        runs[0].preemptions = 4; // the same number as run 2, with more preemptions, and before it
        CHECK(judge("[[expect]]\nmissed = 1\n", observed(runs)).token == "token2");
    }

    TEST_CASE("a number must be met by every run") {
        CHECK(status("[[expect]]\nhits = 10\n", observed({run(0)})) == Status::holds);
        CHECK(status("[[expect]]\nhits = 9\n", observed({run(1), run(0, 1)})) == Status::holds);
        const ResultRow row = judge("[[expect]]\nhits = 9\n", observed({run(1), run(0), run(1)}));
        CHECK(row.status == Status::violated);
        CHECK(row.detail == "hits is 10, expected 9");
        CHECK(row.token == "token2");
    }

    TEST_CASE("a count is of one probe where the expectation says so, else of all together") {
        const Observed seen = observed({run(0, 2)});
        CHECK(status("[[expect]]\nat = \":a\"\nmissed = 0\n", seen) == Status::holds);
        CHECK(status("[[expect]]\nat = \":b\"\nmissed = 2\n", seen) == Status::holds);
        CHECK(status("[[expect]]\nmissed = 2\nhits = 8\nexecutions = 10\n", seen) == Status::holds);
        CHECK(judge("[[expect]]\nat = \":b\"\nmissed = 0\n", seen).detail == "missed of :b is 2, expected 0");
    }

    TEST_CASE("the machine's counters are looked up by name") {
        RunOutcome one = run(0);
        one.counters = {1, 2, 3, 4, 5, 6, 7};
        CHECK(status("[[expect]]\nbreakpoint_traps = 1\nstep_traps = 2\ntext_writes = 3\npages_copied = 4\n"
                     "xol_slots_used = 5\nipis = 6\nsyscalls = 7\n",
                     observed({one})) == Status::holds);
    }

    TEST_CASE("exit code, signal and output are those of every run") {
        const Observed fine = observed({run(0)});
        CHECK(status("[[expect]]\nexit = 0\nstdout = \"2\\n\"\n", fine) == Status::holds);
        CHECK(judge("[[expect]]\nexit = 1\n", fine).detail == "the exit code is 0, expected exit 1");
        CHECK(judge("[[expect]]\nsignal = 11\n", fine).detail == "the exit code is 0, expected signal 11");
        CHECK(judge("[[expect]]\nstdout = \"3\\n\"\n", fine).detail == "the output is \"2\\n\", expected \"3\\n\"");
        std::vector<RunOutcome> runs = {run(0), run(0), run(0)};
        runs[1].signal = 11;
        CHECK(status("[[expect]]\nsignal = \"SIGSEGV\"\n", observed({runs[1]})) == Status::holds);
        const ResultRow row = judge("[[expect]]\nexit = 0\n", observed(runs));
        CHECK(row.status == Status::violated);
        CHECK(row.token == "token2");
    }

    TEST_CASE("only the expectations for the strategy count") {
        const Scenario s = scenario("[[expect]]\nstrategies = [\"inline\"]\nmissed = 1\n");
        CHECK(evaluate(s, "xol", observed({run(0)})).status == Status::holds);
        CHECK(evaluate(s, "inline", observed({run(0)})).status == Status::violated);
    }

    TEST_CASE("a budget that ran out is never a pass, but a violation that was seen stays one") {
        Observed none = observed({run(0), run(0)});
        none.budget_ran_out = true;
        for (const std::string text :
             {"missed = \"never\"", "missed = \"sometimes\"", "executions = \"always\"", "missed = 0", "exit = 0"}) {
            CAPTURE(text);
            CHECK(status("[[expect]]\n" + text + "\n", none) == Status::inconclusive);
        }
        Observed some = observed({run(0), run(1)});
        some.budget_ran_out = true;
        CHECK(status("[[expect]]\nmissed = \"never\"\n", some) == Status::violated);
        CHECK(status("[[expect]]\nmissed = \"sometimes\"\n", some) == Status::holds);
        CHECK(status("[[expect]]\nmissed = 0\n", some) == Status::violated);
        CHECK(status("[[expect]]\nmissed = \"never\"\n", Observed{}) == Status::inconclusive);
        CHECK(judge("[[expect]]\nmissed = \"never\"\nexit = 0\n", some).detail ==
              "missed is 1 in 1 of 2 runs, expected never"); // and no word about the budget
        Observed one = observed({run(0)});
        one.budget_ran_out = true;
        CHECK(judge("[[expect]]\nmissed = \"never\"\n", one).detail ==
              "missed: expected never, so far in 0 of 1 runs, then the budget ran out");
    }

    TEST_CASE("a run that left its script is diverged unless that is what is expected") {
        RunOutcome lost = run(0);
        lost.status = RunStatus::diverged;
        lost.status_detail = "diverged: item 1 `t1 until text-restored`: t1 sleeps";
        const ResultRow row = judge("[[expect]]\nmissed = \"never\"\nexit = 3\n", observed({lost}));
        CHECK(row.status == Status::diverged);
        CHECK(row.detail == lost.status_detail);
        CHECK(status("[[expect]]\nstatus = \"diverged\"\nmissed = \"never\"\n", observed({lost})) == Status::holds);
        CHECK(status("[[expect]]\nstatus = \"completed\"\n", observed({lost})) == Status::violated);
        CHECK(judge("[[expect]]\nstatus = \"diverged\"\n", observed({run(0)})).detail ==
              "the run completed, expected status \"diverged\"");
    }

    TEST_CASE("a run that reached the limit is inconclusive unless that is what is expected") {
        RunOutcome endless = run(0);
        endless.status = RunStatus::limit;
        endless.status_detail = "reached the limit of 1000 instructions";
        CHECK(status("[[expect]]\nexit = 0\n", observed({endless})) == Status::inconclusive);
        CHECK(status("[[expect]]\nstatus = \"limit\"\n", observed({endless})) == Status::holds);
        CHECK(status("[[expect]]\nmissed = 1\n", observed({endless})) == Status::violated);
    }

    TEST_CASE("a run that never ends is violated unless that is what is expected") {
        RunOutcome stuck = run(0);
        stuck.status = RunStatus::deadlock;
        stuck.status_detail = "never ends: t1 waits for a futex";
        const ResultRow row = judge("[[expect]]\nmissed = \"never\"\nexit = 3\n", observed({stuck}));
        CHECK(row.status == Status::violated);
        CHECK(row.detail == "the run never ends: t1 waits for a futex");
        CHECK(status("[[expect]]\nstatus = \"deadlock\"\n", observed({stuck})) == Status::holds);
        CHECK(status("[[expect]]\nstatus = \"deadlock\"\n", observed({run(0)})) == Status::violated);
    }

    TEST_CASE("a refused probe is a violation unless its errno is expected") {
        RunOutcome one = run(0);
        one.probes[1].error_number = 524;
        CHECK(judge("[[expect]]\nmissed = \"never\"\n", observed({one})).detail ==
              "probe :b was refused with errno 524");
        CHECK(status("[[expect]]\nat = \":b\"\nerrno = 524\n", observed({one})) == Status::holds);
        CHECK(status("[[expect]]\nat = \":b\"\nerrno = 8\n", observed({one})) == Status::violated);
        CHECK(status("[[expect]]\nerrno = 524\n", observed({one})) == Status::violated); // :a was accepted
    }

    TEST_CASE("a skipped scenario is not judged") {
        Observed none;
        none.skipped_because = "needs root";
        CHECK(status("[[expect]]\nmissed = 1\n", none) == Status::skipped);
    }

    TEST_CASE("every reason is told, and what held is summed up") {
        CHECK(judge("[[expect]]\nmissed = 1\nexit = 1\n", observed({run(0)})).detail ==
              "the exit code is 0, expected exit 1; missed is 0, expected 1");
        CHECK(judge("[[expect]]\nexit = 0\n", observed({run(1)})).detail ==
              "executions 10, hits 9, missed 1, repeated 0");
        Observed two = observed({run(1), run(0)});
        two.complete = true;
        CHECK(judge("[[expect]]\nexit = 0\n", two).detail ==
              "executions 10, hits 9 to 10, missed 0 to 1, repeated 0 in 2 runs, which are all");
    }

    TEST_CASE("tokens are only made for runs that become a witness") {
        Observed seen;
        int made = 0;
        const auto token = [&] { return std::to_string(++made); };
        seen.add(run(0), token);
        const int first = made;
        for (int i = 0; i < 1000; ++i) seen.add(run(0), token);
        CHECK(made == first);
        CHECK(seen.runs() == 1001);
        CHECK(seen.endings().size() == 1);
    }

    TEST_CASE("the exit code follows the interface: what makes other rows doubtful comes first") {
        const auto code = [](std::vector<Status> all) {
            std::vector<ResultRow> rows;
            for (const Status one : all) rows.push_back({"s", "xol", one, {}, {}, {}, 0});
            return exit_code(rows);
        };
        using enum Status;
        CHECK(code({}) == 0);
        CHECK(code({holds, holds}) == 0);
        CHECK(code({holds, skipped}) == 0);
        CHECK(code({skipped, skipped}) == 77);
        CHECK(code({holds, inconclusive, skipped}) == 4);
        CHECK(code({inconclusive, violated, holds}) == 1);
        CHECK(code({violated, error}) == 2);
        CHECK(code({violated, diverged, error, inconclusive}) == 3);
    }
}
