// loader/syscalls/families.hpp: the families of system calls, a file each. The table is their union, ordered by number.
#pragma once

#include "loader/syscalls/call.hpp"

namespace trapline {

std::span<const SyscallInfo> clone_calls();          ///< fork, vfork, clone, clone3
std::span<const SyscallInfo> process_calls();        ///< execve, wait4, exit
std::span<const SyscallInfo> identity_calls();       ///< ids, process groups, sessions, limits
std::span<const SyscallInfo> thread_calls();         ///< set_tid_address, scheduling, CPUs
std::span<const SyscallInfo> futex_calls();          ///< futex, robust lists
std::span<const SyscallInfo> signal_calls();         ///< rt_sig*, kill, tgkill, sigaltstack, pause
std::span<const SyscallInfo> time_calls();           ///< clocks, sleeps
std::span<const SyscallInfo> timer_calls();          ///< alarm, setitimer, timer_create
std::span<const SyscallInfo> system_calls();         ///< uname, getrandom, arch_prctl, prctl, sysinfo, getcpu
std::span<const SyscallInfo> memory_calls();         ///< mmap, munmap, mprotect, mremap, brk, madvise, mlock
std::span<const SyscallInfo> segment_calls();        ///< shared memory of System V
std::span<const SyscallInfo> process_memory_calls(); ///< process_vm_readv, process_vm_writev
std::span<const SyscallInfo> file_calls();           ///< open, close, dup, fcntl, stat, directories, links
std::span<const SyscallInfo> io_calls();             ///< read, write, seek, pipes, poll, select, ioctl, sendfile
std::span<const SyscallInfo> refused_calls();        ///< what there is not, and the error it gets

} // namespace trapline
