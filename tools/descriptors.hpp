// tools/descriptors.hpp: the descriptors that the command was started with, before anything else opens one.
//
// If standard input, output or error is closed when the command starts, the next file that it opens would get that
// number, and the guest would read or write it: its own RAM's memory file, for one. So the first thing that happens is
// to put something harmless there and to remember that the guest has no such stream.
#pragma once

#include "loader/system.hpp"

namespace trapline {

/// To be called first in main. Also raises the soft limit on open files, of which a guest's files take one or two each.
void settle_descriptors();

/// What the guest's streams are: 0, 1 and 2, or -1 for one that was closed.
StandardFiles standard_files();

} // namespace trapline
