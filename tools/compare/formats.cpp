#include "tools/compare/formats.hpp"

#include "tools/report/page.hpp"
#include "tools/table.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace trapline {
namespace {

constexpr const char* kLegend = "* the best of its column\n";

std::string cell_text(const CompareGrid& grid, std::size_t row, std::size_t column) {
    return grid.cells[row][column].text;
}

bool any_best(const CompareGrid& grid, std::size_t column) {
    return std::any_of(grid.best.begin(), grid.best.end(), [&](const auto& row) { return row[column]; });
}

/// A cell with its star; where a column has one, the others leave room for it.
std::string starred(const CompareGrid& grid, std::size_t row, std::size_t column) {
    return cell_text(grid, row, column) + (grid.best[row][column] ? "*" : any_best(grid, column) ? " " : "");
}

std::vector<std::size_t> widths_of(const CompareGrid& grid) {
    std::vector<std::size_t> widths;
    for (std::size_t c = 0; c < grid.columns.size(); ++c) {
        std::size_t width = grid.columns[c].title.size();
        for (std::size_t r = 0; r < grid.cells.size(); ++r) width = std::max(width, starred(grid, r, c).size());
        widths.push_back(width + 2); // the gap
    }
    return widths;
}

/// Where a new table begins when none may be wider than `limit`.
std::vector<std::size_t> breaks(const std::vector<std::size_t>& widths, std::size_t first, std::size_t limit) {
    std::vector<std::size_t> starts;
    std::size_t used = limit + 1;
    for (std::size_t c = 0; c < widths.size(); ++c) {
        if (used + widths[c] > limit) {
            starts.push_back(c);
            used = first;
        }
        used += widths[c];
    }
    return starts;
}

/// As few tables as possible, and those about equally wide.
std::vector<std::size_t> balanced(const std::vector<std::size_t>& widths, std::size_t first) {
    const std::size_t tables = breaks(widths, first, Table::kWidth).size();
    std::size_t limit = Table::kWidth;
    while (limit > first && breaks(widths, first, limit - 1).size() == tables) --limit;
    return breaks(widths, first, limit);
}

std::string notes_of(const std::vector<CompareRow>& rows) {
    std::string notes;
    for (const CompareRow& row : rows)
        for (const std::string& note : row.notes) {
            std::string indent;
            for (const std::string& part : wrap(printable(row.strategy + ": " + note), Table::kWidth - 2)) {
                notes += indent + part + "\n";
                indent = "  ";
            }
        }
    return notes;
}

std::string markdown_cell(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        if (std::string_view("|*_`<\\[").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

constexpr std::string_view kStyle = R"(
:root { --paper: #fff; --ink: #1a1c1f; --soft: #5b626b; --line: #d4d8dd; --bar: #b9d3e6; --best: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e8eaed; --soft: #a3abb5; --line: #3a4048; --bar: #274a63; --best: #56b4e9; }
}
body { margin: 0 auto; max-width: 90rem; padding: 1rem; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.3rem; margin: 0; }
p { color: var(--soft); margin: 0.2rem 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; min-width: 5rem; }
.best { font-weight: 700; color: var(--best); }
.bar { display: block; height: 5px; background: var(--bar); margin: 2px 0 0 auto; print-color-adjust: exact; }
pre { border: 1px solid var(--line); padding: 0.6rem; overflow-x: auto; font-size: 13px; }
)";

} // namespace

std::string compare_text(const CompareTitle& title, const std::vector<CompareRow>& rows, const CompareGrid& grid) {
    std::string out =
        fmt::format("{}{}{}, {}:\n", printable(title.what), title.what.empty() ? "" : ", ", title.machine, title.runs);
    std::size_t first = std::string_view("strategy").size();
    for (const std::string& name : grid.strategies) first = std::max(first, name.size());
    const std::vector<std::size_t> starts = balanced(widths_of(grid), first);
    bool stars = false;
    for (std::size_t t = 0; t < starts.size(); ++t) {
        const std::size_t end = t + 1 < starts.size() ? starts[t + 1] : grid.columns.size();
        std::vector<Table::Column> columns = {{"strategy", Table::Kind::text}};
        for (std::size_t c = starts[t]; c < end; ++c) {
            const bool number = grid.columns[c].is_number();
            columns.push_back({grid.columns[c].title + (number && any_best(grid, c) ? " " : ""),
                               number ? Table::Kind::number : Table::Kind::text});
            stars = stars || any_best(grid, c);
        }
        Table table(std::move(columns));
        for (std::size_t r = 0; r < rows.size(); ++r) {
            std::vector<std::string> cells = {grid.strategies[r]};
            for (std::size_t c = starts[t]; c < end; ++c) cells.push_back(starred(grid, r, c));
            table.add(std::move(cells));
        }
        out += (t > 0 ? "\n" : "") + table.text();
    }
    return out + (stars ? kLegend : "") + notes_of(rows);
}

std::string compare_markdown(const CompareTitle& title, const std::vector<CompareRow>& rows, const CompareGrid& grid) {
    std::string out =
        fmt::format("**{}**, {}, {}\n\n| strategy |", markdown_cell(title.what), title.machine, title.runs);
    std::string rule = "|---|";
    for (const CompareColumn& column : grid.columns) {
        out += " " + markdown_cell(column.title) + " |";
        rule += column.is_number() ? "---:|" : "---|";
    }
    out += "\n" + rule + "\n";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        out += "| " + markdown_cell(grid.strategies[r]) + " |";
        for (std::size_t c = 0; c < grid.columns.size(); ++c) {
            const std::string text = markdown_cell(cell_text(grid, r, c));
            out += grid.best[r][c] ? " **" + text + "** |" : " " + text + " |";
        }
        out += "\n";
    }
    bool first = true;
    for (const CompareRow& row : rows)
        for (const std::string& note : row.notes) {
            out += fmt::format("{}- {}: {}\n", first ? "\n" : "", markdown_cell(row.strategy), markdown_cell(note));
            first = false;
        }
    return out;
}

