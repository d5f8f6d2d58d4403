// tools/debug/memory.hpp: guest memory as a debugger reads it: without a trace.
//
// The kernel's own ways into user memory map pages in, as page faults do, and a run that was looked at would differ
// from one that was not. These only look: at the page tables, the page cache, and the file behind a page that is not
// there yet.
#pragma once

#include "probes/uprobes.hpp"

#include <string>

namespace trapline {

/// What a CPU would read at `a`; shorter where nothing is mapped.
[[nodiscard]] std::string peek_memory(Mm& mm, Addr a, std::size_t bytes);

/// The same as the program was written: probed text without what probes put there.
[[nodiscard]] std::string peek_original(Uprobes& uprobes, Mm& mm, Addr a, std::size_t bytes);

/// The auxiliary vector that exec left on the stack, as /proc/PID/auxv has it.
[[nodiscard]] std::string peek_auxv(Process& p);

} // namespace trapline
