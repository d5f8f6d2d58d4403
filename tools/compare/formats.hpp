// tools/compare/formats.hpp: a comparison as text, Markdown, CSV and a web page.
//
// Text is at most 100 columns wide: what does not fit side by side comes in further tables with the same rows. The best
// value of a column has a star, in Markdown bold type. JSON is in json_out.hpp. The page is one file without scripts,
// with a bar behind every number.
#pragma once

#include "tools/compare/columns.hpp"

#include <string>
#include <string_view>

namespace trapline {

struct CompareTitle {
    std::string what;     ///< the scenario, or the program with its arguments
    std::string machine;  ///< "linux-6.18 on 2 CPUs"
    std::string runs;     ///< "one schedule"
    std::string scenario; ///< the file's text; empty: none
};

[[nodiscard]] std::string compare_text(const CompareTitle& title, const std::vector<CompareRow>& rows,
                                       const CompareGrid& grid);
[[nodiscard]] std::string compare_markdown(const CompareTitle& title, const std::vector<CompareRow>& rows,
                                           const CompareGrid& grid);
[[nodiscard]] std::string compare_csv(const CompareGrid& grid);
[[nodiscard]] std::string compare_html(const CompareTitle& title, const std::vector<CompareRow>& rows,
                                       const CompareGrid& grid);

} // namespace trapline
