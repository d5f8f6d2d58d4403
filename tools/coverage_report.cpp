#include "tools/coverage_report.hpp"

#include "tools/table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace trapline {
namespace {

using Json = nlohmann::ordered_json;
using Reasons = std::map<Why, std::uint64_t>;

/// What one strategy makes of some counts.
struct Answer {
    std::uint64_t probeable = 0;
    Reasons refused, altered;
};

Answer ask(const StrategyNeeds& strategy, const KernelRules& kernel, const FactsCount& counts) {
    Answer out;
    for (const auto& [facts, count] : counts) {
        if (const Why why = refused(strategy, kernel, facts); why != Why::none) {
            out.refused[why] += count;
            continue;
        }
        out.probeable += count;
        if (const Why why = altered(strategy, kernel, facts); why != Why::none) out.altered[why] += count;
    }
    return out;
}

/// The most frequent first, equals in the order of the reasons.
std::vector<std::pair<Why, std::uint64_t>> sorted(const Reasons& reasons) {
    std::vector<std::pair<Why, std::uint64_t>> out(reasons.begin(), reasons.end());
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return out;
}

std::uint64_t sum(const FactsCount& counts) {
    std::uint64_t out = 0;
    for (const auto& [facts, count] : counts) out += count;
    return out;
}

/// Never 100 or 0 per cent unless it is all or nothing.
std::string percent(std::uint64_t part, std::uint64_t whole) {
    if (whole == 0) return "-";
    const double value = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
    if (part != whole && value > 99.99) return "99.99%";
    if (part != 0 && value < 0.01) return "0.01%";
    return fmt::format("{:.2f}%", value);
}

void add_counts(FactsCount& to, const FactsCount& from) {
    for (const auto& [facts, count] : from) to[facts] += count;
}

Json reasons_json(const Reasons& reasons) {
    Json out = Json::object();
    for (const auto& [why, count] : sorted(reasons)) out[std::string(key(why))] = count;
    return out;
}

} // namespace

std::optional<CoverageBy> coverage_by(std::string_view name) {
    if (name == "mnemonic") return CoverageBy::mnemonic;
    if (name == "reason") return CoverageBy::reason;
    if (name == "function") return CoverageBy::function;
    if (name == "file") return CoverageBy::file;
    return {};
}

CoverageReport::CoverageReport(CoverageRequest request, std::uint64_t skipped)
    : request_(std::move(request)), skipped_(skipped) {}

ScanOptions CoverageReport::scan_options() const {
    ScanOptions out;
    if (request_.by == CoverageBy::mnemonic) out.by = ScanOptions::By::mnemonic;
    if (request_.by == CoverageBy::function) out.by = ScanOptions::By::function;
    if (request_.list)
        out.listed = [this](const Facts& facts) {
            for (const StrategyNeeds* s : request_.strategies) {
                const KernelRules& rules = request_.kernels.front().rules;
                const Why why = refused(*s, rules, facts);
                if (why == *request_.list) return true;
                if (why == Why::none && altered(*s, rules, facts) == *request_.list) return true;
            }
            return false;
        };
    return out;
}

void CoverageReport::add(FileCoverage&& file) {
    total_.instructions += file.instructions;
    total_.undecodable += file.undecodable;
    add_counts(total_.counts, file.counts);
    for (auto& [name, counts] : file.groups) add_counts(total_.groups[name], counts);
    if (request_.by == CoverageBy::file) total_.groups[file.path] = file.counts;
    total_.listing += file.listing;
    file.groups.clear();
    file.listing.clear();
    files_.push_back(std::move(file));
}

std::string CoverageReport::text() const {
    if (request_.list) return total_.listing;
    std::string out = files_.size() == 1 ? files_.front().path : fmt::format("{} files", files_.size());
    out += fmt::format(": {} instructions, {} bytes that are none", total_.instructions, total_.undecodable);
    if (skipped_ != 0) out += fmt::format("; {} other files skipped", skipped_);
    out += "\n";
    if (request_.kernels.size() == 1) out += fmt::format("Under {}:\n", request_.kernels.front().name);
    switch (request_.by) {
    case CoverageBy::nothing:
        return out + overview();
    case CoverageBy::reason:
        return out + by_reason();
    default:
        return out + by_group();
    }
}

std::string CoverageReport::overview() const {
    std::vector<Table::Column> columns = {{"strategy", Table::Kind::text}};
    for (const CoverageKernel& kernel : request_.kernels) columns.push_back({kernel.name, Table::Kind::number});
    // With several kernels the reasons are those of the newest release.
    std::size_t explained = 0;
    for (std::size_t i = 0; i < request_.kernels.size(); ++i)
        if (request_.kernels[i].name == "linux-6.18") explained = i;
    columns.push_back({fmt::format("why not, under {}", request_.kernels[explained].name), Table::Kind::wrapped});
    Table table(std::move(columns));
    for (const StrategyNeeds* strategy : request_.strategies) {
        std::vector<std::string> cells = {std::string(strategy->name)};
        std::string why;
        for (std::size_t i = 0; i < request_.kernels.size(); ++i) {
            const Answer answer = ask(*strategy, request_.kernels[i].rules, total_.counts);
            cells.push_back(percent(answer.probeable, total_.instructions));
            if (i != explained) continue;
            const auto reasons = sorted(answer.refused);
            for (std::size_t n = 0; n < reasons.size() && n < 3; ++n)
                why += fmt::format("{}{} {}", n == 0 ? "" : ", ", key(reasons[n].first),
                                   percent(reasons[n].second, total_.instructions));
            if (reasons.size() > 3) why += ", ...";
        }
        cells.push_back(why.empty() ? "-" : why);
        table.add(std::move(cells));
    }
    return table.text();
}

