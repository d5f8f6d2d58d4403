// scenarios/results.hpp: verdict rows as text, JSON, JUnit XML, TAP and GitHub annotations.
//
// Each writer is a function from rows to bytes, so that what CI reads can be tested without CI. No times, no host names
// and no colours: the same rows give the same bytes. Whatever a guest printed or a file is called, the output stays
// well-formed; each format has its own way to escape.
#pragma once

#include <string>
#include <vector>

#include "scenarios/verdict.hpp"

namespace trapline {

/// A line or more for each row, at most 100 columns, and one line to copy for each finding that a token replays.
[[nodiscard]] std::string results_text(const std::vector<ResultRow>& rows);

/// `replay --json` (INTERFACES "JSON results", schema 1), ended by a newline.
[[nodiscard]] std::string results_json(const std::vector<ResultRow>& rows);

/// JUnit XML: a test suite for each scenario, a test case for each strategy.
[[nodiscard]] std::string results_junit(const std::vector<ResultRow>& rows);

/// TAP 13, as Meson and prove read it: a test point for each row, with a YAML block where it is not ok.
[[nodiscard]] std::string results_tap(const std::vector<ResultRow>& rows);

/// GitHub workflow commands: an annotation for each row that is not fine; the runner shows ten of a kind and step, so
/// further ones are only counted.
[[nodiscard]] std::string results_github(const std::vector<ResultRow>& rows);

/// The command that replays a token, with what a shell needs quoted.
[[nodiscard]] std::string replay_line(std::string_view file, std::string_view token, std::string_view between = " ");

/// The same for reading: indented, ended, and in two lines where one would be too long.
[[nodiscard]] std::string replay_text(std::string_view file, std::string_view token);

/// `text` behind `indent` blanks, in lines of at most 100 columns.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent);

/// `bytes` for XML text and attributes: markup escaped, and what XML 1.0 cannot hold (control characters, bytes that
/// are not UTF-8) written as \xNN.
[[nodiscard]] std::string xml_escape(std::string_view bytes);

/// `text` for the message of a workflow command (%, CR and LF), or with `property` for its properties (also : and ,).
[[nodiscard]] std::string github_escape(std::string_view text, bool property);

} // namespace trapline
