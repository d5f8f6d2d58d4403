// The scenario files of the project: each must read, say where it comes from, and use only names that exist.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "scenarios/scenario.hpp"

using namespace trapline;

namespace {

std::vector<std::string> scenario_files() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(TRAPLINE_SCENARIOS_DIR)) {
        if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
}

const std::vector<std::string> kSteps = {
#define STEP(id, name, reads, writes, price, doc) name,
#include "emu/kernel/steps.inc"
#undef STEP
};

} // namespace

TEST_SUITE("scenarios/files") {
    TEST_CASE("every scenario file reads, names only steps that exist, and cites its source") {
        const Vocabulary known{{}, {}, {}, kSteps};
        std::set<std::string> names;
        for (const std::string& file : scenario_files()) {
            CAPTURE(file);
            const auto scenario = read_scenario(file, known);
            REQUIRE_MESSAGE(scenario.has_value(), (scenario ? "" : scenario.error().text()));
            CHECK_MESSAGE(names.insert(scenario->name).second, "another scenario has this name");
            CHECK_FALSE(scenario->intent.empty());
            constexpr std::array kCited = {"seed 00", "Linux ", "Solaris "};
            CHECK_MESSAGE(std::any_of(kCited.begin(), kCited.end(),
                                      [&](const char* s) { return scenario->source.find(s) != std::string::npos; }),
                          scenario->source);
            for (const std::string& strategy : scenario->run.strategies)
                CHECK(std::any_of(scenario->expectations.begin(), scenario->expectations.end(),
                                  [&](const Expectation& expect) { return expect.applies_to(strategy); }));
        }
        CHECK(names.size() >= 8);
    }

    TEST_CASE("the canonical race opens the window with one thread and walks another through it") {
        const auto race = read_scenario(std::string(TRAPLINE_SCENARIOS_DIR) + "/missed-probe/two-cpus.toml").value();
        CHECK(race.guest.cpus == 2);
        const auto& script = std::get<ScheduleScript>(race.run.schedule);
        REQUIRE(script.items.size() == 3);
        CHECK(std::get<ScheduleEvent::Step>(script.items[0].until[0].what).name == "text-restored");
        CHECK(to_string(script.items[1].task) == "t2");
        CHECK(to_string(std::get<ProbePlace>(script.items[1].until[0].what)) == ":hot+3");
    }
}
