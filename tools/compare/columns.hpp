// tools/compare/columns.hpp: the columns that a comparison can have, and which value in each is the best.
//
// Text, Markdown, CSV and HTML all print the same cells. A column is a line in columns.cpp. Read next: formats.hpp.
#pragma once

#include "emu/result.hpp"
#include "tools/compare/row.hpp"

#include <functional>
#include <string>
#include <vector>

namespace trapline {

struct CompareCell {
    std::string text = "-";
    std::optional<double> value; ///< what it is compared by; nothing: it takes no part
};

struct CompareColumn {
    enum class Better : std::uint8_t { neither, less, more };
    std::string key;   ///< as --columns has it
    std::string title; ///< short
    std::string what;  ///< a sentence
    Better better = Better::neither;
    std::function<CompareCell(const CompareRow&)> cell;
    [[nodiscard]] bool is_number() const { return key != "verdict" && key != "noticed" && key != "token"; }
};

/// Every column there is; `time` is one for each of the cost profiles.
[[nodiscard]] std::vector<CompareColumn> compare_columns(const std::vector<std::string>& profiles);

/// Those that `names` has, separated by commas, in that order; "all" is all, empty are the usual ones.
[[nodiscard]] Result<std::vector<CompareColumn>> choose_columns(const std::vector<std::string>& profiles,
                                                                const std::string& names);

/// Rows, columns, cells, and which are the best of their column.
struct CompareGrid {
    std::vector<CompareColumn> columns;
    std::vector<std::string> strategies;
    std::vector<std::vector<CompareCell>> cells; ///< by row
    std::vector<std::vector<bool>> best;
};
[[nodiscard]] CompareGrid compare_grid(const std::vector<CompareRow>& rows, std::vector<CompareColumn> columns);

/// Best first; rows without a value come last.
void sort_rows(std::vector<CompareRow>& rows, const CompareColumn& column);

} // namespace trapline
