// tools/trace.hpp: a run as a trace in Chrome's JSON format, which Perfetto shows (docs/views.md).
//
// Four groups of tracks: a track for each CPU (who ran there, and the kernel's steps), for each thread (its hits from
// trap to resumption, its steps, its sleeps), for each probe point in each address space (which byte stood there, and
// when it was being changed), and counters (frames, XOL slots). Arrows lead from a trap to the resumption that ends it.
// Time is virtual: cycles turned into seconds by the cost profile's frequency. CPUs have clocks of their own, so a
// track that is fed by several never runs backwards but waits.
#pragma once

#include "scenarios/text_state.hpp"
#include "tools/output_file.hpp"

namespace trapline {

void write_trace(std::span<const Record> records, const PlaceNames& names, std::uint64_t hz, OutputFile& file);

} // namespace trapline
