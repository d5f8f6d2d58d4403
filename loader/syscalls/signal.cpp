// Signals: actions, masks, sending, waiting. Choosing and delivering is the kernel's: emu/kernel/signal.cpp.
#include "loader/syscalls/clock.hpp"
#include "loader/syscalls/families.hpp"
#include "loader/syscalls/send_signal.hpp"

#include <cerrno>
#include <cstring>
#include <signal.h>
#include <sys/syscall.h>

namespace trapline {
namespace {

constexpr std::uint64_t kSetBytes = 8; // sizeof(sigset_t) as the kernel has it
constexpr std::uint64_t kMaySet = ~sig::unblockable;

bool valid(std::uint64_t signo) { return static_cast<int>(signo) >= 1 && static_cast<int>(signo) <= sig::count; }

bool ignored_by_default(int signo) {
    return signo == sig::chld || signo == sig::urg || signo == sig::winch || signo == sig::cont;
}

/// struct sigaction as the kernel has it.
struct GuestAction {
    Addr handler;
    std::uint64_t flags;
    Addr restorer;
    std::uint64_t mask;
};

long rt_sigaction(Call& c) {
    const int signo = static_cast<int>(c.args[0]);
    if (c.args[3] != kSetBytes || !valid(c.args[0])) return -EINVAL;
    SigAction& a = c.process().actions[static_cast<std::size_t>(signo)];
    const GuestAction old{a.handler, a.flags, a.restorer, a.mask};
    if (c.args[1] != 0) {
        GuestAction fresh{};
        if (!c.mm().get(c.args[1], fresh)) return -EFAULT;
        if ((sig::bit(signo) & sig::unblockable) != 0) return -EINVAL;
        a = {fresh.handler, fresh.flags, fresh.restorer, fresh.mask & kMaySet};
        // A signal that is ignored from now on is not pending any more (POSIX, sigaction).
        if (a.handler == sig::handler_ignore || (a.handler == sig::handler_default && ignored_by_default(signo))) {
            c.process().pending.remove(sig::bit(signo));
            for (Task* t : c.process().tasks) t->pending.remove(sig::bit(signo));
        }
    }
    return c.args[2] == 0 || c.mm().put(c.args[2], old) ? 0 : -EFAULT;
}

long rt_sigprocmask(Call& c) {
    if (c.args[3] != kSetBytes) return -EINVAL;
    const std::uint64_t old = c.task.blocked_signals;
    if (c.args[1] != 0) {
        std::uint64_t set = 0;
        if (!c.mm().get(c.args[1], set)) return -EFAULT;
        switch (static_cast<int>(c.args[0])) {
        case SIG_BLOCK:
            set = old | set;
            break;
        case SIG_UNBLOCK:
            set = old & ~set;
            break;
        case SIG_SETMASK:
            break;
        default:
            return -EINVAL;
        }
        c.task.blocked_signals = set & kMaySet;
    }
    return c.args[2] == 0 || c.mm().put(c.args[2], old) ? 0 : -EFAULT;
}

long rt_sigpending(Call& c) {
    if (c.args[1] > kSetBytes) return -EINVAL;
    const std::uint64_t set = (c.task.pending.set() | c.process().pending.set()) & c.task.blocked_signals;
    return c.mm().write(c.args[0], &set, c.args[1]) ? 0 : -EFAULT;
}

Path<long> rt_sigsuspend(Call& c) {
    if (c.args[1] != kSetBytes) co_return -EINVAL;
    std::uint64_t set = 0;
    if (!c.mm().get(c.args[0], set)) co_return -EFAULT;
    if (!c.task.restore_mask) c.task.saved_mask = c.task.blocked_signals;
    c.task.restore_mask = true; // by the handler's frame, or on the way back if none runs
    c.task.blocked_signals = set & kMaySet;
    (void)co_await c.kernel.sleep(c.task, nullptr);
    co_return c.interrupted_for_good();
}

Path<long> pause(Call& c) {
    (void)co_await c.kernel.sleep(c.task, nullptr);
    co_return c.interrupted_for_good();
}

long rt_sigreturn(Call& c) {
    c.sets_result = false;
    c.kernel.sigreturn(c.task);
    return 0;
}

struct Sender {
    std::int32_t pid, uid;
    std::uint64_t value;
};

/// siginfo_t: the members that signals sent by system calls have.
struct GuestInfo {
    std::int32_t signo, error, code, pad;
    union {
        Sender sender;
        Addr address;
    };
    std::uint8_t rest[96];
};
static_assert(sizeof(GuestInfo) == 128);

GuestInfo guest_info(const SigInfo& i) {
    GuestInfo g{};
    g.signo = i.signo;
    g.code = i.code;
    if (i.fault) {
        g.address = i.address;
    } else {
        g.sender = {i.pid, i.uid, i.signo == sig::chld ? static_cast<std::uint32_t>(i.status) : i.value};
    }
    return g;
}

Path<long> rt_sigtimedwait(Call& c) {
    if (c.args[3] != kSetBytes) co_return -EINVAL;
    std::uint64_t set = 0;
    if (!c.mm().get(c.args[0], set)) co_return -EFAULT;
    set &= kMaySet;
    Cycles deadline = kNever;
    if (c.args[2] != 0) {
        GuestTime time;
        if (!c.mm().get(c.args[2], time)) co_return -EFAULT;
        const auto ns = from_timespec(time);
        if (!ns) co_return -EINVAL;
        deadline = deadline_in(c.kernel, c.task, *ns);
        if (*ns == 0) deadline = 0;
    }
    std::optional<SigInfo> info = c.kernel.take_signal(c.task, set);
    if (!info && deadline != 0) {
        c.task.awaited_signals = set;
        const Wake why = co_await c.kernel.sleep(c.task, nullptr, deadline);
        c.task.awaited_signals = 0;
        info = c.kernel.take_signal(c.task, set);
        if (!info && why == Wake::signal) co_return -EINTR;
    }
    if (!info) co_return -EAGAIN;
    if (c.args[1] != 0 && !c.mm().put(c.args[1], guest_info(*info))) co_return -EFAULT;
    co_return info->signo;
}

SigInfo from_user(const Call& c, int signo, int code) {
    SigInfo i;
    i.signo = signo;
    i.code = code;
    i.pid = c.process().pid;
    return i;
}

long kill(Call& c) {
    const int pid = static_cast<int>(c.args[0]), signo = static_cast<int>(c.args[1]);
    if (signo != 0 && !valid(c.args[1])) return -EINVAL;
    std::vector<Process*> targets;
    for (const auto& [id, p] : c.kernel.processes()) {
        const bool meant = pid > 0     ? id == pid
                           : pid == 0  ? p->group == c.process().group
                           : pid == -1 ? p.get() != &c.process()
                                       : p->group == -pid;
        if (meant) targets.push_back(p.get());
    }
    if (targets.empty()) return -ESRCH;
    if (signo != 0)
        for (Process* p : targets) c.kernel.send(*p, from_user(c, signo, sig::user));
    return 0;
}

long send_to_thread(Call& c, int group, int tid, const SigInfo& info) {
    if (tid <= 0) return -EINVAL;
    if (info.signo < 0 || info.signo > sig::count) return -EINVAL;
    Task* t = c.kernel.task(tid);
    if (t == nullptr || (group != 0 && t->process->pid != group)) return -ESRCH;
    if (info.signo != 0) c.kernel.send(*t, info);
    return 0;
}

long tkill(Call& c) {
    return send_to_thread(c, 0, static_cast<int>(c.args[0]), from_user(c, static_cast<int>(c.args[1]), sig::tkill));
}

long tgkill(Call& c) {
    const int group = static_cast<int>(c.args[0]);
    if (group <= 0) return -EINVAL;
    return send_to_thread(c, group, static_cast<int>(c.args[1]), from_user(c, static_cast<int>(c.args[2]), sig::tkill));
}

/// The info that a program made up: it may not look as if the kernel had sent it to somebody else.
long read_info(const Call& c, Addr at, int signo, int to, SigInfo& out) {
    GuestInfo g{};
    if (!c.mm().get(at, g)) return -EFAULT;
    if ((g.code >= 0 || g.code == sig::tkill) && to != c.process().pid) return -EPERM;
    out.signo = signo;
    out.code = g.code;
    out.pid = g.sender.pid;
    out.uid = g.sender.uid;
    out.value = g.sender.value;
    return 0;
}

long rt_sigqueueinfo(Call& c) {
    if (!valid(c.args[1])) return -EINVAL;
    Process* p = c.kernel.process(static_cast<int>(c.args[0]));
    if (p == nullptr) return -ESRCH;
    return send_described(c, *p, static_cast<int>(c.args[1]), c.args[2]);
}

long rt_tgsigqueueinfo(Call& c) {
    const int group = static_cast<int>(c.args[0]);
    if (group <= 0 || !valid(c.args[2])) return -EINVAL;
    SigInfo info;
    if (const long r = read_info(c, c.args[3], static_cast<int>(c.args[2]), group, info); r != 0) return r;
    return send_to_thread(c, group, static_cast<int>(c.args[1]), info);
}

/// stack_t.
struct GuestStack {
    Addr sp;
    std::int32_t flags, pad;
    std::uint64_t size;
};

long sigaltstack(Call& c) {
    SignalStack& s = c.task.alt_stack;
    const Addr sp = c.kernel.get(c.task, Reg::rsp);
    const bool on_it = (s.flags & SS_DISABLE) == 0 && sp > s.sp && sp - s.sp <= s.size;
    const GuestStack old{s.sp, on_it ? SS_ONSTACK : s.flags, 0, s.size};
    if (c.args[0] != 0) {
        GuestStack fresh{};
        if (!c.mm().get(c.args[0], fresh)) return -EFAULT;
        if (on_it) return -EPERM;
        if (fresh.flags != 0 && fresh.flags != SS_ONSTACK && fresh.flags != SS_DISABLE) return -EINVAL;
        constexpr std::uint64_t kLeast = 2048; // MINSIGSTKSZ
        if (fresh.flags == SS_DISABLE)
            s = SignalStack{};
        else if (fresh.size < kLeast)
            return -ENOMEM;
        else
            s = {fresh.sp, fresh.size, 0};
    }
    return c.args[1] == 0 || c.mm().put(c.args[1], old) ? 0 : -EFAULT;
}

constexpr SyscallInfo kCalls[] = {
    {SYS_rt_sigaction, "rt_sigaction", "Sppu", "full", rt_sigaction},
    {SYS_rt_sigprocmask, "rt_sigprocmask", "ippu", "full", rt_sigprocmask},
    {SYS_rt_sigreturn, "rt_sigreturn", "", "full", rt_sigreturn},
    {SYS_pause, "pause", "", "full", nullptr, pause},
    {SYS_kill, "kill", "iS", "full", kill},
    {SYS_rt_sigpending, "rt_sigpending", "pu", "full", rt_sigpending},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", "ppTu", "full", nullptr, rt_sigtimedwait},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", "iSp", "full", rt_sigqueueinfo},
    {SYS_rt_sigsuspend, "rt_sigsuspend", "pu", "full", nullptr, rt_sigsuspend},
    {SYS_sigaltstack, "sigaltstack", "pp", "partial: no SS_AUTODISARM", sigaltstack},
    {SYS_tkill, "tkill", "iS", "full", tkill},
    {SYS_tgkill, "tgkill", "iiS", "full", tgkill},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", "iiSp", "full", rt_tgsigqueueinfo},
};

} // namespace

long send_described(Call& c, Process& p, int signo, Addr described) {
    if (signo < 0 || signo > sig::count) return -EINVAL;
    SigInfo info = from_user(c, signo, sig::user);
    if (described != 0)
        if (const long r = read_info(c, described, signo, p.pid, info); r != 0) return r;
    if (signo != 0) c.kernel.send(p, info);
    return 0;
}

std::span<const SyscallInfo> signal_calls() { return kCalls; }

} // namespace trapline
