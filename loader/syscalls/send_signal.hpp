// loader/syscalls/send_signal.hpp: sending signals and naming processes, where more than one family of calls does it.
#pragma once

#include "loader/syscalls/call.hpp"

namespace trapline {

/// Sends a signal as kill does, or with the siginfo at `info` if that is not null, as rt_sigqueueinfo does.
long send_described(Call& c, Process& p, int signo, Addr info);
/// The process that a pidfd means: -EBADF.
OrErrno<int> pid_of(Call& c, int fd);
/// A new pidfd, or a negative errno.
int open_process(Call& c, int pid, int status_flags);

} // namespace trapline
