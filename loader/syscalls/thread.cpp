// Threads and scheduling: what is left when clone and futex are elsewhere.
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/membarrier.h>
#include <optional>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

namespace trapline {
namespace {

long set_tid_address(Call& c) {
    c.task.clear_child_tid = c.args[0];
    return c.task.tid;
}

/// Whoever waits for a CPU gets this one. With a CPU for everybody there is nothing to yield.
Path<long> sched_yield(Call& c) {
    if (!c.kernel.scheduler().queue().empty())
        (void)co_await c.kernel.sleep(c.task, nullptr, c.kernel.now(c.task), false);
    co_return 0;
}

/// The thread that a call means, 0 for the caller; nullptr: there is none.
const Task* thread(const Call& c) {
    const int tid = static_cast<int>(c.args[0]);
    return tid == 0 ? &c.task : c.kernel.task(tid);
}

/// The mask of virtual CPUs, in as many 64-bit words as it takes.
std::vector<std::uint64_t> all_cpus(const Kernel& k) {
    const unsigned n = k.config().cpus;
    std::vector<std::uint64_t> mask((n + 63) / 64);
    for (unsigned i = 0; i < n; ++i) mask[i / 64] |= 1ull << (i % 64);
    return mask;
}

long sched_getaffinity(Call& c) {
    const Task* t = thread(c);
    if (t == nullptr) return -ESRCH;
    auto mask = all_cpus(c.kernel);
    const std::uint64_t bytes = mask.size() * sizeof(std::uint64_t);
    if (c.args[1] < bytes || (c.args[1] & 7) != 0) return -EINVAL;
    if (const auto& own = scheduling_of(*t).cpus; !own.empty()) mask = own;
    return c.mm().write(c.args[2], mask.data(), bytes) ? static_cast<long>(bytes) : -EFAULT;
}

/// Placement is the scheduler's and part of the schedule: a mask that names a CPU is kept, and changes nothing.
long sched_setaffinity(Call& c) {
    const Task* t = thread(c);
    if (t == nullptr) return -ESRCH;
    auto all = all_cpus(c.kernel);
    std::vector<std::uint64_t> wanted(all.size());
    if (!c.mm().read(c.args[2], wanted.data(), std::min<std::uint64_t>(c.args[1], wanted.size() * 8))) return -EFAULT;
    bool any = false;
    for (std::size_t i = 0; i < all.size(); ++i) any |= (wanted[i] &= all[i]) != 0;
    if (!any) return -EINVAL;
    change_scheduling(*t).cpus = std::move(wanted);
    return 0;
}

long sched_getscheduler(Call& c) {
    if (static_cast<int>(c.args[0]) < 0) return -EINVAL;
    const Task* t = thread(c);
    if (t == nullptr) return -ESRCH;
    const Scheduling& s = scheduling_of(*t);
    return s.policy | (s.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

long sched_getparam(Call& c) {
    if (static_cast<int>(c.args[0]) < 0 || c.args[1] == 0) return -EINVAL;
    const Task* t = thread(c);
    if (t == nullptr) return -ESRCH;
    return c.mm().put(c.args[1], scheduling_of(*t).priority) ? 0 : -EFAULT;
}

/// Whether the priority is one of the policy's (kernel/sched/syscalls.c, __sched_setscheduler).
bool valid_priority(int policy, int priority) {
    switch (policy) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return priority == 0;
    case SCHED_FIFO:
    case SCHED_RR:
        return priority >= 1 && priority <= 99;
    default:
        return false;
    }
}

long set_scheduling(Call& c, std::optional<int> policy, Addr parameter) {
    std::int32_t priority = 0;
    if (static_cast<int>(c.args[0]) < 0 || parameter == 0 || (policy && *policy < 0)) return -EINVAL;
    if (!c.mm().get(parameter, priority)) return -EFAULT;
    const Task* t = thread(c);
    if (t == nullptr) return -ESRCH;
    constexpr int kReset = SCHED_RESET_ON_FORK;
    const int kind = policy ? *policy & ~kReset : scheduling_of(*t).policy;
    if (!valid_priority(kind, priority)) return -EINVAL;
    Scheduling& s = change_scheduling(*t);
    s.policy = kind;
    s.priority = priority;
    if (policy) s.reset_on_fork = (*policy & kReset) != 0;
    return 0;
}

long sched_setscheduler(Call& c) { return set_scheduling(c, static_cast<int>(c.args[1]), c.args[2]); }
long sched_setparam(Call& c) { return set_scheduling(c, std::nullopt, c.args[1]); }

long priority_bound(Call& c, long realtime) {
    switch (static_cast<int>(c.args[0])) {
    case SCHED_OTHER:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return 0;
    case SCHED_FIFO:
    case SCHED_RR:
        return realtime;
    default:
        return -EINVAL;
    }
}

long sched_get_priority_max(Call& c) { return priority_bound(c, 99); }
long sched_get_priority_min(Call& c) { return priority_bound(c, 1); }

long sched_rr_get_interval(Call& c) {
    if (static_cast<int>(c.args[0]) < 0) return -EINVAL;
    if (thread(c) == nullptr) return -ESRCH;
    return c.mm().put(c.args[1], to_timespec(c.kernel.nanoseconds(RoundRobin::kSlice))) ? 0 : -EFAULT;
}

/// The processes that getpriority and setpriority mean: one, a group, or all of the one user.
OrErrno<std::vector<Process*>> whose_priority(const Call& c) {
    const int who = static_cast<int>(c.args[1]);
    std::vector<Process*> found;
    for (const auto& [pid, p] : c.kernel.processes()) {
        bool meant = false;
        switch (static_cast<int>(c.args[0])) {
        case PRIO_PROCESS:
            meant = who == 0 ? p.get() == &c.process() : pid == who;
            break;
        case PRIO_PGRP:
            meant = p->group == (who == 0 ? c.process().group : who);
            break;
        case PRIO_USER:
            meant = who == 0;
            break;
        default:
            return tl::make_unexpected(-EINVAL);
        }
        if (meant && !p->zombie) found.push_back(p.get());
    }
    if (found.empty()) return tl::make_unexpected(-ESRCH);
    return found;
}

/// Nice values are kept, and no scheduler looks at them. The answer is 20 - nice, so that none is negative.
long getpriority(Call& c) {
    const auto processes = whose_priority(c);
    if (!processes) return processes.error();
    int best = 19;
    for (Process* p : *processes) best = std::min(best, state_of(*p).nice);
    return 20 - best;
}

/// To be nicer is free; less nice than before takes a privilege that the guest does not have.
long setpriority(Call& c) {
    const auto processes = whose_priority(c);
    if (!processes) return processes.error();
    const int wanted = std::clamp(static_cast<int>(c.args[2]), -20, 19);
    long result = 0;
    for (Process* p : *processes) {
        ProcessState& s = state_of(*p);
        if (wanted < s.nice)
            result = -EACCES;
        else
            s.nice = wanted;
    }
    return result;
}

long getcpu(Call& c) {
    const auto cpu = static_cast<std::uint32_t>(std::max(c.task.cpu, 0));
    if (c.args[0] != 0 && !c.mm().put(c.args[0], cpu)) return -EFAULT;
    if (c.args[1] != 0 && !c.mm().put(c.args[1], std::uint32_t{0})) return -EFAULT;
    return 0;
}

/// Interleaving is sequentially consistent here, so there is nothing to do but to answer as Linux does.
long membarrier(Call& c) {
    constexpr std::uint32_t kGlobal = MEMBARRIER_CMD_GLOBAL, kGlobalExpedited = MEMBARRIER_CMD_GLOBAL_EXPEDITED,
                            kRegisterGlobal = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
                            kPrivate = MEMBARRIER_CMD_PRIVATE_EXPEDITED,
                            kRegisterPrivate = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                            kSync = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
                            kRegisterSync = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
    if (c.args[1] != 0) return -EINVAL;
    std::uint32_t& registered = state_of(c.process()).barriers;
    switch (const auto command = static_cast<std::uint32_t>(c.args[0])) {
    case MEMBARRIER_CMD_QUERY:
        return kGlobal | kGlobalExpedited | kRegisterGlobal | kPrivate | kRegisterPrivate | kSync | kRegisterSync;
    case kGlobal:
    case kGlobalExpedited:
        return 0;
    case kRegisterGlobal:
    case kRegisterPrivate:
    case kRegisterSync:
        registered |= command;
        return 0;
    case kPrivate:
        return (registered & kRegisterPrivate) != 0 ? 0 : -EPERM;
    case kSync:
        return (registered & kRegisterSync) != 0 ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}

constexpr std::string_view kNice = "partial: kept for a process, and without effect";
constexpr std::string_view kKept = "partial: kept for a thread, and without effect";
constexpr SyscallInfo kCalls[] = {
    {SYS_sched_yield, "sched_yield", "", "full", nullptr, sched_yield},
    {SYS_getpriority, "getpriority", "ii", kNice, getpriority},
    {SYS_setpriority, "setpriority", "iii", kNice, setpriority},
    {SYS_sched_setparam, "sched_setparam", "ip", kKept, sched_setparam},
    {SYS_sched_getparam, "sched_getparam", "ip", kKept, sched_getparam},
    {SYS_sched_setscheduler, "sched_setscheduler", "iip", kKept, sched_setscheduler},
    {SYS_sched_getscheduler, "sched_getscheduler", "i", kKept, sched_getscheduler},
    {SYS_sched_get_priority_max, "sched_get_priority_max", "i", "full", sched_get_priority_max},
    {SYS_sched_get_priority_min, "sched_get_priority_min", "i", "full", sched_get_priority_min},
    {SYS_sched_rr_get_interval, "sched_rr_get_interval", "ip", "full", sched_rr_get_interval},
    {SYS_sched_setaffinity, "sched_setaffinity", "iup", kKept, sched_setaffinity},
    {SYS_sched_getaffinity, "sched_getaffinity", "iup", "full", sched_getaffinity},
    {SYS_set_tid_address, "set_tid_address", "p", "full", set_tid_address},
    {SYS_getcpu, "getcpu", "pp", "full", getcpu},
    {SYS_membarrier, "membarrier", "iii", "partial: no MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ", membarrier},
};

} // namespace

std::span<const SyscallInfo> thread_calls() { return kCalls; }

} // namespace trapline
