// scenarios/picture.hpp: a short run as text: columns for people, a Mermaid diagram for web pages.
//
//     event  t1, CPU 0                 byte at :hot  t2, CPU 1
//         8  trap: int3 was fetched    int3
//        10  handler: hit 1            int3
//        11  text-restored             > original
//            .                         original      MISSED: executes :hot bare
//        13  text-armed                > int3
//
// Both show a line for each record, in the machine's total order, and what byte stands at the probe point. Long runs
// are cut: around the first miss if there is one. Read next: scenarios/text_state.hpp.
#pragma once

#include "scenarios/text_state.hpp"

#include <string>

namespace trapline {

struct PictureOptions {
    PlaceNames names;
    bool everything = false; ///< also what has nothing to do with probes: system calls, page faults, wake-ups
    std::uint64_t from = 0;  ///< numbers of the first and the last event to be shown
    std::uint64_t to = ~0ull;
    std::size_t most = 200; ///< lines, at least 1
};

/// A column for each thread with the probed byte behind the first, at most 100 characters wide.
[[nodiscard]] std::string columns(std::span<const Record> records, const PictureOptions& options);

/// All system calls, a line each as strace(1) prints them; `most` does not count.
[[nodiscard]] std::string calls(std::span<const Record> records, const PictureOptions& options);

/// A `sequenceDiagram` with a participant for each thread and one for the probed text.
[[nodiscard]] std::string mermaid(std::span<const Record> records, const PictureOptions& options);

/// What happened, in a few words that begin with the step's name.
[[nodiscard]] std::string describe(const Record& record, const PlaceNames& names);

} // namespace trapline
