// The life of a process: execve, exit, wait.
#include "loader/exec.hpp"
#include "loader/files/file_table.hpp"
#include "loader/process_state.hpp"
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"
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
    for (auto& [id, timer] : s.timers) arm(c.kernel, c.process(), timer, kNever, 0);
    s.timers.clear();
    s.executed = true;
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

struct Found {
    Process* zombie = nullptr;
    bool any = false;
};

Found look(const Process& parent, const Whom& whom) {
    Found f;
    for (Process* child : parent.children)
        if (whom.meant(*child)) {
            f.any = true;
            if (child->zombie) {
                f.zombie = child;
                return f;
            }
        }
    return f;
}

/// The next child of those that has ended; nullptr with 0 for WNOHANG, or with a negative errno.
Path<long> await_child(Call& c, Whom whom, bool hang, Process*& out) {
    for (;;) {
        const Found f = look(c.process(), whom);
        out = f.zombie;
        if (f.zombie != nullptr) co_return 0;
        if (!f.any) co_return -ECHILD;
        if (!hang) co_return 0;
        if (co_await c.kernel.sleep(c.task, &c.kernel.child_queue()) == Wake::signal) {
            // SIGCHLD itself may be what interrupts: the child is there, so say so.
            const Found again = look(c.process(), whom);
            out = again.zombie;
            co_return again.zombie != nullptr ? 0 : c.interrupted();
        }
    }
}

void reap(Call& c, Process& child) {
    ProcessState& own = state_of(c.process());
    own.children_user += user_time(child) + state_of(child).children_user;
    c.kernel.reap(child);
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
    Process* child = nullptr;
    if (const long r = co_await await_child(c, whom, (c.args[2] & WNOHANG) == 0, child); r != 0) co_return r;
    if (child == nullptr) co_return 0;
    const int id = child->pid;
    const std::int32_t status = child->exit_status;
    const Usage usage = usage_of(c.kernel, user_time(*child) + state_of(*child).children_user);
    reap(c, *child);
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
    default:
        co_return -EINVAL;
    }
    Process* child = nullptr;
    if (const long r = co_await await_child(c, whom, (options & WNOHANG) == 0, child); r != 0) co_return r;
    ChildInfo info{};
    Usage usage{};
    if (child != nullptr) {
        const bool exited = (child->exit_status & 0x7f) == 0;
        const bool dumped = (child->exit_status & 0x80) != 0;
        info.signo = sig::chld;
        info.code = exited ? CLD_EXITED : dumped ? CLD_DUMPED : CLD_KILLED;
        info.pid = child->pid;
        info.status = exited ? child->exit_status >> 8 : child->exit_status & 0x7f;
        usage = usage_of(c.kernel, user_time(*child) + state_of(*child).children_user);
        if ((options & WNOWAIT) == 0) reap(c, *child);
    }
    if (c.args[2] != 0 && !c.mm().put(c.args[2], info)) co_return -EFAULT;
    if (c.args[4] != 0 && child != nullptr && !c.mm().put(c.args[4], usage)) co_return -EFAULT;
    co_return 0;
}

constexpr std::string_view kNoStops = "partial: children that stop or go on are not reported";
constexpr SyscallInfo kCalls[] = {
    {SYS_execve, "execve", "spp", "full", execve},
    {SYS_exit, "exit", "i", "full", exit_thread},
    {SYS_wait4, "wait4", "ipip", kNoStops, nullptr, wait4},
    {SYS_exit_group, "exit_group", "i", "full", exit_group},
    {SYS_waitid, "waitid", "iipip", kNoStops, nullptr, waitid},
    {SYS_execveat, "execveat", "fsppi", "full", execveat},
};

} // namespace

std::span<const SyscallInfo> process_calls() { return kCalls; }

} // namespace trapline
