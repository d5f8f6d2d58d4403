// tools/table.hpp: tables of text, at most 100 columns wide.
//
// Cells hold what users and guests called things, so everything that is not printable ASCII is shown as '?'; what is
// exact is in the JSON. One column may give way when the table is too wide: it keeps its end (of a path with a symbol
// that is the part that tells), or goes on in further lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trapline {

class Table {
  public:
    enum class Kind {
        text,      ///< to the left, as wide as its widest cell
        number,    ///< to the right
        shortened, ///< text that loses its beginning when the table is too wide
        wrapped,   ///< text in several lines; only as the last column
    };
    struct Column {
        std::string title;
        Kind kind = Kind::text;
    };

    explicit Table(std::vector<Column> columns);
    /// A row with one cell for each column.
    void add(std::vector<std::string> cells);
    /// The titles and the rows, each line ended.
    [[nodiscard]] std::string text() const;

    static constexpr std::size_t kWidth = 100;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// `text` in lines of at most `width` columns, broken at blanks where there are any; never empty.
[[nodiscard]] std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// `text` with '?' for every byte that is not printable ASCII.
[[nodiscard]] std::string printable(std::string_view text);

} // namespace trapline
