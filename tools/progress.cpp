#include "tools/progress.hpp"

#include "tools/table.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace trapline {
namespace {

constexpr std::chrono::milliseconds kQuiet(2000), kPause(250);

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

} // namespace

ProgressLine::ProgressLine(bool guest_prints)
    : on_(::isatty(STDERR_FILENO) == 1 && !(guest_prints && ::isatty(STDOUT_FILENO) == 1)), next_(begin_ + kQuiet) {}

void ProgressLine::attach(RunRequest& request, std::string what) {
    if (!on_) return;
    request.progress = [this, what = std::move(what)](const Progress& p) {
        show([&] {
            const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
            return fmt::format("{}{}{} instructions, {:.3f} s of virtual time, {} hits, {:.0f} s", what,
                               what.empty() ? "" : ": ", grouped(p.instructions),
                               static_cast<double>(p.nanoseconds) / 1e9, grouped(p.hits), seconds);
        });
    };
}

void ProgressLine::show(const std::function<std::string()>& text) {
    const auto now = Clock::now();
    if (!on_ || now < next_) return;
    next_ = now + kPause;
    std::string line = printable(text());
    if (line.size() > Table::kWidth - 21) line.resize(Table::kWidth - 21); // a line that wraps could not be cleared
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
    shown_ = true;
}

void ProgressLine::clear() {
    if (!std::exchange(shown_, false)) return;
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
}

} // namespace trapline
