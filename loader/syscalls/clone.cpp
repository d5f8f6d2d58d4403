// fork, vfork, clone, clone3: new threads and new processes.
#include "loader/process_state.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/file_support.hpp"
#include "loader/syscalls/send_signal.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sched.h>
#include <sys/syscall.h>

namespace trapline {
namespace {

struct Request {
    std::uint64_t flags = 0;
    int exit_signal = 0;
    Addr stack = 0; ///< the child's stack pointer, 0: the parent's
    Addr parent_tid = 0, child_tid = 0, tls = 0, pidfd = 0;
};

constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                      CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;

/// What this kernel does not share between processes, and what it does not have.
long check(const Request& r) {
    const std::uint64_t f = r.flags;
    if ((f & kNamespaces) != 0) return -EPERM;
    if ((f & (CLONE_PARENT | CLONE_INTO_CGROUP)) != 0) return -EINVAL;
    if ((f & CLONE_PIDFD) != 0 && (f & (CLONE_THREAD | CLONE_DETACHED)) != 0) return -EINVAL;
    if ((f & CLONE_THREAD) != 0) return (f & kThread) == kThread && (f & CLONE_VFORK) == 0 ? 0 : -EINVAL;
    if ((f & (CLONE_FS | CLONE_FILES | CLONE_SIGHAND)) != 0) return -EINVAL;
    if (r.exit_signal < 0 || r.exit_signal > sig::count) return -EINVAL;
    return 0;
}

/// A process that differs from its parent in nothing yet. Null: no memory.
Process* make_process(Call& c, const Request& r) {
    Process& parent = c.process();
    std::shared_ptr<Mm> mm = parent.mm;
    if ((r.flags & CLONE_VM) == 0) {
        mm = c.kernel.create_mm();
        if (!parent.mm->duplicate_into(*mm)) return nullptr;
    }
    Process& child = c.kernel.create_process(&parent);
    child.mm = std::move(mm);
    child.actions = parent.actions;
    if ((r.flags & CLONE_CLEAR_SIGHAND) != 0)
        for (SigAction& a : child.actions)
            if (a.handler != sig::handler_ignore) a = SigAction{};
    child.exit_signal = r.exit_signal;
    child.executable = parent.executable;
    child.files = clone_file_table(parent);
    child.system = state_of(parent).for_child();
    return &child;
}

Path<long> create(Call& c, Request r) {
    if (const long error = check(r); error != 0) co_return error;
    constexpr std::size_t kMostTasks = 32768; // pid_max: far more than the machine has memory for
    if (c.kernel.tasks().size() + c.kernel.processes().size() >= kMostTasks) co_return -EAGAIN;
    const bool thread = (r.flags & CLONE_THREAD) != 0;
    const bool as_file = (r.flags & CLONE_PIDFD) != 0;
    if (as_file)
        if (const int fd = files_of(c).free_number(descriptor_limit(c)); fd < 0) co_return fd;
    Process* p = thread ? &c.process() : make_process(c, r);
    if (p == nullptr) co_return -ENOMEM;

    Task& child = c.kernel.create_task(*p);
    c.kernel.copy_registers(c.task, child);
    c.kernel.set(child, Reg::rax, 0);
    if (r.stack != 0) c.kernel.set(child, Reg::rsp, r.stack);
    if ((r.flags & CLONE_SETTLS) != 0) c.kernel.set(child, Reg::fs_base, r.tls);
    child.blocked_signals = c.task.blocked_signals;
    // A child on a stack of its own has no alternate one (kernel/fork.c, copy_process).
    if ((r.flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) child.alt_stack = c.task.alt_stack;
    if ((r.flags & CLONE_CHILD_CLEARTID) != 0) child.clear_child_tid = r.child_tid;
    set_thread_name(child, std::string(thread_name(c.task)));
    inherit_scheduling(c.task, child);
    const auto tid = static_cast<std::int32_t>(child.tid);
    // Linux does not report a bad pointer here either.
    if ((r.flags & CLONE_PARENT_SETTID) != 0) (void)c.mm().put(r.parent_tid, tid);
    if ((r.flags & CLONE_CHILD_SETTID) != 0) (void)p->mm->put(r.child_tid, tid);

    if (as_file) (void)c.mm().put(r.pidfd, static_cast<std::int32_t>(open_process(c, tid, 0)));

    if ((r.flags & CLONE_VFORK) != 0) p->vfork_waiter = &c.task;
    c.kernel.start_child(c.task, child);
    if ((r.flags & CLONE_VFORK) != 0) (void)co_await c.kernel.sleep(c.task, nullptr, ~0ull, false);
    co_return tid;
}

Path<long> fork(Call& c) {
    Request r;
    r.exit_signal = sig::chld;
    co_return co_await create(c, r);
}

Path<long> vfork(Call& c) {
    Request r;
    r.flags = CLONE_VM | CLONE_VFORK;
    r.exit_signal = sig::chld;
    co_return co_await create(c, r);
}

Path<long> clone(Call& c) {
    Request r;
    r.flags = c.args[0] & 0xffffff00; // the system call takes 32 bits
    r.exit_signal = static_cast<int>(c.args[0] & CSIGNAL);
    r.stack = c.args[1];
    r.parent_tid = r.pidfd = c.args[2];
    if ((r.flags & CLONE_PIDFD) != 0 && (r.flags & CLONE_PARENT_SETTID) != 0) co_return -EINVAL;
    r.child_tid = c.args[3];
    r.tls = c.args[4];
    co_return co_await create(c, r);
}

Path<long> clone3(Call& c) {
    constexpr std::size_t kWords = CLONE_ARGS_SIZE_VER2 / 8;
    std::array<std::uint64_t, kWords> a{};
    const std::uint64_t bytes = c.args[1];
    if (bytes < CLONE_ARGS_SIZE_VER0) co_return -EINVAL;
    if (bytes > kPageSize) co_return -E2BIG;
    if (!c.mm().read(c.args[0], a.data(), std::min<std::uint64_t>(bytes, sizeof a))) co_return -EFAULT;
    // What is behind the fields that are known must be zero (copy_struct_from_user).
    for (std::uint64_t i = sizeof a; i < bytes; ++i) {
        std::uint8_t byte = 0;
        if (!c.mm().get(c.args[0] + i, byte)) co_return -EFAULT;
        if (byte != 0) co_return -E2BIG;
    }
    enum { flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup };
    constexpr std::uint64_t kDetached = CLONE_DETACHED;
    if ((a[flags] & (CSIGNAL & ~CLONE_NEWTIME)) != 0 || (a[flags] & kDetached) != 0 ||
        (a[exit_signal] & ~std::uint64_t{CSIGNAL}) != 0)
        co_return -EINVAL;
    if ((a[flags] >> 34) != 0 || a[set_tid] != 0 || a[set_tid_size] != 0) co_return -EINVAL;
    if ((a[stack] == 0) != (a[stack_size] == 0)) co_return -EINVAL;
    if ((a[flags] & CLONE_THREAD) != 0 && a[exit_signal] != 0) co_return -EINVAL;
    Request r;
    r.flags = a[flags];
    r.exit_signal = static_cast<int>(a[exit_signal]);
    if (a[stack] != 0) r.stack = a[stack] + a[stack_size];
    r.parent_tid = a[parent_tid];
    r.child_tid = a[child_tid];
    r.pidfd = a[pidfd];
    r.tls = a[tls];
    co_return co_await create(c, r);
}

constexpr std::string_view kPartial = "partial: processes share memory only; no namespaces";
constexpr SyscallInfo kCalls[] = {
    {SYS_clone, "clone", "xpppp", kPartial, nullptr, clone},
    {SYS_fork, "fork", "", "full", nullptr, fork},
    {SYS_vfork, "vfork", "", "full", nullptr, vfork},
    {SYS_clone3, "clone3", "pu", kPartial, nullptr, clone3},
};

} // namespace

std::span<const SyscallInfo> clone_calls() { return kCalls; }

} // namespace trapline
