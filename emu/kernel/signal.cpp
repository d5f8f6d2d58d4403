// Sending, choosing and delivering signals. The frame is Linux's struct rt_sigframe for x86-64.
#include "emu/kernel/signal.hpp"

#include "emu/check.hpp"
#include "emu/kernel/kernel.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace trapline {
namespace {

enum class Default : std::uint8_t { terminate, ignore, stop, resume };

Default default_action(int signo) {
    switch (signo) {
    case sig::chld:
    case sig::urg:
    case sig::winch:
        return Default::ignore;
    case sig::cont:
        return Default::resume;
    case sig::stop:
    case sig::tstp:
    case sig::ttin:
    case sig::ttou:
        return Default::stop;
    default:
        return Default::terminate;
    }
}

} // namespace

void PendingSignals::add(const SigInfo& info) {
    constexpr int kFirstRealtime = 32;
    if (info.signo < kFirstRealtime && (set_ & sig::bit(info.signo)) != 0) return;
    queue_.push_back(info);
    set_ |= sig::bit(info.signo);
}

std::optional<SigInfo> PendingSignals::take(std::uint64_t blocked) {
    std::uint64_t ready = set_ & ~(blocked & ~sig::unblockable);
    if (ready == 0) return std::nullopt;
    // Faults first, then by number (kernel/signal.c: SYNCHRONOUS_MASK, by behaviour).
    constexpr std::uint64_t kSynchronous = sig::bit(sig::segv) | sig::bit(sig::bus) | sig::bit(sig::ill) |
                                           sig::bit(sig::trap) | sig::bit(sig::fpe) | sig::bit(sig::sys);
    if ((ready & kSynchronous) != 0) ready &= kSynchronous;
    const int signo = std::countr_zero(ready) + 1;
    auto it = std::find_if(queue_.begin(), queue_.end(), [&](const SigInfo& i) { return i.signo == signo; });
    SigInfo info = *it;
    queue_.erase(it);
    if (std::none_of(queue_.begin(), queue_.end(), [&](const SigInfo& i) { return i.signo == signo; }))
        set_ &= ~sig::bit(signo);
    return info;
}

void PendingSignals::remove(std::uint64_t set) {
    std::erase_if(queue_, [&](const SigInfo& i) { return (sig::bit(i.signo) & set) != 0; });
    set_ &= ~set;
}

bool Kernel::ends_sleep(const Task& t) const {
    return has_signal(t) ||
           ((t.pending.set() | (t.process != nullptr ? t.process->pending.set() : 0)) & t.awaited_signals) != 0;
}

/// A sleeping task that may take the signal wakes up.
void Kernel::notify(Task& t) {
    if (t.state == Task::State::blocked && t.interruptible && ends_sleep(t)) wake(t, Wake::signal);
}

namespace {
constexpr std::uint64_t kStops = sig::bit(sig::stop) | sig::bit(sig::tstp) | sig::bit(sig::ttin) | sig::bit(sig::ttou);

bool is_ignored(const Process& p, int signo) {
    const SigAction& a = p.actions[static_cast<std::size_t>(signo)];
    return a.handler == sig::handler_ignore ||
           (a.handler == sig::handler_default && default_action(signo) == Default::ignore);
}
} // namespace

/// A stop and a continuation undo each other, also while they are pending (kernel/signal.c, prepare_signal).
void Kernel::prepare(Process& p, int signo) {
    const bool stops = (sig::bit(signo) & kStops) != 0;
    if (stops || signo == sig::cont) {
        const std::uint64_t undone = stops ? sig::bit(sig::cont) : kStops;
        p.pending.remove(undone);
        for (Task* t : p.tasks) t->pending.remove(undone);
    }
    if (signo == sig::cont || signo == sig::kill) continue_process(p, signo == sig::cont);
}

void Kernel::send(Process& p, const SigInfo& info) {
    if (p.zombie) return;
    prepare(p, info.signo);
    const bool everybody_blocks = std::all_of(p.tasks.begin(), p.tasks.end(), [&](const Task* t) {
        return (t->blocked_signals & sig::bit(info.signo)) != 0;
    });
    if (is_ignored(p, info.signo) && !everybody_blocks) return;
    p.pending.add(info);
    if (syscalls_ != nullptr) syscalls_->signal_pending(p);
    // The main thread if it will take it, else the first that will (kernel/signal.c, complete_signal).
    for (Task* t : p.tasks)
        if ((t->blocked_signals & ~t->awaited_signals & ~sig::unblockable & sig::bit(info.signo)) == 0)
            return notify(*t);
}

void Kernel::send(Task& t, const SigInfo& info) {
    prepare(*t.process, info.signo);
    if (is_ignored(*t.process, info.signo) && (t.blocked_signals & sig::bit(info.signo)) == 0) return;
    t.pending.add(info);
    if (syscalls_ != nullptr) syscalls_->signal_pending(*t.process);
    notify(t);
}

std::optional<SigInfo> Kernel::take_signal(Task& t, std::uint64_t set) {
    for (PendingSignals* queue : {&t.pending, &t.process->pending}) {
        // SIGKILL passes every mask; only who delivers signals may take it.
        if ((queue->set() & set) == 0 || (queue->set() & sig::unblockable & ~set) != 0) continue;
        std::optional<SigInfo> info = queue->take(~set);
        if (info && syscalls_ != nullptr) syscalls_->signal_taken(*t.process, *info);
        return info;
    }
    return std::nullopt;
}

void Kernel::force(Task& t, SigInfo info) {
    SigAction& a = t.process->actions[static_cast<std::size_t>(info.signo)];
    const bool blocked = (t.blocked_signals & sig::bit(info.signo)) != 0;
    if (blocked || a.handler == sig::handler_ignore) {
        a.handler = sig::handler_default;
        t.blocked_signals &= ~sig::bit(info.signo);
    }
    t.pending.add(info);
}

