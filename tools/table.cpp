#include "tools/table.hpp"

#include "emu/check.hpp"

#include <algorithm>

namespace trapline {
namespace {

constexpr std::string_view kGap = "  ";
constexpr std::size_t kNarrowest = 12; // what a column that gives way keeps in any case

std::string shortened(const std::string& cell, std::size_t width) {
    if (cell.size() <= width) return cell;
    return "..." + cell.substr(cell.size() - (width - 3));
}

} // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    add(std::move(titles));
}

void Table::add(std::vector<std::string> cells) {
    TL_CHECK(cells.size() == columns_.size(), "a row of {} cells in a table of {} columns", cells.size(),
             columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(columns_.size(), 0);
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::size_t total = kGap.size() * (columns_.size() - 1);
    for (const std::size_t width : widths) total += width;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const bool gives_way = columns_[i].kind == Kind::shortened || columns_[i].kind == Kind::wrapped;
        if (!gives_way || total <= kWidth) continue;
        const std::size_t kept = std::max(kNarrowest, widths[i] - std::min(widths[i], total - kWidth));
        total -= widths[i] - std::min(kept, widths[i]);
        widths[i] = std::min(kept, widths[i]);
    }
    std::string out;
    for (const auto& row : rows_) {
        std::string line;
        const auto end_line = [&] {
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
            line.clear();
        };
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i > 0) line += kGap;
            const std::size_t indent = line.size();
            const std::string cell = columns_[i].kind == Kind::shortened ? shortened(row[i], widths[i]) : row[i];
            const std::string padding(widths[i] - std::min(widths[i], cell.size()), ' ');
            if (columns_[i].kind == Kind::number) {
                line += padding + cell;
            } else if (columns_[i].kind == Kind::wrapped) {
                const std::vector<std::string> parts = wrap(cell, widths[i]);
                line += parts.front();
                for (std::size_t part = 1; part < parts.size(); ++part) {
                    end_line();
                    line = std::string(indent, ' ') + parts[part];
                }
            } else {
                line += cell + padding;
            }
        }
        end_line();
    }
    return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    std::vector<std::string> lines;
    while (text.size() > width) {
        std::size_t length = text.rfind(' ', width);
        if (length == std::string_view::npos || length == 0) length = width;
        lines.emplace_back(text.substr(0, length));
        text.remove_prefix(length);
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    }
    if (!text.empty() || lines.empty()) lines.emplace_back(text);
    return lines;
}

std::string printable(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
}

} // namespace trapline
