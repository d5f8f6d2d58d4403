#include "loader/similar_names.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace trapline {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
    return out;
}

/// The Levenshtein distance, or limit + 1 as soon as it is known to be larger than the limit.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
    std::size_t gap = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
    if (gap > limit) return limit + 1;
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        std::size_t least = row[0];
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
            least = std::min(least, row[j]);
        }
        if (least > limit) return limit + 1;
    }
    return std::min(row[b.size()], limit + 1);
}

} // namespace

std::vector<std::string> similar_names(std::string_view wanted, const std::vector<std::string_view>& names,
                                       std::size_t count) {
    if (wanted.empty() || count == 0) return {};
    std::string target = lower(wanted);
    // Two letters swapped are two edits: even a short name may have them.
    const std::size_t limit =
        std::max<std::size_t>(target.size() < 3 ? 1 : 2, std::min<std::size_t>(target.size() / 3, 4));
    std::vector<std::pair<std::size_t, std::string_view>> scored;
    for (std::string_view name : names) {
        if (name.empty()) continue;
        std::string candidate = lower(name);
        std::size_t score = edit_distance(target, candidate, limit);
        // Something that merely contains the wanted text ranks behind every spelling mistake, the shortest first.
        if (score > limit && target.size() >= 3 && candidate.find(target) != candidate.npos)
            score = limit + 1 + (candidate.size() - target.size());
        else if (score > limit)
            continue;
        scored.emplace_back(score, name);
    }
    std::sort(scored.begin(), scored.end());
    std::vector<std::string> out;
    for (const auto& [score, name] : scored) {
        if (out.size() == count) break;
        if (out.empty() || out.back() != name) out.emplace_back(name);
    }
    return out;
}

} // namespace trapline
