#include "tools/report/page.hpp"

#include <span>
#include <utility>
#include <vector>

namespace trapline::page {
namespace {

using Mark = std::pair<std::string_view, std::string_view>;

/// The template with each mark replaced wherever it stands; what is put in is not looked at again.
std::string filled(std::string_view text, std::span<const Mark> marks) {
    std::string out;
    while (!text.empty()) {
        std::size_t at = text.size();
        const Mark* found = nullptr;
        for (const Mark& mark : marks)
            if (const std::size_t i = text.find(mark.first); i < at) at = i, found = &mark;
        out += text.substr(0, at);
        if (found == nullptr) break;
        out += found->second;
        text.remove_prefix(at + found->first.size());
    }
    return out;
}

} // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string report(std::string_view title, std::string_view json) {
    const std::string safe_title = escaped(title);
    std::string data;
    for (char c : json) // in JSON it can only stand inside a string
        if (c == '<')
            data += "\\u003c";
        else
            data += c;
    const Mark marks[] = {{"<!--TITLE-->", safe_title},
                          {"<!--MAKER-->", "trapline " TRAPLINE_VERSION},
                          {"/*STYLE*/", report_css},
                          {"/*SCRIPT*/", report_js},
                          {"/*DATA*/", data}};
    return filled(report_html, marks);
}

} // namespace trapline::page
