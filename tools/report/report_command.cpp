// `trapline report`: an event log as one HTML file with a picture of the run.
#include "scenarios/picture.hpp"
#include "tools/event_log.hpp"
#include "tools/hits.hpp"
#include "tools/options.hpp"
#include "tools/report/page.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFooter =
    "LOG is what --log of run or replay wrote; - reads standard input. The file needs no network and nothing\n"
    "beside it: open it in any browser. It shows the CPUs' lanes, what stood at the probe points, every missed\n"
    "execution with the reason, the probes, the counters, and the scenario with the token that replays it.\n"
    "\n"
    "Exit code: 0 done; 2 bad command line, or no event log.\n"
    "\n"
    "Example:\n"
    "  trapline replay race.toml --strategy inline --log race.log && trapline report race.log -o race.html\n";

/// More probe points than that make no picture: those with misses and those that changed most are drawn.
constexpr std::size_t kMostPlaces = 12;

/// A number that JavaScript has exactly, else a string.
Json exact(std::uint64_t value) {
    constexpr std::uint64_t kExact = 1ull << 53;
    return value < kExact ? Json(value) : Json(std::to_string(value));
}

struct PlaceHistory {
    std::vector<std::pair<std::size_t, bool>> changes; ///< index of the record, and whether int3 stands there then
    std::size_t misses = 0;
};

Json places_of(const LogFile& log, const PlaceNames& names) {
    std::map<TextState::Key, PlaceHistory> all;
    TextState state;
    for (std::size_t i = 0; i < log.records.size(); ++i) {
        const Record& r = log.records[i];
        const std::size_t before = state.places().size();
        state.apply(r);
        const auto byte = TextState::written(r);
        if (state.places().size() > before + (byte ? 1 : 0)) // a forked space has its parent's bytes from here on
            for (const auto& [key, place] : state.places())
                if (key.first == r.space && all[key].changes.empty() && !(byte && key.second == r.object))
                    all[key].changes.emplace_back(i, place.byte == TextState::Byte::breakpoint);
        if (byte) all[{r.space, r.object}].changes.emplace_back(i, *byte == TextState::Byte::breakpoint);
        if (r.kind == Record::Kind::miss) ++all[{r.space, r.object}].misses;
    }
    std::vector<TextState::Key> chosen;
    for (const auto& [key, history] : all) chosen.push_back(key);
    if (chosen.size() > kMostPlaces) {
        const auto weight = [&all](const TextState::Key& k) { return std::pair(all[k].misses, all[k].changes.size()); };
        std::stable_sort(chosen.begin(), chosen.end(),
                         [&](const auto& a, const auto& b) { return weight(a) > weight(b); });
        chosen.resize(kMostPlaces);
        std::sort(chosen.begin(), chosen.end());
    }
    Json places = Json::array();
    for (const TextState::Key& key : chosen) {
        Json changes = Json::array();
        for (const auto& [index, armed] : all[key].changes) changes.push_back({{"index", index}, {"armed", armed}});
        places.push_back({{"space", key.first},
                          {"object", exact(key.second)},
                          {"name", place_name(names, key.second)},
                          {"changes", std::move(changes)}});
    }
    return places;
}

/// The records column by column, which is shorter than a thing each.
void add_records(Json& data, const LogFile& log) {
    Json records = {{"number", Json::array()}, {"time", Json::array()},  {"cost", Json::array()},
                    {"cpu", Json::array()},    {"task", Json::array()},  {"step", Json::array()},
                    {"object", Json::array()}, {"value", Json::array()}, {"space", Json::array()}};
    Json texts = Json::object(), frames = Json::array();
    std::vector<std::string> tasks;
    std::uint64_t in_use = ~0ull;
    for (std::size_t i = 0; i < log.records.size(); ++i) {
        const Record& r = log.records[i];
        auto task = std::find(tasks.begin(), tasks.end(), r.task);
        if (task == tasks.end()) task = tasks.insert(task, r.task);
        const bool miss = r.kind == Record::Kind::miss;
        records["number"].push_back(r.number);
        records["time"].push_back(exact(r.time));
        records["cost"].push_back(r.cost);
        records["cpu"].push_back(r.cpu);
        records["task"].push_back(task - tasks.begin());
        records["step"].push_back(miss ? -1 : static_cast<int>(r.step));
        records["object"].push_back(exact(r.object));
        records["value"].push_back(exact(r.value));
        records["space"].push_back(r.space);
        if (!r.text.empty()) texts[std::to_string(i)] = r.text;
        if (!miss && r.frames != in_use) {
            in_use = r.frames;
            frames.push_back({i, in_use});
        }
    }
    data["records"] = std::move(records);
    data["texts"] = std::move(texts);
    data["tasks"] = tasks;
    data["frames"] = std::move(frames);
}

Json report_data(const LogFile& log) {
    PictureOptions picture;
    picture.names = log.names();
    Json data = {{"header", log.header}, {"end", log.end}, {"steps", Json::array()}};
    for (const StepInfo& step : all_steps()) data["steps"].push_back({{"name", step.name}, {"meaning", step.doc}});
    add_records(data, log);
    data["places"] = places_of(log, picture.names);
    data["hits"] = Json::array();
    for (const HitSpan& hit : find_hits(log.records))
        data["hits"].push_back({{"first", hit.first},
                                {"last", hit.last},
                                {"name", place_name(picture.names, hit.place)},
                                {"ended", hit.ended}});
    data["misses"] = Json::array();
    for (const auto& [index, why] : explain_misses(log.records, picture.names))
        data["misses"].push_back({{"index", index}, {"why", why}});
    data["picture"] = columns(log.records, picture);
    return data;
}

std::string title_of(const LogFile& log) {
    if (!log.header.is_object()) return "A run of trapline";
    const std::string strategy = log.header.value("strategy", "");
    std::string what = std::filesystem::path(log.header.value("program", "")).filename().string();
    if (log.header.contains("scenario")) what = log.header.at("scenario").value("name", what);
    return fmt::format("{} with {}", what, strategy);
}

Result<void> report(const std::vector<std::string>& files, const std::optional<std::string>& output) {
    if (files.size() != 1) return fail("report needs one event log", "run and replay write one with --log FILE");
    if (!output) return fail("report needs the name of the file to write", "-o FILE.html");
    const auto log = read_log(files.front());
    if (!log) return tl::make_unexpected(log.error());
    const std::string json = report_data(*log).dump(-1, ' ', false, Json::error_handler_t::replace);
    return write_output("-o", *output, page::report(title_of(*log), json));
}

} // namespace

int report_command(const Arguments& arguments) {
    std::vector<std::string> files;
    std::optional<std::string> output;
    CommandLine line("report", "LOG -o FILE.html", "Makes a picture of a run: one HTML file.", kFooter);
    line.values("LOG", files, "an event log, - for standard input", "");
    line.value("-o,--output", output, "the file to write; - for standard output", "FILE.html");
    if (const auto over = line.parse(arguments, exit_status::misuse)) return *over;
    if (arguments.program) files.insert(files.end(), arguments.program->begin(), arguments.program->end());
    const auto done = report(files, output);
    if (done) return exit_status::done;
    complain(done.error());
    return exit_status::misuse;
}

} // namespace trapline