std::string CoverageReport::by_reason() const {
    Table table({{"strategy", Table::Kind::text},
                 {"", Table::Kind::text},
                 {"reason", Table::Kind::text},
                 {"instructions", Table::Kind::number},
                 {"", Table::Kind::number},
                 {"that is", Table::Kind::wrapped}});
    for (const StrategyNeeds* strategy : request_.strategies) {
        const Answer answer = ask(*strategy, request_.kernels.front().rules, total_.counts);
        const auto rows = [&](std::string_view kind, const Reasons& reasons) {
            for (const auto& [why, count] : sorted(reasons))
                table.add({std::string(strategy->name), std::string(kind), std::string(key(why)), std::to_string(count),
                           percent(count, total_.instructions), std::string(words(why))});
        };
        table.add({std::string(strategy->name), "probed", "", std::to_string(answer.probeable),
                   percent(answer.probeable, total_.instructions), ""});
        rows("altered", answer.altered);
        rows("refused", answer.refused);
    }
    return table.text();
}

std::string CoverageReport::by_group() const {
    std::vector<const StrategyNeeds*> strategies = request_.strategies;
    if (!request_.strategies_given) {
        strategies.clear();
        for (const std::string_view name : {"xol", "emulate", "boosted", "jump", "kernel-exec"})
            strategies.push_back(strategy_needs(name));
    }
    struct Row {
        const std::string* name;
        const FactsCount* counts;
        std::uint64_t instructions;
    };
    std::vector<Row> rows;
    for (const auto& [name, counts] : total_.groups) rows.push_back({&name, &counts, sum(counts)});
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.instructions > b.instructions; });
    const std::size_t shown =
        request_.top == 0 ? rows.size() : std::min<std::size_t>(rows.size(), static_cast<std::size_t>(request_.top));

    // What does not fit beside a name of some length becomes a second table below the first.
    constexpr std::size_t per_table = 5;
    const char* const title = request_.by == CoverageBy::mnemonic ? "mnemonic"
                              : request_.by == CoverageBy::file   ? "file"
                                                                  : "function";
    std::string out;
    for (std::size_t first = 0; first < strategies.size(); first += per_table) {
        const std::size_t end = std::min(strategies.size(), first + per_table);
        std::vector<Table::Column> columns = {{title, Table::Kind::shortened}, {"count", Table::Kind::number}};
        for (std::size_t i = first; i < end; ++i)
            columns.push_back({std::string(strategies[i]->name), Table::Kind::number});
        Table table(std::move(columns));
        for (std::size_t n = 0; n < shown; ++n) {
            std::vector<std::string> cells = {*rows[n].name, std::to_string(rows[n].instructions)};
            for (std::size_t i = first; i < end; ++i) {
                const Answer answer = ask(*strategies[i], request_.kernels.front().rules, *rows[n].counts);
                cells.push_back(percent(answer.probeable, rows[n].instructions));
            }
            table.add(std::move(cells));
        }
        out += (first == 0 ? "" : "\n") + table.text();
    }
    if (shown < rows.size()) out += fmt::format("and {} more; --top 0 shows all\n", rows.size() - shown);
    return out;
}

std::string CoverageReport::json() const {
    const KernelRules& kernel = request_.kernels.front().rules;
    const auto strategies = [&](const FactsCount& counts, bool reasons) {
        Json out = Json::object();
        for (const StrategyNeeds* strategy : request_.strategies) {
            const Answer answer = ask(*strategy, kernel, counts);
            Json& row = out[std::string(strategy->name)] = {{"probeable", answer.probeable}};
            if (!reasons) continue;
            row["refused"] = reasons_json(answer.refused);
            row["altered"] = reasons_json(answer.altered);
        }
        return out;
    };
    const auto file = [&](const FileCoverage& f) {
        return Json{{"instructions", f.instructions},
                    {"undecodable", f.undecodable},
                    {"strategies", strategies(f.counts, true)}};
    };
    Json out = {
        {"schema", 1}, {"command", "coverage"}, {"kernel", request_.kernels.front().name}, {"skipped", skipped_}};
    out["files"] = Json::array();
    for (const FileCoverage& f : files_) {
        Json row = {{"path", f.path}};
        row.update(file(f));
        out["files"].push_back(std::move(row));
    }
    out["total"] = file(total_);
    if (!total_.groups.empty()) {
        out["groups"] = Json::array();
        for (const auto& [name, counts] : total_.groups)
            out["groups"].push_back(
                {{"name", name}, {"instructions", sum(counts)}, {"strategies", strategies(counts, false)}});
    }
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace trapline
