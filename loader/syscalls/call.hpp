// loader/syscalls/call.hpp: one system call in progress, and the table of all that there are.
//
// A handler takes a Call and returns what goes into RAX: a value, or a negative errno. Plain handlers finish at once;
// handlers that may sleep are paths. Each family of calls is a file of its own (memory.cpp, process.cpp, futex.cpp
// ...), and the table says for every number what is there: full, partial and what is missing, or refused and with which
// errno. Read next: families.hpp.
#pragma once

#include "loader/system.hpp"

#include <array>
#include <span>
#include <string_view>

namespace trapline {

struct Call {
    System& system;
    Kernel& kernel;
    Task& task;
    std::uint64_t number;
    std::array<std::uint64_t, 6> args;
    /// False: the handler has set all registers itself (rt_sigreturn, execve).
    bool sets_result = true;

    [[nodiscard]] Process& process() const { return *task.process; }
    [[nodiscard]] Mm& mm() const { return *task.process->mm; }
    [[nodiscard]] int fd(std::size_t i) const { return static_cast<int>(args[i]); }
    /// For a call that a signal interrupted: it starts again unless a handler without SA_RESTART runs. Returns -EINTR.
    long interrupted();
    /// The same for calls that any handler ends (sleeps, poll, pause): they start again only if none runs (signal(7),
    /// "Interruption of system calls"). A relative sleep finds its `deadline` in Task::restart_deadline.
    long interrupted_for_good(Cycles deadline = 0);
};

using PlainHandler = long (*)(Call&);
using SleepingHandler = Path<long> (*)(Call&);

struct SyscallInfo {
    int number;
    std::string_view name;
    std::string_view arguments; ///< a letter each: decode.cpp says which there are
    std::string_view status;    ///< "full", "partial: what is missing", "refused: ERRNO"
    PlainHandler plain = nullptr;
    SleepingHandler sleeping = nullptr; ///< neither: refused with ENOSYS, and that is said
};

/// Ordered by number.
std::span<const SyscallInfo> syscall_table();
const SyscallInfo* syscall_info(std::uint64_t number);

} // namespace trapline
