#include "scenarios/schedule.hpp"

#include <doctest/doctest.h>

using namespace trapline;

namespace {

ScheduleScript script(std::string_view text) {
    auto parsed = parse_schedule_script(text);
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().text()));
    return *parsed;
}

Error refused(std::string_view text) {
    auto parsed = parse_schedule_policy(text);
    REQUIRE_MESSAGE(!parsed.has_value(), text);
    return parsed.error();
}

template <class T> const T& what(const ScheduleItem& item, std::size_t event = 0) {
    REQUIRE(item.until.size() > event);
    const T* value = std::get_if<T>(&item.until[event].what);
    REQUIRE(value != nullptr);
    return *value;
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_SUITE("scenarios/schedule") {
    TEST_CASE("the script of the missed probe is three items, each a task and an event") {
        const ScheduleScript race = script("t1 until text-restored; t2 until :hot+3; t1 until text-armed");
        REQUIRE(race.items.size() == 3);
        CHECK(to_string(race.items[0].task) == "t1");
        CHECK(what<ScheduleEvent::Step>(race.items[0]).name == "text-restored");
        CHECK_FALSE(what<ScheduleEvent::Step>(race.items[0]).at.has_value());
        CHECK(to_string(race.items[1].task) == "t2");
        CHECK(to_string(what<ProbePlace>(race.items[1])) == ":hot+3");
        CHECK(race.items[2].number == 3);
        CHECK(race.items[2].text == "t1 until text-armed");
    }

    TEST_CASE("every kind of task and event is understood") {
        const ScheduleScript all = script(
            "t1 until trap@:hot+3; p2.t13 until @0x401136 x3; k1 until unregistered; t1 until syscall futex;"
            "t1 until exit; t1 until 1 instruction; t2 until 100 instructions; t1 until libc.so.6:malloc@@GLIBC_2.2.5;"
            "t1 until stepped or exit or :hot x2; t1 until text-restored@libc.so.6:malloc@@GLIBC_2.2.5;");
        REQUIRE(all.items.size() == 10);
        CHECK(to_string(*what<ScheduleEvent::Step>(all.items[0]).at) == ":hot+3");
        CHECK(all.items[1].task == TaskRef{TaskRef::Kind::thread, 2, 13});
        CHECK(std::get<ProbePlace::VirtualAddress>(what<ProbePlace>(all.items[1]).place).value == 0x401136);
        CHECK(all.items[1].until[0].times == 3);
        CHECK(all.items[2].task == TaskRef{TaskRef::Kind::tracer, 1, 1});
        CHECK(what<ScheduleEvent::Syscall>(all.items[3]).name == "futex");
        (void)what<ScheduleEvent::Exit>(all.items[4]);
        CHECK(what<ScheduleEvent::Instructions>(all.items[5]).count == 1);
        CHECK(what<ScheduleEvent::Instructions>(all.items[6]).count == 100);
        CHECK(to_string(what<ProbePlace>(all.items[7])) == "libc.so.6:malloc@@GLIBC_2.2.5");
        REQUIRE(all.items[8].until.size() == 3);
        (void)what<ScheduleEvent::Exit>(all.items[8], 1);
        CHECK(all.items[8].until[0].times == 1);
        CHECK(all.items[8].until[2].times == 2);
        CHECK(what<ScheduleEvent::Step>(all.items[9]).name == "text-restored");
        CHECK(to_string(*what<ScheduleEvent::Step>(all.items[9]).at) == "libc.so.6:malloc@@GLIBC_2.2.5");
    }

    TEST_CASE("comments and line ends change nothing but the line that an item reports") {
        const ScheduleScript race = script("# what happens; not an item\n"
                                           "t1 until\n   text-restored;# opens the window; wide\n"
                                           "\n"
                                           "t2 until :hot+3 # and through\n"
                                           "; # the end\n");
        REQUIRE(race.items.size() == 2);
        CHECK(race.items[0].text == "t1 until text-restored");
        CHECK(race.items[0].line == 2);
        CHECK(race.items[1].text == "t2 until :hot+3");
        CHECK(race.items[1].line == 5);
    }

    TEST_CASE("a wrong item is named by its number, its text and its line") {
        const Error error = refused("t1 until trap;\nt2 until text-restored;\nt2 till trap");
        CHECK(error.line == 3);
        CHECK(error.what == "schedule item 3 `t2 till trap`: 'until' must follow t2");
        CHECK(mentions(refused("t1 until trap t2 until trap").hint, "';'"));
        CHECK(mentions(refused("t1 until trap;; t2 until trap").what, "item 2 is empty"));
        CHECK(mentions(refused(" \n ").what, "empty"));
        CHECK(mentions(refused("# nothing").what, "empty"));
        CHECK(mentions(refused("x1 until trap").what, "'x1' is not a task"));
        CHECK(mentions(refused("t0 until trap").what, "'t0' is not a task"));
        CHECK(mentions(refused("p0.t1 until trap").what, "not a task"));
        CHECK(mentions(refused("t99999999999 until trap").what, "not a task"));
        CHECK(mentions(refused("t1 until").what, "the event is missing"));
        CHECK(mentions(refused("t1 until trap or").what, "the event is missing"));
        CHECK(mentions(refused("t1 until trap x0").what, "never happens"));
        CHECK(mentions(refused("t1 until 0 instructions").what, "'0' is not a number of instructions"));
        CHECK(mentions(refused("t1 until -4 instructions").what, "'-4' is not a number"));
        CHECK(mentions(refused("t1 until 99999999999999999999 instructions").what, "not a number"));
        CHECK(mentions(refused("t1 until syscall").what, "name of the system call"));
        CHECK(mentions(refused("t1 until syscall FUTEX!").what, "'FUTEX!'"));
        CHECK(mentions(refused("t1 until Trap").what, "'Trap' is not an event"));
        CHECK(mentions(refused("t1 until :hot+x").what, "not an offset"));
        CHECK(mentions(refused("t1 until trap@hot").what, "no ':'"));
    }

    TEST_CASE("policies are told from scripts") {
        CHECK(std::holds_alternative<policy::RoundRobin>(parse_schedule_policy(" rr ").value()));
        CHECK(std::get<policy::Random>(parse_schedule_policy("random:18446744073709551615").value()).seed == ~0ULL);
        CHECK(std::get<policy::Pct>(parse_schedule_policy("pct:3:7").value()) == policy::Pct{3, 7});
        CHECK(std::get<ScheduleScript>(parse_schedule_policy("t1 until exit").value()).items.size() == 1);
        for (const char* text : {"random", "random:", "random:x", "random:-1", "random:1:2", "pct:3", "pct:0:1",
                                 "pct:1001:1", "pct::", "roundrobin", "rr:1"}) {
            CAPTURE(text);
            CHECK(refused(text).hint.size() > 0);
        }
    }

    TEST_CASE("a step that does not exist is refused before anything runs, with the nearest name") {
        const std::vector<std::string> steps = {"trap", "text-restored", "text-armed"};
        CHECK_FALSE(check_steps(script("t1 until trap; t2 until :anything"), steps).has_value());
        const auto error = check_steps(script("t1 until trap;\nt1 until exit or text-restord"), steps);
        REQUIRE(error.has_value());
        CHECK(error->line == 2);
        CHECK(mentions(error->what, "no step is called 'text-restord'"));
        CHECK(error->hint == "did you mean 'text-restored'?");
    }

    TEST_CASE("a run that leaves its script names the item") {
        CHECK(diverged_text(script("t2 until trap; t1 until text-armed").items[1], "t1 has exited") ==
              "diverged: item 2 `t1 until text-armed`: t1 has exited");
    }
}
