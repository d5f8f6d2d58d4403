#include "tools/explore_state.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

std::string contents(const std::string& file) {
    std::ostringstream bytes;
    bytes << std::ifstream(file, std::ios::binary).rdbuf();
    return bytes.str();
}

} // namespace

Result<void> ExploreState::read(const std::string& file) {
    const Json j = Json::parse(contents(file), nullptr, false);
    const auto wrong = [&] {
        return fail("this is no state of a search", "trapline explore --state FILE writes one", file);
    };
    if (!j.is_object() || j.value("schema", 0) != 1 || !j.contains("searches") || !j["searches"].is_object())
        return wrong();
    for (const auto& [name, parts] : j["searches"].items()) {
        const std::optional<PartStore> store = PartStore::read(parts.dump());
        if (!store) return wrong();
        searches_[name].take(*store);
    }
    return {};
}

std::string ExploreState::text() const {
    Json searches = Json::object();
    for (const auto& [name, store] : searches_) searches[name] = Json::parse(store.json());
    return Json{{"schema", 1}, {"command", "explore"}, {"searches", std::move(searches)}}.dump() + "\n";
}

std::string search_name(const Scenario& scenario, const RunRequest& request, const ExploreSection& section) {
    std::string all =
        fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", kModelVersion, request.mutation, request.slots.value_or(0),
                    request.args, request.environment, scenario.guest.standard_input, request.kernel, request.cpus,
                    request.seed, request.limit, request.cost);
    for (const ScenarioProbe& p : request.probes) all += fmt::format("|{} {}", p.spec.text, p.registered);
    for (const ScenarioTracer& t : request.tracers) {
        all += "|tracer";
        for (const TracerStep& s : t.steps) all += fmt::format(" {} {}", s.registers, s.probe);
    }
    all += fmt::format("|{} {} {} {} {} {}", static_cast<int>(section.method), static_cast<int>(section.grain),
                       section.preemptions ? std::to_string(*section.preemptions) : "-", section.depth, section.seed,
                       section.from_text);
    Log digest;
    digest.bytes(all.data(), all.size());
    const std::string program = contents(request.program);
    digest.bytes(program.data(), program.size());
    return fmt::format("{} {} {:016x}", scenario.name, request.strategy, digest.hash());
}

} // namespace trapline
