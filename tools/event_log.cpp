#include "tools/event_log.hpp"

#include "emu/kernel/cost_file.hpp"
#include "scenarios/text.hpp"
#include "tools/json_out.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <iostream>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

std::string one_line(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// The scenario's file as it stands there: a report shows it with its comments.
std::string file_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What both kinds of lines share. Throws what the JSON library throws.
Record common(const Json& line) {
    Record r;
    r.number = line.at("number").get<std::uint64_t>();
    r.time = line.at("time").get<std::uint64_t>();
    r.cpu = line.at("cpu").get<int>();
    r.serial = line.at("serial").get<std::uint32_t>();
    r.task = line.at("task").get<std::string>();
    r.space = line.value("space", 0u);
    r.object = line.at("object").get<std::uint64_t>();
    return r;
}

/// Adds one line to the log. The text of an error, empty when it was understood.
std::string add_line(LogFile& log, const std::string& text) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) return "this is no line of an event log";
    try {
        if (line.contains("log")) {
            const auto model = line.value("model", kModelVersion);
            if (model != kModelVersion)
                return fmt::format("the log is of model {}, this is model {}", model, kModelVersion);
            if (!log.header.is_null()) return "a second run begins here: one log holds one run";
            log.header = line;
        } else if (line.contains("end")) {
            log.end = line.at("end");
        } else if (line.contains("called") || line.contains("returned")) {
            const Json& said = line.at(line.contains("called") ? "called" : "returned");
            const auto number = said.at("call").get<std::uint64_t>();
            // Calls are few between a call and its return, so the search from the end is short.
            const auto call = std::find_if(log.records.rbegin(), log.records.rend(), [&](const Record& r) {
                return r.kind == Record::Kind::event && r.number == number;
            });
            if (call == log.records.rend()) return fmt::format("there is no event {}", number);
            call->call = said.at("text").get<std::string>();
        } else if (line.contains("missed")) {
            Record r = common(line.at("missed"));
            r.kind = Record::Kind::miss;
            log.records.push_back(std::move(r));
        } else {
            Record r = common(line);
            const auto name = line.at("step").get<std::string>();
            const auto step = step_by_name(name);
            if (!step) return fmt::format("there is no step {}", text::quoted(name));
            r.step = *step;
            r.value = line.at("value").get<std::uint64_t>();
            r.text = line.at("text").get<std::string>();
            r.cost = line.value("cost", Cycles{0});
            r.frames = line.value("frames", std::uint64_t{0});
            log.records.push_back(std::move(r));
        }
    } catch (const Json::exception&) {
        return "this line of the event log lacks something";
    }
    return {};
}

} // namespace

std::string log_line(const Record& r) {
    if (r.kind == Record::Kind::miss)
        return fmt::format("{{\"missed\":{{\"number\":{},\"time\":{},\"cpu\":{},\"task\":\"{}\",\"serial\":{},"
                           "\"object\":{},\"space\":{}}}}}",
                           r.number, r.time, r.cpu, r.task, r.serial, r.object, r.space);
    return fmt::format("{{\"number\":{},\"time\":{},\"cpu\":{},\"task\":\"{}\",\"serial\":{},\"step\":\"{}\","
                       "\"object\":{},\"value\":{},\"text\":{},\"cost\":{},\"space\":{},\"frames\":{}}}",
                       r.number, r.time, r.cpu, r.task, r.serial, step_info(r.step).name, r.object, r.value,
                       json_string(r.text), r.cost, r.space, r.frames);
}

std::string log_line(const CallNote& n, const std::string& task) {
    return fmt::format("{{\"{}\":{{\"call\":{},\"time\":{},\"cpu\":{},\"task\":\"{}\",\"serial\":{},\"text\":{}}}}}",
                       n.returned ? "returned" : "called", n.call, n.time, static_cast<std::int16_t>(n.cpu), task,
                       n.task, json_string(n.text));
}

std::string schedule_text(const RunRequest& request) {
    if (const auto* token = std::get_if<Token>(&request.schedule)) return to_string(*token);
    const auto& schedule = std::get<SchedulePolicy>(request.schedule);
    if (const auto* script = std::get_if<ScheduleScript>(&schedule)) return script->text;
    if (const auto* random = std::get_if<policy::Random>(&schedule)) return fmt::format("random:{}", random->seed);
    if (const auto* pct = std::get_if<policy::Pct>(&schedule)) return fmt::format("pct:{}:{}", pct->depth, pct->seed);
    return "rr";
}

std::uint64_t hz_of(const RunRequest& request) {
    const auto cost = find_cost(request.cost);
    return cost ? cost->hz : cost_profiles().front().hz;
}

std::string log_header(const RunRequest& request, const Scenario* scenario) {
    Json header = {{"log", 1},
                   {"model", kModelVersion},
                   {"program", request.program},
                   {"args", request.args},
                   {"strategy", request.strategy},
                   {"kernel", request.kernel},
                   {"cpus", request.cpus},
                   {"seed", request.seed},
                   {"schedule", schedule_text(request)},
                   {"cost", request.cost},
                   {"hz", hz_of(request)},
                   {"probes", Json::array()}};
    for (const ScenarioProbe& probe : request.probes) header["probes"].push_back(probe.spec.text);
    if (scenario != nullptr) header["scenario"] = {{"name", scenario->name}, {"text", file_text(scenario->file)}};
    return one_line(header);
}

std::string log_footer(const RunRequest& request, const RunReport& report) {
    return one_line({{"end", Json::parse(run_json(request, schedule_text(request), report))}});
}

PlaceNames LogFile::names() const {
    PlaceNames names;
    if (!end.is_object() || !end.contains("probes")) return names;
    for (const Json& probe : end.at("probes"))
        if (const Addr address = probe.value("address", Addr{0}); address != 0)
            names.emplace(address, probe.value("spec", ""));
    return names;
}

std::uint64_t LogFile::hz() const {
    const std::uint64_t hz = header.is_object() ? header.value("hz", std::uint64_t{0}) : 0;
    return hz != 0 ? hz : cost_profiles().front().hz;
}

Result<LogFile> read_log(const std::string& path) {
    std::ifstream file;
    if (path != "-") file.open(path);
    if (!file) return fail(fmt::format("{}: {}", text::quoted(path), std::strerror(errno)));
    std::istream& in = path == "-" ? std::cin : file;
    LogFile log;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (std::string wrong = add_line(log, line); !wrong.empty())
            return fail(std::move(wrong), "--log of run or replay writes one", path, number);
    }
    if (number == 0) return fail("the log is empty", "--log of run or replay writes one", path);
    put_in_order(log.records);
    return log;
}

} // namespace trapline
