#include "tools/judge/verdict.hpp"

#include "scenarios/text.hpp"
#include "tools/table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline::judge {
namespace {

std::string hits(std::uint64_t n, int error) { return error != 0 ? fmt::format("errno {}", error) : std::to_string(n); }

/// The place where two outputs part.
std::string difference(const char* stream, const std::string& live, const std::string& emulated) {
    const auto [a, b] = std::mismatch(live.begin(), live.end(), emulated.begin(), emulated.end());
    const auto at = static_cast<std::size_t>(a - live.begin());
    const std::size_t line_start = live.rfind('\n', at == 0 ? 0 : at - 1);
    const std::size_t from = at == 0 || line_start == std::string::npos ? 0 : line_start + 1;
    const auto line = [&](const std::string& text) {
        return from >= text.size() ? std::string("(ends)")
                                   : text::quoted(text.substr(from, text.find('\n', from) - from));
    };
    return fmt::format("{} differs from byte {}: live {}, emulated {}", stream, at, line(live), line(emulated));
}

/// What a probe fetched, hit by hit; where more than one thread hits it, their order is nobody's promise.
std::string fetched_difference(std::vector<std::string> live, const std::vector<Fetched>& emulated) {
    std::vector<std::string> ours;
    bool one_thread = true;
    for (const Fetched& f : emulated) {
        ours.push_back(f.values);
        one_thread = one_thread && f.task == emulated.front().task;
    }
    if (!one_thread) {
        std::sort(live.begin(), live.end());
        std::sort(ours.begin(), ours.end());
    }
    const auto [a, b] = std::mismatch(live.begin(), live.end(), ours.begin(), ours.end());
    if (a == live.end() && b == ours.end()) return {};
    const auto value = [](auto at, auto end) { return at == end ? std::string("none") : text::quoted(*at); };
    return fmt::format("hit {}{}: live {}, emulated {}", a - live.begin() + 1, one_thread ? "" : " in order of values",
                       value(a, live.end()), value(b, ours.end()));
}

} // namespace

bool Verdict::incomplete() const {
    return std::any_of(probes.begin(), probes.end(), [](const ProbeVerdict& p) { return p.lost > 0; });
}

bool Verdict::agrees() const {
    return exit_agrees && stdout_agrees && stderr_agrees &&
           std::all_of(probes.begin(), probes.end(), [](const ProbeVerdict& p) { return p.agree; });
}

Verdict compare(const RunRequest& request, const RunReport& emulated, const LiveReport& live, bool fetched) {
    Verdict v;
    v.kernel = live.kernel;
    v.dialect = request.kernel;
    v.strategy = request.strategy;
    v.program = emulated.program;
    for (std::size_t i = 0; i < emulated.probes.size(); ++i) {
        const ProbeReport& e = emulated.probes[i];
        const LiveCount& l = live.probes[i];
        ProbeVerdict p;
        p.spec = e.spec;
        p.live_hits = l.hits;
        p.emulated_hits = e.truth.hits;
        p.live_errno = l.error;
        p.emulated_errno = e.error_number;
        // A probe whose file the program never mapped is refused by nobody; only the judge mapped it.
        const bool same_error = e.state == ProbeReport::State::pending || p.live_errno == p.emulated_errno;
        p.fetched = fetched && !request.probes[i].spec.args.empty();
        if (p.fetched) {
            p.lost = l.lost;
            if (l.lost == 0) p.difference = fetched_difference(l.fetched, e.fetched);
        }
        p.agree = same_error && p.live_hits == p.emulated_hits && p.difference.empty();
        v.probes.push_back(std::move(p));
    }
    v.live_exit = live.signal != 0 ? 128 + live.signal : live.exit_code;
    v.emulated_exit = emulated.signal != 0 ? 128 + emulated.signal : emulated.exit_code;
    v.exit_agrees = live.signal == emulated.signal && live.exit_code == emulated.exit_code;
    v.stdout_agrees = live.standard_output == emulated.standard_output;
    v.stderr_agrees = live.standard_error == emulated.standard_error;
    v.live_stdout = live.standard_output;
    v.emulated_stdout = emulated.standard_output;
    v.live_stderr = live.standard_error;
    v.emulated_stderr = emulated.standard_error;
    return v;
}

std::string verdict_table(const Verdict& v) {
    Table table({{"probe", Table::Kind::shortened},
                 {"live", Table::Kind::number},
                 {"emulated", Table::Kind::number},
                 {"", Table::Kind::text}});
    for (const ProbeVerdict& p : v.probes)
        table.add({p.spec, hits(p.live_hits, p.live_errno), hits(p.emulated_hits, p.emulated_errno),
                   p.agree ? "" : "differ"});
    table.add(
        {"exit status", std::to_string(v.live_exit), std::to_string(v.emulated_exit), v.exit_agrees ? "" : "differ"});
    std::string notes;
    for (const ProbeVerdict& p : v.probes) {
        if (!p.difference.empty()) notes += printable(fmt::format("{}, {}", p.spec, p.difference)) + "\n";
        if (p.lost > 0)
            notes += fmt::format("{}: the live kernel had no room for the values of {} hits\n", p.spec, p.lost);
    }
    std::string out =
        fmt::format("Linux {}, and {} with {}:\n{}", v.kernel, v.dialect, v.strategy, table.text()) + notes;
    if (!v.stdout_agrees) out += printable(difference("standard output", v.live_stdout, v.emulated_stdout)) + "\n";
    if (!v.stderr_agrees) out += printable(difference("standard error", v.live_stderr, v.emulated_stderr)) + "\n";
    return out + (v.agrees() ? "The live kernel agrees.\n" : "The live kernel does not agree.\n");
}

std::string verdict_json(const Verdict& v) {
    using Json = nlohmann::ordered_json;
    Json document = {{"schema", 1},
                     {"command", "judge"},
                     {"kernel", v.kernel},
                     {"dialect", v.dialect},
                     {"strategy", v.strategy},
                     {"program", v.program},
                     {"probes", Json::array()}};
    for (const ProbeVerdict& p : v.probes) {
        Json& probe = document["probes"].emplace_back(Json{{"spec", p.spec},
                                                           {"live_hits", p.live_hits},
                                                           {"emulated_hits", p.emulated_hits},
                                                           {"live_errno", p.live_errno},
                                                           {"emulated_errno", p.emulated_errno},
                                                           {"agree", p.agree}});
        if (!p.fetched) continue;
        probe["values_agree"] = p.difference.empty() && p.lost == 0;
        probe["values_lost"] = p.lost;
        probe["values_difference"] = p.difference;
    }
    document["live_exit"] = v.live_exit;
    document["emulated_exit"] = v.emulated_exit;
    document["exit_agrees"] = v.exit_agrees;
    document["stdout_agrees"] = v.stdout_agrees;
    document["stderr_agrees"] = v.stderr_agrees;
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace trapline::judge
