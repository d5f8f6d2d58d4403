// tools/report/page.hpp: one HTML file that needs nothing else.
//
// The template, the style and the script are files of their own here, put into the command when it is built (embed.py).
// A page is the template with its marks replaced. Data goes in as JSON inside a script element, so every '<' in it is
// written as an escape: nothing that a guest printed can end the element.
#pragma once

#include <string>
#include <string_view>

namespace trapline::page {

extern const std::string_view report_html, report_css, report_js;

/// A report with this title and these data (JSON).
[[nodiscard]] std::string report(std::string_view title, std::string_view json);

/// `text` as it stands in HTML, in an attribute, too.
[[nodiscard]] std::string escaped(std::string_view text);

} // namespace trapline::page
