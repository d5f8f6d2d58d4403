// tools/interrupt.hpp: Ctrl-C ends a run in good order, so that what it showed so far is printed with its token.
#pragma once

#include <atomic>

namespace trapline {

/// From now on the first SIGINT or SIGTERM sets the flag; a second one ends the process as usual.
const std::atomic<bool>* catch_interrupts();

/// The signal that set the flag, 0 for none.
int interrupted_by();

} // namespace trapline
