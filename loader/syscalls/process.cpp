// The life of a process: execve, exit, wait.
#include "loader/exec.hpp"
#include "loader/files/file_table.hpp"
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/send_signal.hpp"
#include "loader/syscalls/usage.hpp"

#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace trapline {
namespace {

/// argv or envp: a list of pointers to strings that ends with a null pointer. No list at all is an empty one.
long read_strings(Mm& mm, Addr list, std::uint64_t limit, std::vector<std::string>& out) {
    if (list == 0) return 0;
    std::uint64_t bytes = 0;
    for (;; list += sizeof(Addr)) {
        Addr at = 0;
        if (!mm.get(list, at)) return -EFAULT;
        if (at == 0) return 0;
        std::string text;
        if (!mm.read_string(at, text, kLongestArgument)) return text.size() >= kLongestArgument ? -E2BIG : -EFAULT;
        bytes += text.size() + 1 + sizeof(Addr);
        if (bytes > limit) return -E2BIG;
        out.push_back(std::move(text));
    }
}

long execute(Call& c, ExecRequest request, Addr args, Addr environment) {
    ProcessState& s = state_of(c.process());
    request.self = c.process().executable;
    request.stack_limit = s.limits[RLIMIT_STACK].soft;
    request.memory_limit = s.limits[RLIMIT_AS].soft;
    const std::uint64_t most = most_arguments(request.stack_limit);
    if (const long r = read_strings(c.mm(), args, most, request.args); r != 0) return r;
    if (const long r = read_strings(c.mm(), environment, most, request.environment); r != 0) return r;
    if (request.args.empty()) request.args.emplace_back(); // since Linux 5.18
    auto program = load_program(c.system, request);
    if (!program) return program.error().error;
    close_on_exec(c.process());
    // POSIX timers go, the interval timer stays (execve(2)).
    drop_timers(c.kernel, c.process(), false);
    s.executed = true;
    s.barriers = 0;
    c.kernel.executed(c.task, program->mm);
    enter_program(c.kernel, c.task, *program);
    c.sets_result = false;
    return 0;
}

/// A path in the guest's memory: 0, or what open would say.
long read_path(Mm& mm, Addr at, std::string& out) {
    constexpr std::size_t kLongestPath = 4096;
    if (mm.read_string(at, out, kLongestPath)) return 0;
    return out.size() >= kLongestPath ? -ENAMETOOLONG : -EFAULT;
}

long execve(Call& c) {
    ExecRequest request;
    request.directory = files_of(c.process()).directory;
    if (const long r = read_path(c.mm(), c.args[0], request.path); r != 0) return r;
    if (request.path.empty()) return -ENOENT;
    return execute(c, std::move(request), c.args[1], c.args[2]);
}

long execveat(Call& c) {
    constexpr std::uint64_t kKnown = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;
    const std::uint64_t flags = c.args[4];
    if ((flags & ~kKnown) != 0) return -EINVAL;
    ExecRequest request;
    FileTable& files = files_of(c.process());
    request.directory = files.directory;
    if (const long r = read_path(c.mm(), c.args[1], request.path); r != 0) return r;
    if (request.path.empty() && (flags & AT_EMPTY_PATH) == 0) return -ENOENT;
    if (c.fd(0) != AT_FDCWD && !request.path.starts_with('/')) {
        const auto file = files.get(c.fd(0));
        if (file == nullptr) return -EBADF;
        if (!request.path.empty()) {
            if (file->directory() == nullptr) return -ENOTDIR;
            request.directory = *file->directory();
        } else if (OpenedFile* opened = file->opened(); opened != nullptr) {
            request.path = opened->path; // a file that was renamed meanwhile is not found
        } else {
            return -EACCES;
        }
    }
    if ((flags & AT_SYMLINK_NOFOLLOW) != 0) {
        const auto where = c.system.sandbox().resolve(request.directory, request.path, LastLink::keep);
        if (where && where->exists() && S_ISLNK(where->st.st_mode)) return -ELOOP;
    }
    return execute(c, std::move(request), c.args[2], c.args[3]);
}

int exit_status(std::uint64_t code) { return static_cast<int>(code & 0xff) << 8; }

long exit_thread(Call& c) {
    c.kernel.exit(c.task, exit_status(c.args[0]), false);
    return 0;
}

long exit_group(Call& c) {
    c.kernel.exit(c.task, exit_status(c.args[0]), true);
    return 0;
}

/// Which children a call waits for: a pid, or a process group, or any.
struct Whom {
    int pid = 0, group = 0;
    [[nodiscard]] bool meant(const Process& p) const {
        return (pid == 0 || p.pid == pid) && (group == 0 || p.group == group);
    }
};

/// What a call waits for, and what it found: WEXITED, WSTOPPED or WCONTINUED.
struct Found {
    Process* child = nullptr;
    int news = 0;
    bool any = false; ///< there are children of whom there may be news some day
};

Found look(const Process& parent, const Whom& whom, std::uint64_t wanted) {
    Found f;
    for (Process* child : parent.children) {
        if (!whom.meant(*child)) continue;
        f.any |= !child->zombie || (wanted & WEXITED) != 0;
        f.news = child->zombie && (wanted & WEXITED) != 0           ? WEXITED
                 : child->stop_news && (wanted & WSTOPPED) != 0     ? WSTOPPED
                 : child->resume_news && (wanted & WCONTINUED) != 0 ? WCONTINUED
                                                                    : 0;
        if (f.news == 0) continue;
        f.child = child;
        return f;
    }
    return f;
}

/// The next child of those of whom there is news; none with 0 for WNOHANG, or with a negative errno.
Path<long> await_child(Call& c, Whom whom, std::uint64_t wanted, bool hang, Found& out) {
    Wake why = Wake::woken;
    for (;;) {
        out = look(c.process(), whom, wanted);
        if (out.child != nullptr) co_return 0;
        if (!out.any) co_return -ECHILD;
        if (!hang) co_return 0;
        // SIGCHLD itself may be what interrupts: the child is there then, and has been found.
        if (why == Wake::signal) co_return c.interrupted();
        why = co_await c.kernel.sleep(c.task, &c.kernel.child_queue());
    }
}

void reap(Call& c, Process& child) {
    ProcessState& own = state_of(c.process());
    own.children_user += child.user_time + state_of(child).children_user;
    c.kernel.reap(child);
}

/// The news has been told: it is not told again, and a child that has ended is gone.
void take_news(Call& c, const Found& f) {
    if (f.news == WSTOPPED) f.child->stop_news = false;
    if (f.news == WCONTINUED) f.child->resume_news = false;
    if (f.news == WEXITED) reap(c, *f.child);
}

Path<long> wait4(Call& c) {
    constexpr std::uint64_t kKnown = WNOHANG | WUNTRACED | WCONTINUED | __WALL | __WCLONE | __WNOTHREAD;
    if ((c.args[2] & 0xffffffff & ~kKnown) != 0) co_return -EINVAL;
    const int pid = static_cast<int>(c.args[0]);
    if (pid == std::numeric_limits<int>::min()) co_return -ESRCH;
    Whom whom;
    if (pid > 0) whom.pid = pid;
    if (pid == 0) whom.group = c.process().group;
    if (pid < -1) whom.group = -pid;
    const std::uint64_t wanted = WEXITED | (c.args[2] & (WUNTRACED | WCONTINUED));
    Found found;
    if (const long r = co_await await_child(c, whom, wanted, (c.args[2] & WNOHANG) == 0, found); r != 0) co_return r;
    if (found.child == nullptr) co_return 0;
    const int id = found.child->pid;
    constexpr std::int32_t kStopped = 0x7f, kContinued = 0xffff;
    const std::int32_t status = found.news == WEXITED    ? found.child->exit_status
                                : found.news == WSTOPPED ? found.child->stop_signal << 8 | kStopped
                                                         : kContinued;
    const Usage usage = usage_of(c.kernel, found.child->user_time + state_of(*found.child).children_user);
    take_news(c, found);
    if (c.args[1] != 0 && !c.mm().put(c.args[1], status)) co_return -EFAULT;
    if (c.args[3] != 0 && !c.mm().put(c.args[3], usage)) co_return -EFAULT;
    co_return id;
}

/// siginfo_t as waitid fills it in.
struct ChildInfo {
    std::int32_t signo, error, code, pad, pid, uid, status, pad2;
    std::uint8_t rest[96];
};
static_assert(sizeof(ChildInfo) == 128);

Path<long> waitid(Call& c) {
    constexpr std::uint64_t kKnown =
        WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | __WALL | __WCLONE | __WNOTHREAD;
    const std::uint64_t options = c.args[3];
    if ((options & ~kKnown) != 0 || (options & (WEXITED | WSTOPPED | WCONTINUED)) == 0) co_return -EINVAL;
    const int id = static_cast<int>(c.args[1]);
    bool look_only = false; ///< a process descriptor that does not wait
    Whom whom;
    switch (static_cast<int>(c.args[0])) {
    case P_ALL:
        break;
    case P_PID:
        if (id <= 0) co_return -EINVAL;
        whom.pid = id;
        break;
    case P_PGID:
        if (id < 0) co_return -EINVAL;
        whom.group = id == 0 ? c.process().group : id;
        break;
    case P_PIDFD: {
        const auto pid = pid_of(c, id);
        if (!pid) co_return pid.error();
        whom.pid = *pid;
        look_only = (files_of(c.process()).get(id)->flags & O_NONBLOCK) != 0;
        break;
    }
    default:
        co_return -EINVAL;
    }
    Found found;
    const std::uint64_t wanted = options & (WEXITED | WSTOPPED | WCONTINUED);
    if (const long r = co_await await_child(c, whom, wanted, (options & WNOHANG) == 0 && !look_only, found); r != 0)
        co_return r;
    if (found.child == nullptr && look_only) co_return -EAGAIN;
    ChildInfo info{};
    Usage usage{};
    if (Process* child = found.child; child != nullptr) {
        const bool exited = (child->exit_status & 0x7f) == 0;
        info.signo = sig::chld;
        info.pid = child->pid;
        info.code = found.news == WSTOPPED     ? CLD_STOPPED
                    : found.news == WCONTINUED ? CLD_CONTINUED
                    : exited                   ? CLD_EXITED
                                               : CLD_KILLED;
        info.status = found.news == WSTOPPED     ? child->stop_signal
                      : found.news == WCONTINUED ? sig::cont
                      : exited                   ? child->exit_status >> 8
                                                 : child->exit_status & 0x7f;
        usage = usage_of(c.kernel, child->user_time + state_of(*child).children_user);
        if ((options & WNOWAIT) == 0) take_news(c, found);
    }
    if (c.args[2] != 0 && !c.mm().put(c.args[2], info)) co_return -EFAULT;
    if (c.args[4] != 0 && found.child != nullptr && !c.mm().put(c.args[4], usage)) co_return -EFAULT;
    co_return 0;
}

constexpr SyscallInfo kCalls[] = {
    {SYS_execve, "execve", "saa", "full", execve},
    {SYS_exit, "exit", "i", "full", exit_thread},
    {SYS_wait4, "wait4", "ipip", "full", nullptr, wait4},
    {SYS_exit_group, "exit_group", "i", "full", exit_group},
    {SYS_waitid, "waitid", "iipip", "full", nullptr, waitid},
    {SYS_execveat, "execveat", "fsaai", "full", execveat},
};

} // namespace

std::span<const SyscallInfo> process_calls() { return kCalls; }

} // namespace trapline
