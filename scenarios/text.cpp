#include "scenarios/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>

namespace trapline::text {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// Levenshtein distance over two rows; the names here are a few dozen bytes at most.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

} // namespace

std::string_view trim(std::string_view s) {
    const auto begin = s.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return s.substr(begin, s.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string_view> split_words(std::string_view s) {
    std::vector<std::string_view> words;
    for (std::size_t at = s.find_first_not_of(kBlanks); at != std::string_view::npos;) {
        const std::size_t end = std::min(s.find_first_of(kBlanks, at), s.size());
        words.push_back(s.substr(at, end - at));
        at = s.find_first_not_of(kBlanks, end);
    }
    return words;
}

std::vector<std::string_view> split(std::string_view s, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = s.find(separator);
        parts.push_back(s.substr(0, end));
        if (end == std::string_view::npos) return parts;
        s.remove_prefix(end + 1);
    }
}

std::optional<std::uint64_t> parse_decimal(std::string_view s) {
    if (s.empty() || s.front() < '0' || s.front() > '9' || (s.size() > 1 && s.front() == '0')) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(s.data(), s.data() + s.size(), value);
    if (problem != std::errc{} || end != s.data() + s.size()) return std::nullopt;
    return value;
}

bool is_kebab(std::string_view s) {
    if (s.empty() || s.front() < 'a' || s.front() > 'z' || s.back() == '-') return false;
    return std::all_of(s.begin(), s.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::optional<std::string_view> nearest(std::string_view name, std::span<const std::string> candidates) {
    constexpr std::size_t kLongest = 64; // nothing that long is a slip of the finger, and the search stays cheap
    if (name.size() > kLongest) return std::nullopt;
    std::optional<std::string_view> best;
    // A third of the letters may be wrong: "stratgies" finds "strategies", "foo" finds nothing.
    std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
    for (const std::string& candidate : candidates) {
        if (candidate.size() > kLongest) continue;
        const std::size_t distance = edit_distance(name, candidate);
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = candidate;
    }
    return best;
}

std::string suggest(std::string_view name, std::span<const std::string> candidates) {
    if (const auto near = nearest(name, candidates)) return fmt::format("did you mean '{}'?", *near);
    return fmt::format("known are: {}", fmt::join(candidates, ", "));
}

std::string quoted(std::string_view bytes) {
    constexpr std::size_t kMost = 60;
    std::string out = "\"";
    for (const char c : bytes.substr(0, kMost)) {
        if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (c == '"' || c == '\\')
            (out += '\\') += c;
        else if (c >= ' ' && c <= '~')
            out += c;
        else
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    out += '"';
    if (bytes.size() > kMost) out += fmt::format(" and {} more bytes", bytes.size() - kMost);
    return out;
}

std::optional<int> signal_number(std::string_view name) {
    for (int i = 1; i <= 64; ++i) {
        const char* known = sigabbrev_np(i);
        if (known != nullptr && name == fmt::format("SIG{}", known)) return i;
    }
    return std::nullopt;
}

int first_text_line(std::string_view file, int line) {
    for (int i = 1; i < line; ++i) file.remove_prefix(std::min(file.find('\n'), file.size() - 1) + 1);
    const std::string_view begins = trim(file.substr(0, file.find('\n')));
    return begins.ends_with("\"\"\"") || begins.ends_with("'''") ? line + 1 : line;
}

} // namespace trapline::text
