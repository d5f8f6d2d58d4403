#include "scenarios/results.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "scenarios/text.hpp"

namespace trapline {

using namespace text;

namespace {

constexpr std::size_t kColumns = 100;

bool is_fine(const ResultRow& row) { return row.status == Status::holds || row.status == Status::skipped; }

std::string title(const ResultRow& row) {
    return row.strategy.empty() ? row.scenario : fmt::format("{}: {}", row.scenario, row.strategy);
}

/// Any text on one line: line ends and other control characters become blanks.
std::string one_line(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
    return out;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// How many bytes fill at most `columns` columns, a character of UTF-8 being one.
std::size_t bytes_in(std::string_view text, std::size_t columns) {
    std::size_t at = 0;
    while (at < text.size()) {
        if (!is_continuation(text[at]) && columns-- == 0) break;
        ++at;
    }
    return at;
}

/// One word for a POSIX shell. Tokens hold '>' and '*', so a line to copy would otherwise overwrite files.
std::string shell_word(std::string_view word) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
    std::string out = "'";
    for (const char c : word) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

/// The length in bytes of the well-formed UTF-8 character that `s` begins with, 0 for none (RFC 3629: shortest form
/// only, no surrogates, nothing past U+10FFFF).
std::size_t utf8_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if (!is_continuation(s[i])) return 0;
    }
    const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
    const bool outside = (lead == 0xed && byte(1) >= 0xa0) || (lead == 0xf4 && byte(1) >= 0x90);
    return overlong || outside ? 0 : length;
}

} // namespace

// Broken at blanks where it would be too wide, and within words that never end.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string out;
    while (!text.empty()) {
        std::size_t length = bytes_in(text, kColumns - indent);
        if (length < text.size()) {
            const std::size_t blank = text.rfind(' ', length);
            if (blank != std::string_view::npos && blank > 0) length = blank;
        }
        out += std::string(indent, ' ') + std::string(text.substr(0, length)) + "\n";
        text = trim(text.substr(length));
    }
    return out;
}

std::string replay_line(std::string_view file, std::string_view token, std::string_view between) {
    return fmt::format("trapline replay {}{}--token {}", shell_word(one_line(file)), between, shell_word(token));
}

std::string replay_text(std::string_view file, std::string_view token) {
    const std::string line = replay_line(file, token);
    return "  " + (line.size() + 2 <= kColumns ? line : replay_line(file, token, " \\\n      ")) + "\n";
}

std::string results_text(const std::vector<ResultRow>& rows) {
    std::string out;
    for (const ResultRow& row : rows) {
        const std::string head = one_line(fmt::format("{:<12} {}", to_string(row.status), title(row)));
        const std::string detail = one_line(row.detail);
        const std::string both = fmt::format("{}: {}", head, detail);
        if (detail.empty())
            out += wrapped(head, 0);
        else if (bytes_in(both, kColumns) == both.size())
            out += both + "\n";
        else
            out += wrapped(head, 0) + wrapped(detail, 13);
        if (!is_fine(row) && !row.token.empty()) out += replay_text(row.file, row.token);
    }
    return out;
}

std::string results_json(const std::vector<ResultRow>& rows) {
    nlohmann::ordered_json document = {
        {"schema", 1}, {"command", "replay"}, {"results", nlohmann::ordered_json::array()}};
    for (const ResultRow& row : rows)
        document["results"].push_back({{"scenario", row.scenario},
                                       {"strategy", row.strategy},
                                       {"status", to_string(row.status)},
                                       {"detail", row.detail},
                                       {"token", row.token},
                                       {"file", row.file},
                                       {"line", row.line}});
    return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string xml_escape(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
        const char c = bytes.front();
        const auto code = static_cast<unsigned char>(c);
        std::size_t length = utf8_length(bytes);
        // XML 1.0 has no U+FFFE and U+FFFF and no control characters but these; line ends would not survive attributes.
        const bool excluded = length == 3 && (bytes.starts_with("\xef\xbf\xbe") || bytes.starts_with("\xef\xbf\xbf"));
        if (length == 0 || excluded || (code < ' ' && c != '\t' && c != '\n' && c != '\r') || code == 0x7f) {
            out += fmt::format("\\x{:02x}", code);
            length = 1;
        } else if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else if (c == '\'')
            out += "&apos;";
        else if (code < ' ')
            out += fmt::format("&#{};", code);
        else
            out += bytes.substr(0, length);
        bytes.remove_prefix(length);
    }
    return out;
}

