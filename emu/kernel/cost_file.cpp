#include "emu/kernel/cost_file.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <sstream>

namespace trapline {
namespace {

constexpr std::uint64_t kLargest = 1'000'000'000'000; // ps: no price is more than a second

std::string_view trimmed(std::string_view s) {
    const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!s.empty() && space(s.front())) s.remove_prefix(1);
    while (!s.empty() && space(s.back())) s.remove_suffix(1);
    return s;
}

/// What stands before a comment; a # inside quotation marks is none.
std::string_view without_comment(std::string_view s) {
    bool quoted = false;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '"') quoted = !quoted;
        if (s[i] == '#' && !quoted) return s.substr(0, i);
    }
    return s;
}

/// A number with up to three decimals, in thousandths.
std::optional<std::uint64_t> thousandths(std::string_view s) {
    constexpr std::uint64_t kOne = 1000;
    std::uint64_t n = 0, unit = kOne;
    bool point = false, digit = false;
    for (const char c : s) {
        if (c == '_' && digit) continue;
        if (c == '.' && !point && digit) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || n > ~0ull / 100) return std::nullopt;
        if (point && (unit /= 10) == 0) return std::nullopt;
        digit = true;
        n = point ? n + unit * static_cast<std::uint64_t>(c - '0')
                  : n * 10 + kOne * static_cast<std::uint64_t>(c - '0');
    }
    return digit ? std::optional(n) : std::nullopt;
}

/// Reads one profile, line by line; the first thing that is wrong ends it.
class Reader {
  public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    Result<void> line(std::string_view text, int number) {
        line_ = number;
        text = trimmed(without_comment(text));
        if (text.empty()) return {};
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) return wrong("a line is NAME = VALUE");
        const std::string_view key = trimmed(text.substr(0, equals)), value = trimmed(text.substr(equals + 1));
        if (key == "name") return quoted(value, profile_.name);
        if (key == "source") return quoted(value, profile_.source);
        if (key == "base") return base(value);
        if (key == "hz") {
            const auto hz = thousandths(value);
            if (!hz || *hz % 1000 != 0 || *hz == 0) return wrong("hz must be a whole number of cycles a second");
            profile_.hz = *hz / 1000;
            return {};
        }
        const std::optional<Price> price = price_by_name(key);
        if (!price) return wrong(fmt::format("there is no price `{}`", key), "`trapline list prices` has their names");
        const auto ps = thousandths(value);
        if (!ps || *ps > kLargest) return wrong(fmt::format("{} must be nanoseconds, with up to three decimals", key));
        given_[static_cast<std::size_t>(*price)] = *ps;
        return {};
    }

    Result<CostProfile> finish() {
        line_ = 0;
        if (profile_.name.empty()) return wrong("the profile has no name");
        if (profile_.hz == 0) return wrong("hz is missing: how many cycles a second are");
        for (std::size_t i = 0; i < kPrices; ++i) {
            if (!given_[i] && base_ == nullptr)
                return wrong(fmt::format("{} has no price", price_info(static_cast<Price>(i)).name),
                             "base = \"bare-metal\" takes what is not given from there");
            profile_.picoseconds[i] = given_[i] ? *given_[i] : base_->picoseconds[i];
        }
        return std::move(profile_);
    }

  private:
    tl::unexpected<Error> wrong(std::string what, std::string hint = {}) {
        return fail(std::move(what), std::move(hint), file_, line_);
    }
    Result<void> quoted(std::string_view value, std::string& into) {
        if (value.size() < 2 || value.front() != '"' || value.back() != '"')
            return wrong("a text stands in quotation marks");
        into = value.substr(1, value.size() - 2);
        return {};
    }
    Result<void> base(std::string_view value) {
        std::string name;
        if (auto text = quoted(value, name); !text) return text;
        base_ = cost_profile(name);
        if (base_ == nullptr) return wrong(fmt::format("there is no profile `{}`", name));
        return {};
    }

    std::string file_;
    int line_ = 0;
    CostProfile profile_;
    const CostProfile* base_ = nullptr;
    std::array<std::optional<std::uint64_t>, kPrices> given_;
};

std::string nanoseconds(std::uint64_t ps) {
    return ps % 1000 == 0 ? fmt::format("{}", ps / 1000) : fmt::format("{}.{:03}", ps / 1000, ps % 1000);
}

} // namespace

Result<CostProfile> parse_cost(std::string_view text, const std::string& file) {
    Reader reader(file);
    int number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (auto read = reader.line(text.substr(0, end), ++number); !read) return tl::make_unexpected(read.error());
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return reader.finish();
}

Result<CostProfile> find_cost(const std::string& name) {
    if (const CostProfile* built_in = cost_profile(name)) return *built_in;
    if (name.find_first_of("/.") == std::string::npos)
        return fail(fmt::format("{} is no cost profile", name),
                    "see `trapline list profiles`; a file's name has a / or .");
    errno = 0;
    std::ifstream in(name);
    std::stringstream text;
    if (!in || !(text << in.rdbuf())) return fail(errno != 0 ? std::strerror(errno) : "it is empty", {}, name);
    return parse_cost(text.str(), name);
}

std::string cost_text(const CostProfile& profile) {
    std::string out = fmt::format("name   = \"{}\"\nsource = \"{}\"\nhz     = {}\n\n# nanoseconds\n", profile.name,
                                  profile.source, profile.hz);
    for (std::size_t i = 0; i < kPrices; ++i) {
        const PriceInfo& info = price_info(static_cast<Price>(i));
        out += fmt::format("{:<15} = {:<9} # {}\n", info.name, nanoseconds(profile.picoseconds[i]), info.doc);
    }
    return out;
}

} // namespace trapline