std::string compare_csv(const CompareGrid& grid) {
    std::string out = "strategy";
    for (const CompareColumn& column : grid.columns) out += "," + csv_cell(column.title);
    out += "\n";
    for (std::size_t r = 0; r < grid.cells.size(); ++r) {
        out += csv_cell(grid.strategies[r]);
        for (std::size_t c = 0; c < grid.columns.size(); ++c) out += "," + csv_cell(cell_text(grid, r, c));
        out += "\n";
    }
    return out;
}

std::string compare_html(const CompareTitle& title, const std::vector<CompareRow>& rows, const CompareGrid& grid) {
    using page::escaped;
    std::string out =
        fmt::format("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width\">\n"
                    "<title>{0}: strategies compared</title>\n<style>{1}</style>\n</head>\n<body>\n"
                    "<h1>{0}</h1>\n<p>{2}, {3}. <span class=\"best\">&#9733;</span> marks the best value of "
                    "a column.</p>\n<div class=\"wide\">\n<table>\n<thead><tr><th scope=\"col\">strategy</th>",
                    escaped(title.what), kStyle, escaped(title.machine), escaped(title.runs));
    std::vector<double> most(grid.columns.size(), 0);
    for (std::size_t c = 0; c < grid.columns.size(); ++c) {
        const CompareColumn& column = grid.columns[c];
        out += fmt::format("<th scope=\"col\" class=\"{}\" title=\"{}\">{}</th>",
                           column.is_number() ? "number" : "text", escaped(column.what), escaped(column.title));
        for (const auto& row : grid.cells) most[c] = std::max(most[c], row[c].value.value_or(0));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (std::size_t r = 0; r < rows.size(); ++r) {
        out += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(grid.strategies[r]));
        for (std::size_t c = 0; c < grid.columns.size(); ++c) {
            const CompareCell& cell = grid.cells[r][c];
            const std::string text = escaped(cell.text);
            out += fmt::format("<td class=\"{}\">{}", grid.columns[c].is_number() ? "number" : "text",
                               grid.best[r][c] ? "<span class=\"best\">" + text + " &#9733;</span>" : text);
            if (cell.value && most[c] > 0)
                out += fmt::format("<span class=\"bar\" style=\"width:{:.1f}%\"></span>", 100 * *cell.value / most[c]);
            out += "</td>";
        }
        out += "</tr>\n";
    }
    out += "</tbody>\n</table>\n</div>\n";
    if (const std::string notes = notes_of(rows); !notes.empty())
        out += "<h2>Notes</h2>\n<pre>" + escaped(notes) + "</pre>\n";
    if (!title.scenario.empty()) out += "<h2>Scenario</h2>\n<pre>" + escaped(title.scenario) + "</pre>\n";
    return out + "<p>trapline " TRAPLINE_VERSION
                 ". Cycles and nanoseconds are predictions of a cost profile.</p>\n</body>\n</html>\n";
}

} // namespace trapline
