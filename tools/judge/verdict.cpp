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

} // namespace

bool Verdict::agrees() const {
    return exit_agrees && stdout_agrees && stderr_agrees &&
           std::all_of(probes.begin(), probes.end(), [](const ProbeVerdict& p) { return p.agree; });
}

Verdict compare(const RunRequest& request, const RunReport& emulated, const LiveReport& live) {
    Verdict v;
    v.kernel = live.kernel;
    v.dialect = request.kernel;
    v.strategy = request.strategy;
    v.program = emulated.program;
    for (std::size_t i = 0; i < emulated.probes.size(); ++i) {
        const ProbeReport& e = emulated.probes[i];
        const LiveCount& l = live.probes[i];
        ProbeVerdict p{e.spec, l.hits, e.truth.hits, l.error, e.error_number, false};
        // A probe whose file the program never mapped is refused by nobody; only the judge mapped it.
        const bool same_error = e.state == ProbeReport::State::pending || p.live_errno == p.emulated_errno;
        p.agree = same_error && p.live_hits == p.emulated_hits;
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
    std::string out = fmt::format("Linux {}, and {} with {}:\n{}", v.kernel, v.dialect, v.strategy, table.text());
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
    for (const ProbeVerdict& p : v.probes)
        document["probes"].push_back({{"spec", p.spec},
                                      {"live_hits", p.live_hits},
                                      {"emulated_hits", p.emulated_hits},
                                      {"live_errno", p.live_errno},
                                      {"emulated_errno", p.emulated_errno},
                                      {"agree", p.agree}});
    document["live_exit"] = v.live_exit;
    document["emulated_exit"] = v.emulated_exit;
    document["exit_agrees"] = v.exit_agrees;
    document["stdout_agrees"] = v.stdout_agrees;
    document["stderr_agrees"] = v.stderr_agrees;
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace trapline::judge
