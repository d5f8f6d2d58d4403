// Who a process is: ids, groups, sessions, limits.
//
// The guest is user 0 and group 0, whoever runs trapline: the user of the host is not an input of a run. It holds no
// capabilities, and what it may do with files is the sandbox's decision alone.
#include "loader/process_state.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/usage.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/resource.h>
#include <sys/syscall.h>

namespace trapline {
namespace {

long getpid(Call& c) { return c.process().pid; }
long gettid(Call& c) { return c.task.tid; }
/// An orphan's parent is init, which is outside of the machine.
long getppid(Call& c) { return c.process().parent != nullptr ? c.process().parent->pid : 1; }
long zero(Call&) { return 0; }

/// setuid and its like: to be who one is, or nothing (-1), is all there is.
long set_ids(Call& c) {
    const std::size_t n = c.number == SYS_setuid || c.number == SYS_setgid       ? 1
                          : c.number == SYS_setreuid || c.number == SYS_setregid ? 2
                                                                                 : 3;
    const bool same =
        std::all_of(c.args.begin(), c.args.begin() + static_cast<std::ptrdiff_t>(n), [&](std::uint64_t id) {
            const auto wanted = static_cast<std::uint32_t>(id);
            return wanted == 0 || (n > 1 && wanted == ~0u);
        });
    return same ? 0 : -EPERM;
}

long get_three_ids(Call& c) {
    for (std::size_t i = 0; i < 3; ++i)
        if (!c.mm().put(c.args[i], std::uint32_t{0})) return -EFAULT;
    return 0;
}

Process* process_or_self(const Call& c, std::uint64_t id) {
    const int pid = static_cast<int>(id);
    return pid == 0 ? &c.process() : c.kernel.process(pid);
}

long getpgid(Call& c) {
    const Process* p = process_or_self(c, c.args[0]);
    return p != nullptr ? p->group : -ESRCH;
}

long getpgrp(Call& c) { return c.process().group; }

long getsid(Call& c) {
    const Process* p = process_or_self(c, c.args[0]);
    return p != nullptr ? p->session : -ESRCH;
}

long setpgid(Call& c) {
    Process* p = process_or_self(c, c.args[0]);
    const int wanted = static_cast<int>(c.args[1]);
    if (wanted < 0) return -EINVAL;
    if (p == nullptr || (p != &c.process() && p->parent != &c.process())) return -ESRCH;
    if (p != &c.process() && state_of(*p).executed) return -EACCES;
    if (p->session == p->pid || p->session != c.process().session) return -EPERM;
    const int group = wanted == 0 ? p->pid : wanted;
    const bool there =
        group == p->pid || std::any_of(c.kernel.processes().begin(), c.kernel.processes().end(), [&](const auto& e) {
            return e.second->group == group && e.second->session == p->session;
        });
    if (!there) return -EPERM;
    p->group = group;
    return 0;
}

long setsid(Call& c) {
    Process& p = c.process();
    if (p.group == p.pid) return -EPERM;
    p.group = p.session = p.pid;
    return p.pid;
}

/// Changes and shows the limits of one process.
long limit(Call& c, Process& p, std::uint64_t resource, Addr fresh, Addr old) {
    ProcessState& s = state_of(p);
    if (resource >= s.limits.size()) return -EINVAL;
    Limit& l = s.limits[resource];
    const Limit before = l;
    if (fresh != 0) {
        Limit wanted;
        if (!c.mm().get(fresh, wanted)) return -EFAULT;
        if (wanted.soft > wanted.hard) return -EINVAL;
        if (wanted.hard > l.hard) return -EPERM;
        l = wanted;
        if (resource == RLIMIT_CPU) update_cpu_deadlines(c.kernel, p);
        if (resource == RLIMIT_AS) p.mm->limit_bytes = wanted.soft;
        if (resource == RLIMIT_STACK) p.mm->limit_stack = wanted.soft;
    }
    return old == 0 || c.mm().put(old, before) ? 0 : -EFAULT;
}

long getrlimit(Call& c) { return c.args[1] == 0 ? -EFAULT : limit(c, c.process(), c.args[0], 0, c.args[1]); }
long setrlimit(Call& c) { return c.args[1] == 0 ? -EFAULT : limit(c, c.process(), c.args[0], c.args[1], 0); }

long prlimit64(Call& c) {
    Process* p = process_or_self(c, c.args[0]);
    if (p == nullptr || p->mm == nullptr) return -ESRCH;
    return limit(c, *p, c.args[1], c.args[2], c.args[3]);
}

long getrusage(Call& c) {
    Cycles time = 0;
    switch (static_cast<int>(c.args[0])) {
    case RUSAGE_SELF:
        time = c.process().user_time;
        break;
    case RUSAGE_CHILDREN:
        time = state_of(c.process()).children_user;
        break;
    case 1:
        time = c.task.user_time;
        break; // RUSAGE_THREAD
    default:
        return -EINVAL;
    }
    return c.mm().put(c.args[1], usage_of(c.kernel, time)) ? 0 : -EFAULT;
}

constexpr std::string_view kOneUser = "partial: the guest is user 0 and stays it";
constexpr SyscallInfo kCalls[] = {
    {SYS_getpid, "getpid", "", "full", getpid},
    {SYS_getrlimit, "getrlimit", "ip", "full", getrlimit},
    {SYS_getrusage, "getrusage", "ip", "partial: user time only", getrusage},
    {SYS_getuid, "getuid", "", kOneUser, zero},
    {SYS_getgid, "getgid", "", kOneUser, zero},
    {SYS_setuid, "setuid", "u", kOneUser, set_ids},
    {SYS_setgid, "setgid", "u", kOneUser, set_ids},
    {SYS_geteuid, "geteuid", "", kOneUser, zero},
    {SYS_getegid, "getegid", "", kOneUser, zero},
    {SYS_setpgid, "setpgid", "ii", "full", setpgid},
    {SYS_getppid, "getppid", "", "full", getppid},
    {SYS_getpgrp, "getpgrp", "", "full", getpgrp},
    {SYS_setsid, "setsid", "", "full", setsid},
    {SYS_setreuid, "setreuid", "ii", kOneUser, set_ids},
    {SYS_setregid, "setregid", "ii", kOneUser, set_ids},
    {SYS_getgroups, "getgroups", "ip", "partial: there are none", zero},
    {SYS_setresuid, "setresuid", "iii", kOneUser, set_ids},
    {SYS_getresuid, "getresuid", "ppp", kOneUser, get_three_ids},
    {SYS_setresgid, "setresgid", "iii", kOneUser, set_ids},
    {SYS_getresgid, "getresgid", "ppp", kOneUser, get_three_ids},
    {SYS_getpgid, "getpgid", "i", "full", getpgid},
    {SYS_getsid, "getsid", "i", "full", getsid},
    {SYS_setrlimit, "setrlimit", "ip", "partial: kept; memory, stack, files and CPU time are bounded by them",
     setrlimit},
    {SYS_gettid, "gettid", "", "full", gettid},
    {SYS_prlimit64, "prlimit64", "iipp", "partial: kept; memory, stack, files and CPU time are bounded by them",
     prlimit64},
};

} // namespace

std::span<const SyscallInfo> identity_calls() { return kCalls; }

} // namespace trapline
