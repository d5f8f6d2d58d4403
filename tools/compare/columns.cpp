#include "tools/compare/columns.hpp"

#include "scenarios/text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace trapline {
namespace {

using Better = CompareColumn::Better;

std::string whole(double value) { return fmt::format("{:.0f}", value); }

CompareCell cell_of(const Spread& s) {
    if (s.runs == 0) return {};
    if (s.varies() && whole(s.least) != whole(s.most)) return {whole(s.least) + ".." + whole(s.most), s.mean()};
    // Compared as printed: two that look the same are equally good.
    return {whole(s.mean()), std::round(s.mean())};
}

CompareColumn count(std::string key, std::string title, Count c, Better better, std::string what) {
    return {std::move(key), std::move(title), std::move(what), better,
            [c](const CompareRow& row) { return cell_of(row[c]); }};
}

CompareColumn words(std::string key, std::string what, std::function<std::string(const CompareRow&)> of) {
    std::string title = key;
    return {std::move(key), std::move(title), std::move(what), Better::neither,
            [of = std::move(of)](const CompareRow& row) {
                return CompareCell{of(row), std::nullopt};
            }};
}

} // namespace

std::vector<CompareColumn> compare_columns(const std::vector<std::string>& profiles) {
    std::vector<CompareColumn> all = {
        count("executions", "executions", Count::executions, Better::neither, "how often the instruction completed"),
        count("hits", "hits", Count::hits, Better::neither, "handler runs"),
        count("missed", "missed", Count::missed, Better::less, "executions that no handler run preceded"),
        count("repeated", "repeated", Count::repeated, Better::less, "handler runs beyond the first of an execution"),
        words("verdict", "what the runs come to", [](const CompareRow& row) { return row.verdict; }),
        {"traps", "traps/hit", "breakpoint and step traps of the run for each hit", Better::less,
         [](const CompareRow& row) { return cell_of(row.traps_per_hit); }},
        {"cycles", "cycles/hit", "virtual cycles from trap to resumption for each hit", Better::less,
         [](const CompareRow& row) { return cell_of(row.cycles_per_hit); }}};
    for (const std::string& profile : profiles)
        all.push_back({"time", "ns " + profile, "the same in nanoseconds of this machine", Better::less,
                       [profile](const CompareRow& row) {
                           const auto found = row.nanoseconds_per_hit.find(profile);
                           return found == row.nanoseconds_per_hit.end() ? CompareCell{} : cell_of(found->second);
                       }});
    const std::vector<CompareColumn> more = {
        count("writes", "writes", Count::text_writes, Better::less, "writes to the program's text"),
        count("pages", "pages", Count::pages, Better::less, "pages of text that were copied"),
        count("vmas", "VMAs", Count::vmas, Better::less, "mappings that the program did not make"),
        count("slots", "slots", Count::slots, Better::less, "the most XOL slots in use at once"),
        count("ipis", "IPIs", Count::ipis, Better::less, "interrupts to other CPUs"),
        count("restarts", "restarts", Count::restarts, Better::less, "traps that had to be taken again"),
        count("fallbacks", "fallbacks", Count::fallbacks, Better::less, "hits that were handed to another strategy"),
        count("instructions", "instructions", Count::instructions, Better::neither, "of the whole run"),
        count("total", "total cycles", Count::total_cycles, Better::less, "virtual cycles of the whole run"),
        {"probeable", "probeable", "share of the program's instructions that can be probed so", Better::more,
         [](const CompareRow& row) {
             if (!row.probeable) return CompareCell{};
             const double percent = std::round(*row.probeable * 10000) / 100;
             return CompareCell{fmt::format("{:.2f}%", percent), percent};
         }},
        words("noticed", "what the program shows that it does not show without probes",
              [](const CompareRow& row) { return row.noticed.empty() ? "-" : row.noticed; }),
        words("token", "replays the first run, or the first with a miss",
              [](const CompareRow& row) { return row.token; }),
    };
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

Result<std::vector<CompareColumn>> choose_columns(const std::vector<std::string>& profiles, const std::string& names) {
    const std::vector<CompareColumn> all = compare_columns(profiles);
    if (names == "all") return all;
    std::vector<std::string> wanted;
    if (names.empty()) {
        wanted = {"executions", "hits", "missed", "repeated", "verdict", "traps"};
        wanted.emplace_back(profiles.size() > 1 ? "time" : "cycles");
        for (const char* name : {"pages", "vmas", "probeable", "noticed"}) wanted.emplace_back(name);
    } else {
        for (const std::string_view name : text::split(names, ',')) wanted.emplace_back(text::trim(name));
    }
    std::vector<CompareColumn> chosen;
    for (const std::string& name : wanted) {
        const std::size_t before = chosen.size();
        for (const CompareColumn& column : all)
            if (column.key == name) chosen.push_back(column);
        if (chosen.size() != before) continue;
        std::vector<std::string> known;
        for (const CompareColumn& column : all) known.push_back(column.key);
        known.erase(std::unique(known.begin(), known.end()), known.end());
        return fail(fmt::format("--columns: there is no column {}", text::quoted(name)), text::suggest(name, known));
    }
    return chosen;
}

CompareGrid compare_grid(const std::vector<CompareRow>& rows, std::vector<CompareColumn> columns) {
    CompareGrid grid;
    grid.columns = std::move(columns);
    for (const CompareRow& row : rows) {
        grid.strategies.push_back(row.strategy);
        auto& cells = grid.cells.emplace_back();
        for (const CompareColumn& column : grid.columns) cells.push_back(column.cell(row));
        grid.best.emplace_back(grid.columns.size(), false);
    }
    for (std::size_t c = 0; c < grid.columns.size(); ++c) {
        if (grid.columns[c].better == Better::neither) continue;
        std::optional<double> best;
        bool differ = false;
        for (std::size_t r = 0; r < rows.size(); ++r) {
            const std::optional<double>& value = grid.cells[r][c].value;
            if (!value || !rows[r].comparable) continue;
            differ = differ || (best && *best != *value);
            if (!best || (grid.columns[c].better == Better::less ? *value < *best : *value > *best)) best = value;
        }
        for (std::size_t r = 0; differ && r < rows.size(); ++r)
            grid.best[r][c] = rows[r].comparable && grid.cells[r][c].value == best;
    }
    return grid;
}

void sort_rows(std::vector<CompareRow>& rows, const CompareColumn& column) {
    std::stable_sort(rows.begin(), rows.end(), [&](const CompareRow& a, const CompareRow& b) {
        const CompareCell x = column.cell(a), y = column.cell(b);
        if (!x.value || !y.value) return x.value.has_value() && !y.value.has_value();
        return column.better == Better::more ? *x.value > *y.value : *x.value < *y.value;
    });
}

} // namespace trapline
