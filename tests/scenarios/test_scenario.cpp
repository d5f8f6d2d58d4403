#include "scenarios/scenario.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

constexpr std::string_view kWhole = R"(schema = 1
name   = "whole"
intent = "Every key once."
source = "nowhere"

[guest]
program = "guests/two-threads"
args    = ["-x", ""]
cpus    = 3
env     = ["LANG=C", "EMPTY="]
stdin   = "in\u0000put"

[[probe]]
at = ":hot"
[[probe]]
at = "r:back libc.so.6:malloc $retval"
registered = false

[[tracer]]
do = ["register uretprobe:libc.so.6:malloc", "unregister :hot"]

[run]
strategies = ["inline", "xol"]
kernel     = "uprobes-2010"
schedule   = """
t1 until trap@:hot;

k1 until unregistered"""
seed  = 9
limit = 1000
cost  = "xeon-2010"

[explore]
method = "pct"
grain  = "instructions"
preemptions = 0
runs   = 50
depth  = 2
seed   = 4
from   = "syscall write"

[[expect]]
strategies = ["inline"]
at = ":hot"
missed = "sometimes"
hits = 0
[[expect]]
executions = "always"
repeated = "never"
pages_copied = 1
exit = 0
stdout = "2\n"
status = "completed"
errno = 0
[[expect]]
signal = "SIGSEGV"
)";

Scenario whole() {
    auto parsed = parse_scenario(kWhole, "dir/whole.toml");
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().text()));
    return *parsed;
}

/// The smallest file, with `more` after the [guest] section.
std::string small(std::string_view more) {
    return "schema = 1\nname = \"n\"\n[guest]\nprogram = \"p\"\n" + std::string(more); // `more` begins on line 5
}

Error refused(const std::string& text, const Vocabulary& known = {}) {
    auto parsed = parse_scenario(text, "f.toml", known);
    REQUIRE_MESSAGE(!parsed.has_value(), text);
    CHECK(parsed.error().file == "f.toml");
    CHECK(parsed.error().what.find('\n') == std::string::npos);
    return parsed.error();
}

struct Refusal {
    std::string text;
    int line;
    std::string_view what;
    std::string_view hint;
};

void check_refusals(const std::vector<Refusal>& refusals, const Vocabulary& known = {}) {
    for (const Refusal& refusal : refusals) {
        CAPTURE(refusal.text);
        const Error error = refused(refusal.text, known);
        CAPTURE(error.text());
        CHECK(error.line == refusal.line);
        CHECK(error.what.find(refusal.what) != std::string::npos);
        CHECK(error.hint.find(refusal.hint) != std::string::npos);
    }
}

Quantifier quantifier(const std::optional<Amount>& amount) { return std::get<Quantifier>(amount.value()); }
const std::optional<Amount>& amount(const Expectation& expect, Metric metric) {
    return expect.amounts[static_cast<std::size_t>(metric)];
}

} // namespace

