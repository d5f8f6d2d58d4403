// scenarios/text.hpp: the few text tools that the readers and writers of this room share.
//
// Everything here is pure: bytes in, bytes out. Read next: scenarios/scenario.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trapline::text {

/// `s` without blanks, tabs and line ends around it.
[[nodiscard]] std::string_view trim(std::string_view s);

/// The words of `s`, separated by blanks, tabs or line ends.
[[nodiscard]] std::vector<std::string_view> split_words(std::string_view s);

/// The parts of `s` between separators; always at least one.
[[nodiscard]] std::vector<std::string_view> split(std::string_view s, char separator);

/// A decimal number and nothing else; leading zeros, signs and anything past 2^64-1 are refused.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view s);

/// Lower-case letters, digits and inner hyphens, beginning with a letter: how strategies and steps are named.
[[nodiscard]] bool is_kebab(std::string_view s);

/// The candidate that is spelled most like `name`, or nothing when none comes near. Ties go to the first.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view name, std::span<const std::string> candidates);

/// A hint for an unknown name: "did you mean X?", or the list of what is known.
[[nodiscard]] std::string suggest(std::string_view name, std::span<const std::string> candidates);

/// `bytes` in quotes, in printable ASCII: "\n", "\t", "\\", "\"" and \xNN. Cut after 60 bytes, saying how many follow.
[[nodiscard]] std::string quoted(std::string_view bytes);

/// "SIGSEGV" to 11, by the names of the C library; nothing for other words.
[[nodiscard]] std::optional<int> signal_number(std::string_view name);

/// The line of a file on which the text of a TOML string begins whose quotes stand on `line`: the next one when the
/// three quotes of a string of several lines end theirs.
[[nodiscard]] int first_text_line(std::string_view file, int line);

} // namespace trapline::text