/// No core files are written, so the wait status never says so (bit 7): as Linux with RLIMIT_CORE 0.
void Kernel::terminate(Task& t, int signo) { exit(t, signo, true); }

/// The task is off its CPU until its process goes on.
void Kernel::halt(Task& t) {
    scheduler_.leave(t);
    t.state = Task::State::stopped;
    switch_wanted_ |= &t == current_;
    if (t.held != nullptr) wake(*t.held);
}

/// Tasks in user mode stop now, those on a kernel path when it ends or when they are woken.
void Kernel::stop_process(Process& p, int signo) {
    if (p.stop_signal != 0) return;
    p.stop_signal = signo;
    p.stop_news = true;
    p.resume_news = false;
    for (Task* t : p.tasks)
        if (t->state == Task::State::ready && !t->path.valid()) halt(*t);
    report_child(p, sig::cld_stopped, signo);
}

void Kernel::continue_process(Process& p, bool tell) {
    if (std::exchange(p.stop_signal, 0) == 0) return;
    p.stop_news = false;
    for (Task* t : p.tasks)
        if (t->state == Task::State::stopped) make_ready(*t);
    if (!tell) return;
    p.resume_news = true;
    report_child(p, sig::cld_continued, sig::cont);
}

/// SIGCHLD for a child that stopped or goes on, and a look for those who wait for it.
void Kernel::report_child(Process& p, int code, int status) {
    if (p.parent == nullptr) return;
    if ((p.parent->actions[sig::chld].flags & sig::sa_nocldstop) == 0) {
        SigInfo info;
        info.signo = sig::chld;
        info.code = code;
        info.pid = p.pid;
        info.status = status;
        send(*p.parent, info);
    }
    wake(child_queue_);
}

/// Nobody outside of the group, but in its session, is a parent in it: nobody would continue a stopped member.
bool Kernel::orphaned(int group) const {
    return std::none_of(processes_.begin(), processes_.end(), [&](const auto& e) {
        const Process& p = *e.second;
        return p.group == group && !p.zombie && p.parent != nullptr && p.parent->group != group &&
               p.parent->session == p.session && !p.parent->zombie;
    });
}

/// The process becomes a zombie. That may leave stopped ones to nobody: they are told and go on (POSIX, _Exit).
void Kernel::leave_groups(Process& gone) {
    std::vector<int> held;
    if (!orphaned(gone.group)) held.push_back(gone.group);
    for (const Process* c : gone.children)
        if (std::find(held.begin(), held.end(), c->group) == held.end() && !orphaned(c->group))
            held.push_back(c->group);
    gone.zombie = true;
    gone.stop_signal = 0;
    gone.stop_news = gone.resume_news = false;
    for (int group : held) {
        if (!orphaned(group)) continue;
        std::vector<Process*> members;
        for (const auto& [pid, p] : processes_)
            if (p->group == group && !p->zombie) members.push_back(p.get());
        if (std::none_of(members.begin(), members.end(), [](const Process* p) { return p->stop_signal != 0; }))
            continue;
        for (int signo : {sig::hup, sig::cont})
            for (Process* p : members) {
                SigInfo info;
                info.signo = signo;
                info.code = sig::kernel;
                send(*p, info);
            }
    }
}

void Kernel::deliver(Task& t) {
    if (observer_ != nullptr && observer_->holds_signals(t)) return;
    Process& p = *t.process;
    // A call that a signal cut short starts again unless a handler without SA_RESTART runs (ERESTARTSYS).
    auto restart = [&] {
        if (!std::exchange(t.restart_syscall, false)) return;
        set(t, Reg::rax, t.restart_number);
        set(t, Reg::rip, get(t, Reg::rip) - 2);
    };
    for (;;) {
        std::optional<SigInfo> info = take_signal(t, ~t.blocked_signals | sig::unblockable);
        if (!info) {
            restart();
            if (std::exchange(t.restore_mask, false)) t.blocked_signals = t.saved_mask;
            return;
        }
        SigAction& a = p.actions[static_cast<std::size_t>(info->signo)];
        note(t, Step::signal, static_cast<std::uint64_t>(info->signo), info->address, signal_name(info->signo));
        if (a.handler == sig::handler_ignore) continue;
        if (a.handler == sig::handler_default) {
            switch (default_action(info->signo)) {
            case Default::ignore:
            case Default::resume:
                continue;
            case Default::stop:
                // Nobody would continue a process that a terminal's signal stopped in an orphaned group.
                if (info->signo != sig::stop && orphaned(p.group)) continue;
                return stop_process(p, info->signo); // a call that was cut short starts again, or not, afterwards
            case Default::terminate:
                return terminate(t, info->signo);
            }
        }
        if ((a.flags & sig::sa_restart) != 0 && t.restart_past_handler) restart();
        t.restart_syscall = false;
        t.restart_deadline = 0;
        const SigAction action = a;
        if ((a.flags & sig::sa_resethand) != 0) a = SigAction{};
        if (observer_ != nullptr) observer_->before_signal_frame(t);
        if (!push_frame(t, *info, action)) return terminate(t, sig::segv);
        t.restore_mask = false;
        t.blocked_signals |= action.mask & ~sig::unblockable;
        if ((action.flags & sig::sa_nodefer) == 0) t.blocked_signals |= sig::bit(info->signo);
    }
}

std::string_view signal_name(int signo) {
    static constexpr std::array<std::string_view, 32> kNames = {
        "SIG0",      "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
    return signo >= 0 && signo < 32 ? kNames[static_cast<std::size_t>(signo)] : "SIGRT";
}

} // namespace trapline