TEST_SUITE("scenarios/scenario") {
    TEST_CASE("every key of the format arrives in its place") {
        const Scenario s = whole();
        CHECK(s.file == "dir/whole.toml");
        CHECK(s.name == "whole");
        CHECK(s.intent == "Every key once.");
        CHECK(s.source == "nowhere");
        CHECK(s.guest.program == "guests/two-threads");
        CHECK(s.guest.args == std::vector<std::string>{"-x", ""});
        CHECK(s.guest.cpus == 3);
        CHECK(s.guest.env == std::vector<std::string>{"LANG=C", "EMPTY="});
        CHECK(s.guest.standard_input == std::string("in\0put", 6));
        REQUIRE(s.probes.size() == 2);
        CHECK(s.probes[0].spec.text == ":hot");
        CHECK(s.probes[0].registered);
        CHECK(s.probes[1].spec.is_return);
        CHECK_FALSE(s.probes[1].registered);
        REQUIRE(s.tracers.size() == 1);
        REQUIRE(s.tracers[0].steps.size() == 2);
        CHECK(s.tracers[0].steps[0].registers);
        CHECK(s.tracers[0].steps[0].probe == 1);
        CHECK_FALSE(s.tracers[0].steps[1].registers);
        CHECK(s.tracers[0].steps[1].probe == 0);
        CHECK(s.run.strategies == std::vector<std::string>{"inline", "xol"});
        CHECK(s.run.kernel == "uprobes-2010");
        CHECK(std::get<ScheduleScript>(s.run.schedule).items.size() == 2);
        CHECK(s.run.schedule_line == 26);
        CHECK(s.run.seed == 9);
        CHECK(s.run.limit == 1000);
        CHECK(s.run.cost == "xeon-2010");
        REQUIRE(s.explore.has_value());
        CHECK(s.explore->method == ExploreSection::Method::pct);
        CHECK(s.explore->grain == ExploreSection::Grain::instructions);
        CHECK(s.explore->preemptions == 0);
        CHECK(s.explore->runs == 50);
        CHECK(s.explore->depth == 2);
        CHECK(s.explore->seed == 4);
        CHECK(std::get<ScheduleEvent::Syscall>(std::get<ScheduleEvent>(s.explore->from).what).name == "write");
        REQUIRE(s.expectations.size() == 3);
        const Expectation& first = s.expectations[0];
        CHECK(first.probe == 0);
        CHECK(quantifier(amount(first, Metric::missed)) == Quantifier::sometimes);
        CHECK(std::get<std::uint64_t>(amount(first, Metric::hits).value()) == 0);
        CHECK_FALSE(amount(first, Metric::executions).has_value());
        CHECK(first.applies_to("inline"));
        CHECK_FALSE(first.applies_to("xol"));
        const Expectation& second = s.expectations[1];
        CHECK(second.applies_to("xol"));
        CHECK(quantifier(amount(second, Metric::executions)) == Quantifier::always);
        CHECK(quantifier(amount(second, Metric::repeated)) == Quantifier::never);
        CHECK(std::get<std::uint64_t>(amount(second, Metric::pages_copied).value()) == 1);
        CHECK(second.exit_code == 0);
        CHECK(second.standard_output == "2\n");
        CHECK(second.status == RunStatus::completed);
        CHECK(second.error_number == 0);
        CHECK(second.line == 47);
        CHECK(s.expectations[2].signal == 11);
    }

    TEST_CASE("what is left out has the defaults of the command line") {
        const Scenario s = parse_scenario(small(""), "f.toml").value();
        CHECK(s.guest.cpus == 2);
        CHECK(s.run.strategies == std::vector<std::string>{"xol"});
        CHECK(s.run.kernel == "linux-6.18");
        CHECK(std::holds_alternative<policy::RoundRobin>(s.run.schedule));
        CHECK(s.run.schedule_line == 0);
        CHECK_FALSE(s.run.limit.has_value());
        CHECK_FALSE(s.explore.has_value());
        const Scenario searched = parse_scenario(small("[explore]\nfrom = 3\n"), "f.toml").value();
        CHECK(searched.explore->method == ExploreSection::Method::exhaustive);
        CHECK(searched.explore->schedules == 200000);
        CHECK_FALSE(searched.explore->preemptions.has_value());
        CHECK(std::get<std::uint64_t>(searched.explore->from) == 3);
    }

    TEST_CASE("an unknown key is refused at its line, in every section, with the nearest known one") {
        check_refusals({
            {small("[guest2]\n"), 5, "unknown key \"guest2\" in the file", "did you mean 'guest'?"},
            {small("cpu = 2\n"), 5, "unknown key \"cpu\" in [guest]", "'cpus'"},
            {small("[[probe]]\nat = \":f\"\nretistered = true\n"), 7, "in [[probe]]", "'registered'"},
            {small("[[probe]]\nat = \":f\"\n[[tracer]]\ndo = [\"register :f\"]\nwhen = 1\n"), 9, "in [[tracer]]",
             "known are: do"},
            {small("[run]\nstratgies = [\"xol\"]\n"), 6, "in [run]", "'strategies'"},
            {small("[explore]\nmethods = \"pct\"\n"), 6, "in [explore]", "'method'"},
            {small("[[expect]]\nexit = 0\nmised = \"never\"\n"), 7, "unknown key \"mised\" in [[expect]]", "'missed'"},
        });
    }

    TEST_CASE("a required key that is missing is asked for") {
        check_refusals({
            {"", 1, "has no", ""},
            {"name = \"n\"\n[guest]\nprogram = \"p\"\n", 1, "no 'schema'", "schema = 1"},
            {"schema = 1\n[guest]\nprogram = \"p\"\n", 1, "no 'name'", "name = "},
            {"schema = 1\nname = \"n\"\n", 1, "no 'guest'", "[guest]"},
            {"schema = 1\nname = \"n\"\n\n[guest]\ncpus = 1\n", 4, "[guest] has no 'program'", "program ="},
            {small("[[probe]]\n"), 5, "[[probe]] has no 'at'", "at ="},
            {small("[[tracer]]\n"), 5, "[[tracer]] has no 'do'", "do ="},
            {small("[[tracer]]\ndo = []\n"), 6, "does nothing", "at least one"},
            {small("[[expect]]\nstrategies = [\"xol\"]\n"), 5, "expects nothing", "add"},
            {small("[explore]\nmethod = \"random\"\nseed = 1\n"), 5, "no 'runs'", "runs = N"},
            {small("[explore]\nmethod = \"random\"\nruns = 1\n"), 5, "no 'seed'", "seed = N"},
        });
    }

    TEST_CASE("a value of the wrong type or out of range is refused at its line") {
        check_refusals({
            {"schema = \"1\"\nname = \"n\"\n[guest]\nprogram = \"p\"\n", 1, "is a string, not an integer", ""},
            {"schema = 2\nname = \"n\"\n[guest]\nprogram = \"p\"\n", 1, "'schema' in the file is 2", "schema = 1"},
            {"schema = 1\nname = \"\"\n[guest]\nprogram = \"p\"\n", 2, "empty", "name"},
            {"schema = 1\nname = \"n\"\nguest = 4\n", 3, "is an integer, not a section", "[guest]"},
            {small("args = \"x\"\n"), 5, "not an array of strings", ""},
            {small("args = [\n  \"x\",\n  7]\n"), 7, "is an integer, not a string", ""},
            {small("args = [\"a\\u0000b\"]\n"), 5, "zero byte", ""},
            {small("env = [\"NAME\"]\n"), 5, "\"NAME\"", "NAME=VALUE"},
            {small("env = [\"=x\"]\n"), 5, "\"=x\"", "NAME=VALUE"},
            {small("cpus = 0\n"), 5, "is 0, out of range", "from 1 to 64"},
            {small("cpus = -1\n"), 5, "is -1, out of range", "from 1 to 64"},
            {small("cpus = 65\n"), 5, "is 65, out of range", ""},
            {small("cpus = 2.0\n"), 5, "is a floating-point number, not an integer", ""},
            {small("cpus = 1979-05-27\n"), 5, "is a date or time, not an integer", ""},
            {small("[probe]\nat = \":f\"\n"), 5, "not a list of sections", "[[probe]]"},
            {small("[[probe]]\nat = \":f+x\"\n"), 6, "'x' is not an offset", ""},
            {small("[[probe]]\nat = \":f\"\nregistered = 1\n"), 7, "not true or false", ""},
            {small("[[probe]]\nat = \":f\"\n[[tracer]]\ndo = [\"remove :f\"]\n"), 8, "\"remove :f\"",
             "unregister PROBE"},
            {small("[[probe]]\nat = \":hot\"\n[[tracer]]\ndo = [\"register :hut\"]\n"), 8, "no probe of this file",
             "':hot'"},
            {small("[run]\nseed = -1\n"), 6, "is -1", "from 0 on"},
            {small("[run]\nlimit = 0\n"), 6, "is 0", "from 1 on"},
            {small("[run]\nlimit = 99999999999999999999\n"), 6, "not TOML", ""},
            {small("[run]\nstrategies = []\n"), 6, "is empty", ""},
            {small("[run]\nstrategies = [\"xol\", \"xol\"]\n"), 6, "twice", ""},
            {small("[run]\nstrategies = [\"x o l\"]\n"), 6, "no strategy", ""},
            {small("[run]\nkernel = \"\"\n"), 6, "names no dialect", ""},
            {small("[explore]\nmethod = \"dfs\"\n"), 6, "is \"dfs\"", "exhaustive"},
            {small("[explore]\nruns = 5\n"), 6, "is for sampling", "schedules"},
            {small("[explore]\nmethod = \"pct\"\nruns = 5\nseed = 1\nschedules = 5\n"), 9, "is for exhaustive", "runs"},
            {small("[explore]\ndepth = 5\n"), 6, "is for pct", ""},
            {small("[explore]\nfrom = \"syscal write\"\n"), 6, "not an event", ""},
            {small("[explore]\nfrom = 0\n"), 6, "is 0", ""},
            {small("[[expect]]\nmissed = \"maybe\"\n"), 6, "is \"maybe\"", "never, sometimes, always"},
            {small("[[expect]]\nmissed = -1\n"), 6, "is -1", ""},
            {small("[[expect]]\nmissed = true\n"), 6, "is a boolean", ""},
            {small("[[expect]]\nexit = 256\n"), 6, "out of range", "from 0 to 255"},
            {small("[[expect]]\nexit = 0\nsignal = 9\n"), 7, "beside 'exit'", ""},
            {small("[[expect]]\nsignal = \"SEGV\"\n"), 6, "\"SEGV\"", "SIGSEGV"},
            {small("[[expect]]\nsignal = 65\n"), 6, "out of range", ""},
            {small("[[expect]]\nstatus = \"fine\"\n"), 6, "\"fine\"", "diverged"},
            {small("[[expect]]\nstrategies = [\"inline\"]\nexit = 0\n"), 6, "which [run] does not try", "add it"},
            {small("[[probe]]\nat = \":hot\"\n[[probe]]\nat = \"p:second :hot\"\n[[expect]]\nat = \":hot+0\"\nhits = "
                   "0\n"),
             10, "2 probes are there", "p:first"},
            {small("[[expect]]\nat = \":f\"\nmissed = 0\n"), 6, "no probe of this file", "declare it"},
            {small("[[probe]]\nat = \":f\"\n[[expect]]\nat = \":f\"\nipis = 0\n"), 9, "not for a probe",
             "without 'at'"},
        });
    }

    TEST_CASE("of several mistakes the first in the file is reported") {
        CHECK(refused(small("[run]\nlimit = 0\nseed = -1\nzzz = 1\n")).line == 6);
        CHECK(refused(small("[run]\naaa = 1\nlimit = 0\n")).line == 6);
    }

    TEST_CASE("what is not TOML is refused at its line") {
        check_refusals({{small("[run\n"), 5, "not TOML", ""},
                        {small("cpus = 1\ncpus = 2\n"), 6, "not TOML", ""},
                        {"schema = 1\nname = \"\xff\"\n", 2, "not TOML", ""}});
    }

    TEST_CASE("a mistake in a script is reported at its own line of the file") {
        check_refusals({
            {small("[run]\nschedule = \"t1 until\"\n"), 6, "the event is missing", ""},
            {small("[run]\nschedule = \"\"\"\nt1 until trap;\n\nt2 until\n\"\"\"\n"), 9, "schedule item 2 `t2 until`",
             ""},
            {small("[run]\nschedule = '''\nt2 until\n'''\n"), 7, "schedule item 1", ""},
            {small("[run]\nschedule = \"\"\"t1 until trap;\nt2 until\"\"\"\n"), 7, "schedule item 2", ""},
            {small("[run]\nschedule = \"\"\"\nt1 until trap;\nk1 until trap\"\"\"\n"), 8, "no tracer k1", "[[tracer]]"},
        });
    }

    TEST_CASE("names that do not exist are refused when the lists are given") {
        const Vocabulary known{{"inline", "xol"}, {"linux-6.18"}, {"xeon-2010"}, {"trap", "text-restored"}};
        check_refusals(
            {
                {small("[run]\nstrategies = [\"xul\"]\n"), 6, "no strategy", "did you mean 'xol'?"},
                {small("[run]\nkernel = \"linux-6.17\"\n"), 6, "no dialect", "'linux-6.18'"},
                {small("[run]\ncost = \"fast\"\n"), 6, "no cost profile", "known are: xeon-2010"},
                {small("[run]\nschedule = \"\"\"\nt1 until trap;\nt1 until text-restord\"\"\"\n"), 8, "no step",
                 "'text-restored'"},
            },
            known);
        CHECK(parse_scenario(small("[run]\nstrategies = \"all\"\nkernel = \"linux-6.18\"\n"), "f", known).has_value());
    }

    TEST_CASE("a file that cannot be read is an error, not an empty scenario") {
        CHECK(read_scenario("/nowhere/at/all.toml").error().what == "cannot be read: No such file or directory");
        CHECK(read_scenario("/").error().what == "this is a folder");
        CHECK(read_scenario("/dev/null").error().what.find("has no") != std::string::npos);
    }

    TEST_CASE("a program is looked for beside the scenario, then among the guests") {
        Scenario s;
        s.file = std::string(TRAPLINE_SCENARIOS_DIR) + "/missed-probe/two-cpus.toml";
        s.guest.program = "../README.md";
        CHECK(find_program(s, "/nowhere").value() ==
              std::string(TRAPLINE_SCENARIOS_DIR) + "/missed-probe/../README.md");
        s.guest.program = "guests/README.md"; // the folder of the example is not the build's
        CHECK(find_program(s, TRAPLINE_SCENARIOS_DIR).value() == std::string(TRAPLINE_SCENARIOS_DIR) + "/README.md");
        s.guest.program = "/dev";
        CHECK(find_program(s, "/nowhere").error().what.find("\"/dev\"") != std::string::npos);
    }
}
