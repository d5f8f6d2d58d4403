// Running: from the scheduler's choice to user mode, into a kernel path, and out again.
#include "emu/kernel/kernel.hpp"

#include "emu/check.hpp"

#include <algorithm>

namespace trapline {
namespace {

/// Instructions between two looks at the host's wish to stop: some 20 milliseconds.
constexpr std::uint64_t kHostSlice = 30'000'000;

/// The page of three old system calls, which programs of before 2012 call: nothing is mapped there, and Linux serves
/// the call (arch/x86/entry/vsyscall/vsyscall_64.c, "xonly"). True: the task is back where it called from, the number
/// in RAX.
bool enter_vsyscall(Kernel& kernel, Task& t, Addr rip) {
    constexpr Addr kPage = 0xffffffffff600000, kEach = 1024;
    constexpr std::uint64_t kNumbers[] = {96, 201, 309}; // gettimeofday, time, getcpu
    const std::uint64_t which = (rip - kPage) / kEach;
    if (rip < kPage || which >= std::size(kNumbers) || rip % kEach != 0) return false;
    std::uint64_t caller = 0;
    if (!t.process->mm->get(kernel.get(t, Reg::rsp), caller)) return false;
    kernel.set(t, Reg::rsp, kernel.get(t, Reg::rsp) + sizeof caller);
    kernel.set(t, Reg::rip, caller);
    kernel.set(t, Reg::rax, kNumbers[which]);
    return true;
}

} // namespace

Kernel::Kernel(KernelConfig config, Policy& policy)
    : config_(config), frames_(std::make_unique<Frames>(config.ram)), cpu_(std::make_unique<Cpu>(*frames_)),
      scheduler_(config.cpus, policy), rng_(config.seed) {
    cpu_->set_service(this);
    for (std::size_t s = 0; s < prices_.size(); ++s)
        prices_[s] = config_.cost->parts(all_steps()[s].price, config_.cpus);
    for (std::size_t p = 0; p < pieces_.size(); ++p)
        pieces_[p] = config_.cost->parts(config_.cost->of(static_cast<Price>(p)));
    frames_->on_code_freed([this](FrameNo f) { cpu_->drop_code(f); });
    retired_seen_ = retired_at_event_ = cpu_->retired();
}

Kernel::~Kernel() {
    abandon();
    tasks_.clear();
    processes_.clear();
}

void Kernel::abandon() {
    cpu_->use_idle();
    for (auto& t : tasks_) {                           // first, so that nobody is woken by what the paths let go of
        if (t->queue != nullptr) t->queue->remove(*t); // the queue may live in the path
        t->queue = nullptr;
    }
    for (auto& t : tasks_) {
        t->resume_point = nullptr;
        t->path = {};
    }
    for (auto& [pid, p] : processes_) {
        p->files.reset();
        p->system.reset();
    }
}

bool Kernel::tell(const Task& t, Event& e, const Details* more) {
    e.number = log_.count();
    if (more != nullptr) {
        e.text = more->text;
        e.space = more->space;
    }
    log_.write(e);
    if (!scheduler_.policy().minds_steps()) return false;
    const bool change = scheduler_.policy().switch_after_step(scheduler_, t, e);
    switch_wanted_ |= change;
    return change;
}

std::pair<std::uint64_t, std::uint64_t> Kernel::position() const {
    return {log_.count(), cpu_->retired() - retired_at_event_};
}

void Kernel::load(Task& t) {
    if (loaded_ == &t) return;
    if (loaded_ != nullptr) cpu_->save(*loaded_->context);
    t.process->mm->activate();
    cpu_->load(*t.context);
    loaded_ = &t;
}

void Kernel::park() {
    if (loaded_ != nullptr) cpu_->save(*loaded_->context);
    loaded_ = nullptr;
    cpu_->let_go();
}

void Kernel::set_trap_flag(Task& t, bool on) {
    if (&t == loaded_) return cpu_->set_trap_flag(on);
    const std::uint64_t flags = t.context->get(Reg::eflags);
    t.context->set(Reg::eflags, on ? flags | kFlagTrap : flags & ~kFlagTrap);
}

Kernel::Sleep Kernel::sleep(Task& t, WaitQueue* queue, Cycles deadline, bool interruptible) {
    TL_CHECK(!atomic_, "{} sleeps where nobody else can run", t.name);
    sync_clock();
    t.queue = queue;
    t.interruptible = interruptible;
    t.wake_reason = Wake::woken;
    if (queue != nullptr) queue->add(t);
    if (deadline != ~0ull) t.timer = timers().set(deadline, [this, &t] { wake(t, Wake::timeout); });
    scheduler_.leave(t);
    t.state = Task::State::blocked;
    switch_wanted_ = true;
    if (t.held != nullptr) wake(*t.held);
    if (interruptible && ends_sleep(t)) wake(t, Wake::signal); // it came before the sleep
    return {t};
}

void Kernel::wake(Task& t, Wake reason) {
    if (t.state != Task::State::blocked) return;
    if (t.queue != nullptr) t.queue->remove(t);
    t.queue = nullptr;
    if (t.timer != 0) timers().cancel(t.timer);
    t.timer = 0;
    t.wake_reason = reason;
    make_ready(t);
    note(t, Step::woken, static_cast<std::uint64_t>(reason));
}

void Kernel::make_ready(Task& t) {
    sync_clock();
    const bool stopped = t.process != nullptr && t.process->stop_signal != 0; // it goes on when its process does
    if (stopped || (t.held != nullptr && !t.path.valid())) {
        t.state = Task::State::stopped;
        return;
    }
    if (turn_end_ != ~0ull) turn_end_ = 0; // it was reckoned without this task
    scheduler_.ready(t, current_ != nullptr && current_->alive() ? scheduler_.now(*current_) : scheduler_.global_now());
}

void Kernel::hold(Task& t, WaitQueue& at_rest) {
    t.held = &at_rest;
    if (t.state == Task::State::ready && !t.path.valid()) halt(t);
}

void Kernel::release(Task& t) {
    t.held = nullptr;
    if (t.state == Task::State::stopped) make_ready(t);
}

unsigned Kernel::wake(WaitQueue& q, unsigned n) {
    unsigned woken = 0;
    while (woken < n && !q.empty()) {
        wake(*q.waiters().front());
        ++woken;
    }
    return woken;
}

bool Kernel::run_atomically(Path<bool> path) {
    const bool before = std::exchange(atomic_, true);
    path.handle().resume();
    atomic_ = before;
    TL_CHECK(path.done(), "a path that must not be interrupted was suspended");
    return path.result();
}

/// Runs a root path as far as it goes now. True: it has ended, and the task may go on in user mode.
bool Kernel::begin(Task& t, Path<bool> path) {
    t.path = std::move(path);
    t.resume_point = t.path.handle();
    return go_on(t);
}

bool Kernel::go_on(Task& t) {
    std::exchange(t.resume_point, nullptr).resume();
    if (!t.path.done()) return false;
    const bool taken = t.path.result();
    t.path = {};
    if (!taken) force_trap(t); // the observer did not want the trap: it is the program's
    if (!finish(t)) return false;
    return !std::exchange(t.owes_step, false) || begin_trap(t, vector::debug);
}

/// The way back to user mode: exit, then signals, as in Linux's exit-to-user loop.
bool Kernel::finish(Task& t) {
    if (t.exiting || (t.process != nullptr && t.process->group_exit)) {
        bury(t);
        return false;
    }
    if (t.is_tracer) {
        bury(t);
        return false;
    }
    if (has_signal(t) || t.restart_syscall) deliver(t);
    if (t.state == Task::State::dead) return false;
    if (t.exiting || t.process->group_exit) {
        bury(t);
        return false;
    }
    // It, or all of its process, may have been stopped meanwhile.
    if ((t.process->stop_signal != 0 || t.held != nullptr) && t.state == Task::State::ready) halt(t);
    return t.state == Task::State::ready;
}

bool Kernel::trap(unsigned vec) {
    Task& t = *current_;
    const std::uint64_t retired = cpu_->retired();
    const bool in_place = retired == std::exchange(retired_at_trap_, retired);
    if (in_place) ++traps_in_place_;
    in_trap_ = true;
    const bool served = begin_trap(t, vec);
    in_trap_ = false;
    return served && !switch_wanted_ && !turn_over(t) && !(in_place && traps_in_place_ % kTrapsInPlace == 0);
}

bool Kernel::begin_trap(Task& t, unsigned vec) {
    t.trap_vector = vec;
    if (observer_ != nullptr) {
        Path<bool> path = vec == vector::breakpoint ? observer_->breakpoint(t) : observer_->single_step(t);
        if (path.valid()) return begin(t, std::move(path));
    }
    force_trap(t);
    return finish(t);
}

/// SIGTRAP for the program's own int3 or step. Linux: an int3 comes from the kernel, a step from the flag.
void Kernel::force_trap(Task& t) {
    SigInfo info;
    info.signo = sig::trap;
    info.code = t.trap_vector == vector::breakpoint ? sig::kernel : sig::trap_trace;
    if (t.trap_vector == vector::debug) {
        info.fault = true;
        info.address = get(t, Reg::rip);
    }
    force(t, info);
}

bool Kernel::fetch(Addr va, bool again) {
    Task& t = *current_;
    sync_clock();
    if (config_.watcher) {
        const bool nobody_else = config_.watcher(t, va, again);
        if (stop_requested_) return false;
        if (nobody_else) return true;
    }
    if (!again && scheduler_.policy().switch_before_fetch(scheduler_, t, va)) {
        switch_wanted_ = true;
        return false;
    }
    if (observer_ == nullptr || t.resume_time == t.user_time) return true;
    before_fetch_ = observer_->fetch(t, va);
    return !before_fetch_.valid(); // it runs when the engine has been left
}

void Kernel::run_task(Task& t, const Choice& turn) {
    current_ = &t;
    turn_end_ = turn.until;
    switch_wanted_ = false;
    if (!t.is_tracer) load(t);
    retired_seen_ = cpu_->retired();
    if (t.resume_point) {
        if (!go_on(t) || switch_wanted_) return;
    } else if ((has_signal(t) || t.restart_syscall) && !(observer_ != nullptr && observer_->holds_signals(t))) {
        deliver(t);
        if (!finish(t)) return;
    }
    if (std::exchange(t.owes_step, false) && !begin_trap(t, vector::debug)) return; // it was stopped in between
    const std::uint64_t end = cpu_->retired() + turn.budget;
    while (!switch_wanted_ && !stop_requested_) {
        const std::uint64_t retired = cpu_->retired();
        std::uint64_t left =
            std::min(end > retired ? end - retired : 0, config_.limit - std::min(config_.limit, work_done()));
        // A timer that a call has set since the turn began may be due before its end.
        const Cycles due = timers().next();
        if (due <= scheduler_.global_now()) return;
        if (const Cycles clock = scheduler_.now(t); due > clock) left = std::min(left, due - clock);
        Exit e = cpu_->run(std::min(left, kHostSlice));
        sync_clock();
        if (!t.alive()) return; // of a trap that the engine's callback served, and its process may be gone
        if (t.user_time >= t.cpu_deadline || t.process->user_time >= t.process->cpu_deadline)
            syscalls_->cpu_time_used(t);
        if (e.kind == Exit::Kind::budget && left > kHostSlice) {
            // Nothing has happened in the machine; it is only the host's turn to say that it wants an end.
            (void)host_wants_end();
            continue;
        }
        bool user = true;
        switch (e.kind) {
        case Exit::Kind::budget:
            if (cpu_->retired() < end && cpu_->retired() < config_.limit) return; // it was a timer's turn
            scheduler_.policy().budget_used(scheduler_, t);
            return;
        case Exit::Kind::watch:
            if (!before_fetch_.valid()) return;
            t.resume_time = t.user_time;
            user = begin(t, std::move(before_fetch_));
            break;
        case Exit::Kind::served:
            if (std::exchange(outside_wanted_, false)) {
                user = go_on(t);
                break;
            }
            if (!t.alive() || t.resume_point || t.state != Task::State::ready) return;
            if (switch_wanted_) break;
            // It is somebody else's turn, or it traps again and again and the host may want an end.
            (void)host_wants_end();
            scheduler_.policy().budget_used(scheduler_, t);
            return;
        case Exit::Kind::syscall: {
            const std::uint64_t next = get(t, Reg::rip);
            set(t, Reg::rcx, next);
            set(t, Reg::r11, get(t, Reg::eflags));
            // Else the processor loads TF on the way back and traps behind the next instruction (Linux leaves by iret).
            t.owes_step = e.trap_flag && observer_ != nullptr && observer_->steps_end_behind_calls(t);
            Path<bool> taken = observer_ != nullptr ? observer_->syscall(t) : Path<bool>();
            user = begin(t, taken.valid() ? std::move(taken) : syscalls_->syscall(t));
            break;
        }
        case Exit::Kind::exception:
            user = begin(t, exception(t, e));
            break;
        }
        if (!user || (++exits_ % kTurns == 0 && host_wants_end())) return;
        if (turn_over(t)) {
            scheduler_.policy().budget_used(scheduler_, t);
            return;
        }
    }
}

bool Kernel::emulate_rdtsc(Task& t, Addr rip) {
    std::uint8_t bytes[2] = {};
    // A copy may stand where the program has no right to read (the XOL area is execute-only).
    if (!t.process->mm->force_read(rip, bytes, 2) || bytes[0] != 0x0f || bytes[1] != 0x31) return false;
    const Cycles c = scheduler_.now(t);
    set(t, Reg::rax, c & 0xffffffff);
    set(t, Reg::rdx, c >> 32);
    set(t, Reg::rip, rip + 2);
    t.owes_step = trap_flag(t);
    return true;
}

Path<bool> Kernel::exception(Task& t, Exit e) {
    const Addr rip = get(t, Reg::rip);
    if (observer_ != nullptr) observer_->not_executed(t, rip);
    SigInfo info;
    info.fault = true;
    info.address = rip;
    t.trap_vector = e.vector;
    t.trap_error = e.error_code;
    t.trap_address = e.address;
    switch (e.vector) {
    case vector::page_fault: {
        if (e.address == rip && syscalls_ != nullptr && enter_vsyscall(*this, t, rip))
            co_return co_await syscalls_->syscall(t);
        const Mm::Fault f = t.process->mm->fault(e.address, e.error_code);
        co_await step(t, Step::fault, e.address, static_cast<std::uint64_t>(f));
        if (f == Mm::Fault::handled) co_return true;
        info.signo = f == Mm::Fault::bus ? sig::bus : sig::segv;
        info.code = f == Mm::Fault::accerr ? sig::segv_accerr
                    : f == Mm::Fault::bus  ? sig::bus_adrerr
                                           : sig::segv_maperr;
        info.address = e.address;
        if (f == Mm::Fault::out_of_memory) info.signo = sig::kill; // what the kernel's OOM killer would do
        break;
    }
    case vector::divide:
        info.signo = sig::fpe;
        info.code = sig::fpe_intdiv;
        break;
    case vector::x87:
    case vector::simd:
        info.signo = sig::fpe;
        info.code = 8; // FPE_FLTUNK: the engine does not raise the flags that would tell more
        break;
    case vector::invalid_opcode:
        info.signo = sig::ill;
        info.code = sig::ill_opn;
        break;
    case vector::alignment:
        info.signo = sig::bus;
        info.code = 1; // BUS_ADRALN
        break;
    default:
        if (e.vector == vector::general_protection && emulate_rdtsc(t, rip)) co_return true;
        // #GP: a privileged instruction, a non-canonical address, int n, which has no gate here.
        if (e.vector >= 32) set(t, Reg::rip, rip - 2);
        info.signo = sig::segv;
        info.code = sig::kernel;
        info.address = 0;
        break;
    }
    if (observer_ != nullptr) observer_->before_fault_signal(t);
    if (e.vector != vector::page_fault && info.address == rip) info.address = get(t, Reg::rip); // where it is put right
    force(t, info);
    co_return true;
}

bool Kernel::host_wants_end() {
    if (config_.poll && config_.poll()) request_stop();
    return stop_requested_;
}

Outcome Kernel::run() {
    for (;;)
        if (const std::optional<Outcome> end = turn()) return *end;
}

std::optional<Outcome> Kernel::turn() {
    if (stop_requested_) return Outcome{Outcome::Kind::stopped, 0};
    if (work_done() >= config_.limit) return Outcome{Outcome::Kind::limit, 0};
    if (processes_.empty() && std::none_of(tasks_.begin(), tasks_.end(), [](auto& t) { return t->alive(); }))
        return Outcome{Outcome::Kind::exited, first_status_};
    const Choice c = scheduler_.next();
    if (c.task == nullptr) {
        if (stop_requested_) return std::nullopt;
        if (first_gone_ && tasks_.empty()) return Outcome{Outcome::Kind::exited, first_status_};
        return Outcome{Outcome::Kind::deadlock, 0};
    }
    if (++turns_ % kTurns == 0) (void)host_wants_end();
    if (stop_requested_) return std::nullopt;
    run_task(*c.task, c);
    current_ = nullptr;
    // Those that ended while they ran can go now: nothing refers to them any more.
    if (std::exchange(buried_, false))
        std::erase_if(tasks_, [](const std::unique_ptr<Task>& t) { return !t->alive(); });
    return std::nullopt;
}

Cycles Kernel::latest() const {
    Cycles c = scheduler_.global_now();
    for (const VirtualCpu& v : const_cast<Kernel*>(this)->scheduler_.cpus()) c = std::max(c, v.clock);
    return c;
}

std::uint64_t Kernel::nanoseconds(Cycles c) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(c) * 1'000'000'000 / config_.cost->hz);
}

Cycles Kernel::cycles(std::uint64_t ns) const {
    __extension__ using Wide = unsigned __int128;
    const Wide c = static_cast<Wide>(ns) * config_.cost->hz / 1'000'000'000;
    return c > (~0ull >> 2) ? ~0ull >> 2 : static_cast<Cycles>(c);
}

} // namespace trapline
