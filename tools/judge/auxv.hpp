// tools/judge/auxv.hpp: a program that has just been loaded finds what it would find in the emulated machine.
//
// The auxiliary vector tells it what the kernel and the processor offer: the vDSO, hardware capabilities, restartable
// sequences. The emulated machine has no vDSO, so libc's clocks are system calls there; here the entry is struck out,
// and they are here, too. The vDSO's pages are unmapped, or every later mapping would lie below them: allocators and
// tables of addresses take other paths then. Only the first program is treated so: what it executes later finds the
// kernel's own vector and vDSO.
#pragma once

#include <optional>
#include <sys/types.h>

namespace trapline::judge {

/// In the child, before execve: it will stop when it has become the program.
bool stop_after_exec();

/// In its parent: waits for that stop, edits the vector, lets the program go. Where the child ended instead (it was not
/// allowed to be traced, or there was nothing to execute), its wait status.
std::optional<int> edit_auxv(pid_t program);

} // namespace trapline::judge
