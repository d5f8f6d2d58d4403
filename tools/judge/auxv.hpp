// tools/judge/auxv.hpp: the auxiliary vector of a program that has just been loaded, made that of the emulated machine.
//
// It tells a program what the kernel and the processor offer: the vDSO, hardware capabilities, restartable sequences.
// The emulated machine has no vDSO, so libc's clocks are system calls there; here the entry is struck out, and they are
// here, too. Only the first program is treated so: what it executes later finds the kernel's own vector.
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
