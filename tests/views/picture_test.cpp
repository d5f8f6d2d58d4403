// Pictures of thought-out runs, compared with what a person would draw.
#include "scenarios/picture.hpp"
#include "tests/views/records.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

using namespace trapline;

namespace {

PictureOptions named() {
    PictureOptions options;
    options.names = {{kHot, ":hot"}};
    return options;
}

std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

} // namespace

TEST_CASE("two columns show who does what and the byte between them") {
    CHECK(columns(missed_probe(), named()) ==
          "event  t1, CPU 0                              byte at :hot  t2, CPU 1\n"
          "    1  (machine: registered)\n"
          "    2  (machine: text-armed)\n"
          "    3  trap: int3 was fetched                   int3\n"
          "    4  handler: hit 1                           int3\n"
          "    5  text-restored                          > original\n"
          "    .                                           original    MISSED: executes :hot bare\n"
          "    7  stepped                                  original\n"
          "    8  text-armed                             > int3\n"
          "    9  resumed at :hot+3                        int3\n");
}

TEST_CASE("what has nothing to do with probes is shown when it is asked for") {
    PictureOptions options = named();
    CHECK(columns(missed_probe(), options).find("syscall") == std::string::npos);
    options.everything = true;
    CHECK(columns(missed_probe(), options).find("    6" + std::string(43, ' ') + "original    syscall exit\n") !=
          std::string::npos);
}

TEST_CASE("a sequence diagram has an arrow for every access to the probed byte") {
    CHECK(mermaid(missed_probe(), named()) == "sequenceDiagram\n"
                                              "    participant t1 as t1, CPU 0\n"
                                              "    participant text as the byte at :hot\n"
                                              "    participant t2 as t2, CPU 1\n"
                                              "    Note over text: registered\n"
                                              "    Note over text: text-armed\n"
                                              "    t1->>text: trap: int3 was fetched\n"
                                              "    Note over t1: handler: hit 1\n"
                                              "    t1->>text: text-restored\n"
                                              "    t2->>text: fetches the original byte\n"
                                              "    Note over t2: MISSED: executes :hot bare\n"
                                              "    Note over t1: stepped\n"
                                              "    t1->>text: text-armed\n"
                                              "    Note over t1: resumed at :hot+3\n");
}

TEST_CASE("names cannot break out of a diagram") {
    PictureOptions options;
    options.names = {{kHot, ":h;t#1"}};
    Story s;
    s.event("t1", Step::text_armed);
    s.event("t1", Step::syscall, 1).text = "a\nb;c#d%%";
    options.everything = true;
    const std::string text = mermaid(s.records, options);
    CHECK(text.find_first_of(";#%") == std::string::npos);
    CHECK(lines(text) == 5);
}

TEST_CASE("a long run is cut, around the first miss") {
    Story s;
    s.event("machine", Step::text_armed);
    for (int i = 0; i < 500; ++i) s.event("t1", Step::handler, kHot, 1);
    s.event("t1", Step::text_restored);
    s.miss("t2");
    for (int i = 0; i < 500; ++i) s.event("t1", Step::handler, kHot, 1);
    PictureOptions options = named();
    options.most = 50;
    const std::string text = columns(s.records, options);
    CHECK(lines(text) == 52);
    CHECK(text.find("MISSED") != std::string::npos);
    CHECK(text.find("(953 more lines are not shown; they go on at event ") != std::string::npos);
    options.from = options.to = 2;
    CHECK(lines(columns(s.records, options)) == 2);
}

TEST_CASE("no line is wider than a hundred columns, whoever takes part") {
    Story s;
    PictureOptions options;
    options.names = {{kHot, "/usr/lib/x86_64-linux-gnu/a-library-with-a-long-name.so.6:a_function_with_a_long_name"}};
    s.event("machine", Step::text_armed);
    for (int task = 1; task < 9; ++task) {
        Record& r = s.event("t" + std::to_string(task), Step::resumed);
        r.serial = static_cast<std::uint32_t>(task);
        r.task = "t" + std::to_string(task);
    }
    std::istringstream text(columns(s.records, options));
    std::size_t shared = 0;
    for (std::string line; std::getline(text, line);) {
        CHECK(line.size() <= 100);
        shared += line.find("t5: ") != std::string::npos || line.find("t8: ") != std::string::npos;
    }
    CHECK(shared == 2);
}

TEST_CASE("a miss is explained by who opened the window and who closed it") {
    const std::vector<Record> records = missed_probe();
    CHECK(
        explain_misses(records, {{kHot, ":hot"}}).at(5) ==
        "t2 executed the instruction at :hot on CPU 1 after t1 had put the original byte back (event 5) and before t1 "
        "put int3 there again (event 8): no handler ran.");
    Story early;
    early.miss("t2");
    CHECK(explain_misses(early.records, {}).at(0) ==
          "t2 executed the instruction at 0x401050 on CPU 1 while no breakpoint had "
          "been put there yet: no handler ran.");
}

TEST_CASE("a forked process begins with its parent's bytes and goes its own way") {
    Story s;
    s.event("t1", Step::text_armed);
    s.event("t1", Step::syscall, 57).text = "fork";
    s.event("t2", Step::created, 1001).space = 2;
    TextState state;
    for (const Record& r : s.records) state.apply(r);
    REQUIRE(state.at(2, kHot) != nullptr);
    CHECK(state.at(2, kHot)->byte == TextState::Byte::breakpoint);
    s.event("t1", Step::text_restored).space = 2;
    state.apply(s.records.back());
    CHECK(state.at(2, kHot)->byte == TextState::Byte::original);
    CHECK(state.at(1, kHot)->byte == TextState::Byte::breakpoint);
}

TEST_CASE("misses go behind the event that they follow") {
    Story s;
    s.event("t1", Step::trap);
    s.event("t1", Step::handler);
    Record late = s.miss("t2");
    late.number = 1;
    s.records.back() = late;
    put_in_order(s.records);
    CHECK(s.records[0].number == 1);
    CHECK(s.records[1].kind == Record::Kind::miss);
    CHECK(s.records[2].number == 2);
}
