// scenarios/explore/calls.hpp: what system calls touch beside user memory.
//
// User memory is reported access by access. What a call does inside the kernel is `everything` unless it is listed here
// with a reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace trapline {

/// Kinds of kernel objects that no step names (the others are emu/kernel/step.hpp's footprint bits).
namespace kind {
inline constexpr std::uint32_t futexes = 1u << 16, ///< who sleeps on which word
    tasks = 1u << 17,                              ///< which threads a process has
    files = 1u << 18,                              ///< open files, their positions, what was printed
    returns = 1u << 19;                            ///< calls whose return is awaited, of all threads
} // namespace kind

/// The kinds that a call reads and writes; nothing: everything.
std::optional<std::uint32_t> kinds_of_call(std::string_view name);

} // namespace trapline