std::string results_junit(const std::vector<ResultRow>& rows) {
    const auto count = [](auto begin, auto end, auto counts) { return std::count_if(begin, end, counts); };
    const auto failed = [](const ResultRow& row) { return row.status == Status::violated; };
    const auto skipped = [](const ResultRow& row) { return row.status == Status::skipped; };
    const auto broken = [&](const ResultRow& row) { return !is_fine(row) && !failed(row); };
    const auto totals = [&](auto begin, auto end) {
        return fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"", end - begin,
                           count(begin, end, failed), count(begin, end, broken), count(begin, end, skipped));
    };
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    out += fmt::format("<testsuites name=\"trapline\" {}>\n", totals(rows.begin(), rows.end()));
    for (auto begin = rows.begin(); begin != rows.end();) {
        const auto end = std::find_if(begin, rows.end(), [&](const ResultRow& row) {
            return row.scenario != begin->scenario || row.file != begin->file;
        });
        out += fmt::format("  <testsuite name=\"{}\" {}>\n", xml_escape(begin->scenario), totals(begin, end));
        for (auto row = begin; row != end; ++row) {
            out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
                               xml_escape(row->scenario), xml_escape(row->strategy), xml_escape(row->file), row->line);
            if (row->status == Status::holds) {
                out += "/>\n";
                continue;
            }
            const std::string_view element = skipped(*row) ? "skipped" : failed(*row) ? "failure" : "error";
            const std::string type =
                skipped(*row) ? std::string() : fmt::format(" type=\"{}\"", to_string(row->status));
            out += fmt::format(">\n      <{0}{1} message=\"{2}\">{3}</{0}>\n    </testcase>\n", element, type,
                               xml_escape(row->detail),
                               row->token.empty() ? std::string() : xml_escape(replay_line(row->file, row->token)));
        }
        out += "  </testsuite>\n";
        begin = end;
    }
    return out + "</testsuites>\n";
}

std::string results_tap(const std::vector<ResultRow>& rows) {
    // '#' begins a directive, for Meson 1.0 even behind a '\\', so a name cannot be allowed to have one.
    const auto description = [](std::string_view text) {
        std::string out = one_line(text);
        std::replace(out.begin(), out.end(), '#', '_');
        return out;
    };
    // YAML's double-quoted style is JSON's string, so the JSON library writes it.
    const auto yaml = [](std::string_view text) {
        return nlohmann::json(std::string(text)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    };
    std::string out = fmt::format("TAP version 13\n1..{}\n", rows.size());
    std::size_t number = 0;
    for (const ResultRow& row : rows) {
        out += fmt::format("{} {} - {}", is_fine(row) ? "ok" : "not ok", ++number, description(title(row)));
        if (row.status == Status::skipped) out += " # SKIP " + one_line(row.detail);
        out += '\n';
        if (is_fine(row)) continue;
        out += fmt::format("  ---\n  status: {}\n  detail: {}\n", to_string(row.status), yaml(row.detail));
        if (!row.file.empty()) out += fmt::format("  at: {}\n", yaml(fmt::format("{}:{}", row.file, row.line)));
        if (!row.token.empty()) out += fmt::format("  replay: {}\n", yaml(replay_line(row.file, row.token)));
        out += "  ...\n";
    }
    return out;
}

std::string github_escape(std::string_view text, bool property) {
    std::string out;
    for (const char c : text) {
        const bool escaped = c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','));
        if (escaped)
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

std::string results_github(const std::vector<ResultRow>& rows) {
    constexpr std::size_t kShown = 9; // the tenth says how many more there are
    std::string out;
    std::size_t shown = 0, left = 0;
    for (const ResultRow& row : rows) {
        if (is_fine(row)) continue;
        if (shown == kShown) {
            ++left;
            continue;
        }
        ++shown;
        std::string message = row.detail;
        if (!row.token.empty()) message += "\n" + replay_line(row.file, row.token);
        out +=
            fmt::format("::error file={},line={},title={}::{}\n", github_escape(row.file, true), std::max(1, row.line),
                        github_escape(fmt::format("{} ({})", title(row), to_string(row.status)), true),
                        github_escape(message, false));
    }
    if (left > 0) out += fmt::format("::error title=trapline::and {} more: see the log of this step\n", left);
    return out;
}

} // namespace trapline
