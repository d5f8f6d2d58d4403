#include "scenarios/explore/search_result.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;

/// Guests print any bytes, JSON holds text.
std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

std::string from_hex(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    return out;
}

Json finding_json(const Finding& f) {
    const RunOutcome& o = f.outcome;
    Json probes = Json::array();
    for (const RunOutcome::Probe& p : o.probes) probes.push_back({{"counts", p.counts}, {"errno", p.error_number}});
    return {{"fingerprint", f.fingerprint},
            {"runs", f.runs},
            {"token", f.token},
            {"switches", f.switches},
            {"preemptions", o.preemptions},
            {"status", static_cast<int>(o.status)},
            {"detail", o.status_detail},
            {"broken", o.broken},
            {"exit", o.exit_code},
            {"signal", o.signal},
            {"stdout", hex(o.standard_output)},
            {"probes", probes},
            {"counters", o.counters}};
}

Finding read_finding(const Json& j) {
    Finding f;
    RunOutcome& o = f.outcome;
    j.at("fingerprint").get_to(f.fingerprint);
    j.at("runs").get_to(f.runs);
    j.at("token").get_to(f.token);
    j.at("switches").get_to(f.switches);
    j.at("preemptions").get_to(o.preemptions);
    o.status = static_cast<RunStatus>(j.at("status").get<int>());
    j.at("detail").get_to(o.status_detail);
    j.at("broken").get_to(o.broken);
    j.at("exit").get_to(o.exit_code);
    j.at("signal").get_to(o.signal);
    o.standard_output = from_hex(j.at("stdout").get<std::string>());
    for (const Json& p : j.at("probes")) {
        RunOutcome::Probe& probe = o.probes.emplace_back();
        p.at("counts").get_to(probe.counts);
        p.at("errno").get_to(probe.error_number);
    }
    j.at("counters").get_to(o.counters);
    return f;
}

} // namespace

Finding* SearchResult::find(std::uint64_t fingerprint) {
    const auto is = [&](const Finding& f) { return f.fingerprint == fingerprint; };
    const auto found = std::find_if(findings.begin(), findings.end(), is);
    return found == findings.end() ? nullptr : &*found;
}

void SearchResult::join(const SearchResult& next) {
    counts.complete += next.counts.complete;
    counts.blocked += next.counts.blocked;
    counts.cut += next.counts.cut;
    counts.beyond_bound |= next.counts.beyond_bound;
    longest = std::max(longest, next.longest);
    tasks = std::max(tasks, next.tasks);
    assumed_length = std::max(assumed_length, next.assumed_length);
    for (std::size_t i = 0; i < points.size(); ++i) points[i] += next.points[i];
    for (const Finding& f : next.findings)
        if (Finding* known = find(f.fingerprint); known != nullptr) known->runs += f.runs;
    for (Finding& f : take_witnesses(next)) findings.push_back(std::move(f));
}

std::vector<Finding> SearchResult::take_witnesses(const SearchResult& other) {
    std::vector<Finding> unknown;
    for (const Finding& f : other.findings) {
        Finding* known = find(f.fingerprint);
        if (known == nullptr) {
            unknown.push_back(f);
        } else if (f.simpler(known->outcome.preemptions, known->switches)) {
            known->outcome = f.outcome;
            known->token = f.token;
            known->switches = f.switches;
        }
    }
    return unknown;
}

std::string to_json(const SearchResult& r) {
    Json findings = Json::array();
    for (const Finding& f : r.findings) findings.push_back(finding_json(f));
    return Json{{"complete", r.counts.complete},
                {"blocked", r.counts.blocked},
                {"cut", r.counts.cut},
                {"exhausted", r.counts.exhausted},
                {"beyond_bound", r.counts.beyond_bound},
                {"longest", r.longest},
                {"tasks", r.tasks},
                {"assumed_length", r.assumed_length},
                {"points", r.points},
                {"findings", findings}}
        .dump();
}

std::optional<SearchResult> search_result(std::string_view text) {
    try {
        const Json j = Json::parse(text);
        SearchResult r;
        j.at("complete").get_to(r.counts.complete);
        j.at("blocked").get_to(r.counts.blocked);
        j.at("cut").get_to(r.counts.cut);
        j.at("exhausted").get_to(r.counts.exhausted);
        j.at("beyond_bound").get_to(r.counts.beyond_bound);
        j.at("longest").get_to(r.longest);
        j.at("tasks").get_to(r.tasks);
        j.at("assumed_length").get_to(r.assumed_length);
        j.at("points").get_to(r.points);
        for (const Json& f : j.at("findings")) r.findings.push_back(read_finding(f));
        return r;
    } catch (const std::exception&) { // of the JSON library, or a number that is none
        return std::nullopt;
    }
}

} // namespace trapline
