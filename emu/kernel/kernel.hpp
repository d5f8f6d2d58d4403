// emu/kernel/kernel.hpp: the virtual kernel: tasks on virtual CPUs, traps, steps, signals, time.
//
// One user-mode exit after another is turned into a *path* (path.hpp): a trap, a fault or a system call. The path runs
// at once, inside the engine's callback for #BP and #DB, until it ends or is suspended at a step; then the scheduler
// chooses. The kernel knows nothing of probes or files. It calls two interfaces: a SyscallHandler (loader/) and a
// KernelObserver (probes/), the latter at the places where Linux calls its own uprobes hooks.
//
// One hit, as the kernel sees it:
//     engine: int3  ->  Kernel::trap  ->  KernelObserver::breakpoint (a path: probes/hit.cpp)  ->  steps ...
//     path ends     ->  Kernel::finish: exit, signals, or back to user mode
// Read next: kernel.cpp, then probes/hit.hpp.
#pragma once

#include "emu/kernel/cost.hpp"
#include "emu/kernel/log.hpp"
#include "emu/kernel/scheduler.hpp"
#include "emu/kernel/task.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace trapline {

class Kernel;

/// What loader/ does for the kernel.
class SyscallHandler {
  public:
    virtual ~SyscallHandler() = default;
    /// The system call in the task's registers; writes RAX. The value of the path is not used.
    virtual Path<bool> syscall(Task& t) = 0;
    /// The task is about to disappear; its registers and address space are still there.
    virtual void task_exit(Task& t) = 0;
    /// The last task of the process is gone; the address space still exists.
    virtual void process_exit(Process& p) = 0;
    /// A signal has become pending: whoever polls for signals looks again.
    virtual void signal_pending(Process& p) { (void)p; }
    /// A signal is being delivered. May fill in what is known only now (how often a timer expired meanwhile).
    virtual void signal_taken(Process& p, SigInfo& info) { (void)p, (void)info; }
    /// The task has used as much CPU time as it or its process was to be told of (cpu_deadline).
    virtual void cpu_time_used(Task& t) { (void)t; }
};

/// What probes/ does for the kernel, at the places of Linux's hooks.
class KernelObserver : public MmObserver {
  public:
    /// #BP: RIP is past the int3. False: not a probe's, the program gets SIGTRAP.
    virtual Path<bool> breakpoint(Task& t) = 0;
    /// #DB: one instruction ran with TF. False: the program's own step, SIGTRAP. An empty path is the same, at once.
    virtual Path<bool> single_step(Task& t) = 0;
    /// An exception came: the instruction at `rip` was entered and has not completed (it may be restarted).
    virtual void not_executed(Task& t, Addr rip) = 0;
    /// The exception is about to become a signal: a step out of line is undone first, and RIP put right.
    virtual void before_fault_signal(Task& t) = 0;
    /// A signal is waiting, the task is about to go on in user mode. True: not now (a copy is being stepped), and it is
    /// asked again. It may change where the task goes on.
    virtual bool holds_signals(Task& t) = 0;
    /// A system call was stepped: the trap comes at once, as it does for a debugger (Linux: TIF_SINGLESTEP). Otherwise
    /// behind the next instruction.
    virtual bool steps_end_behind_calls(const Task& t) = 0;
    /// About to execute a watched address, whatever byte is there. An empty path: go on. Otherwise the path runs first
    /// (a debug register fired, a detour's gate was reached), and the instruction at RIP afterwards is not asked about
    /// again, as with EFLAGS.RF (Intel SDM, "Instruction-Breakpoint Exception Condition").
    virtual Path<bool> fetch(Task& t, Addr va) = 0;
    /// A system call, its number in RAX, before the table of calls is asked. An empty path: not the observer's.
    virtual Path<bool> syscall(Task& t) = 0;
    /// A signal frame is about to be built; RIP and the registers are what it will show.
    virtual void before_signal_frame(Task& t) = 0;
    virtual void task_created(Task& parent, Task& child) = 0;
    virtual void task_exit(Task& t) = 0;
    /// The task's process runs a new program; the old address space is gone.
    virtual void executed(Task& t) = 0;
};

struct KernelConfig {
    unsigned cpus = 2;
    std::uint64_t seed = 0;
    std::uint64_t ram = 4ull << 30; ///< bytes of guest memory, also the limit
    std::uint64_t limit = ~0ull;    ///< instructions, then the run ends; a trap that is taken in vain counts as one
    const CostProfile* cost = &cost_profiles().front();
    /// For debuggers: a watched instruction is about to be executed; `again`: it was to be before, and somebody else
    /// ran first. It may look at everything and change nothing. True: nobody but the debugger watches it.
    std::function<bool(Task&, Addr, bool again)> watcher;
    std::function<bool()> poll;               ///< asked now and then; true: the run shall end here
    std::uint64_t start_time = 1'767'225'600; ///< CLOCK_REALTIME at power-on, seconds since 1970: 2026-01-01
    Layout layout;                            ///< of every address space
};

struct Outcome {
    enum class Kind : std::uint8_t {
        exited,   ///< the first process ended; `status` in wait status format
        limit,    ///< the instruction limit was reached
        deadlock, ///< every task waits for something that cannot happen
        stopped,  ///< the policy or the caller asked for an end
    };
    Kind kind = Kind::exited;
    int status = 0;
};

class Kernel final : private TrapService {
  public:
    Kernel(KernelConfig config, Policy& policy);
    ~Kernel() override;

    void attach(SyscallHandler* handler) { syscalls_ = handler; }
    void attach(KernelObserver* observer);

    // Tasks and processes.
    Process& create_process(Process* parent);
    /// A thread of `p` with pristine registers, not yet ready.
    Task& create_task(Process& p);
    /// A tracing program's thread, named k1, k2 …: it runs `path` when scheduled.
    Task& create_tracer();
    void start(Task& t);
    /// The same for what fork or clone made; observers are told first (uprobe_copy_process).
    void start_child(Task& parent, Task& child);
    /// Starts a tracer on a path.
    void start(Task& tracer, Path<bool> path);
    std::shared_ptr<Mm> create_mm();
    [[nodiscard]] Process* process(int pid) const;
    [[nodiscard]] Process* first_process() const { return first_; }
    [[nodiscard]] const std::map<int, std::unique_ptr<Process>>& processes() const { return processes_; }
    [[nodiscard]] const std::vector<std::unique_ptr<Task>>& tasks() const { return tasks_; }
    [[nodiscard]] Task* task(int tid) const;
    [[nodiscard]] Task* task_named(std::string_view name) const;
    /// The task ends when its current path does; `everybody`: so does its whole process.
    void exit(Task& t, int status, bool everybody);
    /// execve has replaced the program: the process's other threads end, handlers are reset, observers are told.
    void executed(Task& t, std::shared_ptr<Mm> mm);
    /// The process's remaining record disappears (it has been waited for).
    void reap(Process& p);
    WaitQueue& child_queue() { return child_queue_; } ///< woken when any process changes state

    // Steps and sleeping, for kernel paths.
    struct [[nodiscard]] StepAwait {
        Task& task;
        bool suspend;
        [[nodiscard]] bool await_ready() const noexcept { return !suspend; }
        void await_suspend(std::coroutine_handle<> h) const noexcept { task.resume_point = h; }
        void await_resume() const noexcept {}
    };
    StepAwait step(Task& t, Step s, std::uint64_t object = 0, std::uint64_t value = 0) {
        return {t, record(t, s, object, value, nullptr) && !atomic_};
    }
    /// `space`: the address space that the step changes, where it need not be the task's own.
    StepAwait step(Task& t, Step s, std::uint64_t object, std::uint64_t value, std::string_view text,
                   std::uint32_t space = 0) {
        const Details more{text, space};
        return {t, record(t, s, object, value, &more) && !atomic_};
    }
    /// The same for code that is not a path: an event, but nobody else can run here.
    void note(const Task& t, Step s, std::uint64_t object = 0, std::uint64_t value = 0) {
        record(t, s, object, value, nullptr);
    }
    void note(const Task& t, Step s, std::uint64_t object, std::uint64_t value, std::string_view text) {
        const Details more{text, 0};
        record(t, s, object, value, &more);
    }
    /// More work for the next step on the task's CPU to pay for: `n` times the price.
    void charge(const Task& t, Price p, std::uint64_t n = 1) {
        if (t.cpu < 0 || p == Price::none) return;
        scheduler_.cpus()[static_cast<std::size_t>(t.cpu)].part += pieces_[static_cast<std::size_t>(p)] * n;
    }
    struct [[nodiscard]] Sleep {
        Task& task;
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const noexcept { task.resume_point = h; }
        [[nodiscard]] Wake await_resume() const noexcept { return task.wake_reason; }
    };
    struct [[nodiscard]] Outside {
        Kernel& kernel;
        Task& task;
        [[nodiscard]] bool await_ready() const noexcept { return !kernel.in_trap_; }
        void await_suspend(std::coroutine_handle<> h) const noexcept {
            task.resume_point = h;
            kernel.outside_wanted_ = true;
        }
        void await_resume() const noexcept {}
    };
    /// Goes on when the engine is not running, for what needs it; nobody else runs in between.
    Outside outside(Task& t) { return {*this, t}; }
    /// Sleeps until woken, or `deadline` (virtual cycles, ~0: none), or a signal if `interruptible`.
    Sleep sleep(Task& t, WaitQueue* queue, Cycles deadline = ~0ull, bool interruptible = true);
    void wake(Task& t, Wake reason = Wake::woken);
    /// Wakes up to `n` sleepers; returns how many.
    unsigned wake(WaitQueue& q, unsigned n = ~0u);
    /// Keeps a task from executing: in user mode it stops now, on a kernel path at its end. It is at rest when it is
    /// not ready: stopped, or asleep in the kernel. `at_rest` is woken then.
    void hold(Task& t, WaitQueue& at_rest);
    void release(Task& t);
    /// The task that runs now; while none does, a stand-in for the machine itself (serial number 0).
    Task& actor() { return current_ != nullptr ? *current_ : machine_; }
    /// Runs a path to its end now; its steps are events, but nobody else can run at them.
    bool run_atomically(Path<bool> path);
    /// True inside run_atomically: sleeping is not possible.
    [[nodiscard]] bool atomic() const { return atomic_; }

    // Registers of any task, on the CPU or not.
    [[nodiscard]] std::uint64_t get(const Task& t, Reg r) const {
        return &t == loaded_ ? cpu_->get(r) : t.context->get(r);
    }
    void set(Task& t, Reg r, std::uint64_t v) { &t == loaded_ ? cpu_->set(r, v) : t.context->set(r, v); }
    [[nodiscard]] bool trap_flag(const Task& t) const {
        return &t == loaded_ ? cpu_->trap_flag() : (t.context->get(Reg::eflags) & kFlagTrap) != 0;
    }
    void set_trap_flag(Task& t, bool on);
    /// Its registers are on the CPU, and not in its context.
    [[nodiscard]] bool on_cpu(const Task& t) const { return &t == loaded_; }
    /// The task's registers go on the CPU, for what only the CPU can do (SSE and x87 state).
    void load(Task& t);
    /// The registers on the CPU go back to their task: all of the machine's state is in memory. Not while it runs.
    void park();
    /// The child starts with a copy of the parent's registers.
    void copy_registers(Task& from, Task& to);

    // Signals (signal.cpp).
    void send(Process& p, const SigInfo& info);
    void send(Task& t, const SigInfo& info);
    /// A fault of the task's own: neither blocking nor ignoring helps.
    void force(Task& t, SigInfo info);
    [[nodiscard]] bool has_signal(const Task& t) const {
        if (t.process == nullptr) return false;
        return ((t.pending.set() | t.process->pending.set()) & ~(t.blocked_signals & ~sig::unblockable)) != 0;
    }
    /// Takes the next of the signals in `set` that are pending for the task, its own before its process's.
    std::optional<SigInfo> take_signal(Task& t, std::uint64_t set);
    void sigreturn(Task& t);
    /// Kills the process with the signal's default action.
    void terminate(Task& t, int signo);

    // Time.
    [[nodiscard]] Cycles now(const Task& t) const {
        return scheduler_.now(t) + (&t == current_ ? cpu_->retired() - retired_seen_ : 0);
    }
    /// Instructions retired by the task, up to now.
    [[nodiscard]] std::uint64_t user_time(const Task& t) const {
        return t.user_time + (&t == current_ ? cpu_->retired() - retired_seen_ : 0);
    }
    [[nodiscard]] std::uint64_t nanoseconds(Cycles c) const;
    [[nodiscard]] Cycles cycles(std::uint64_t ns) const;
    [[nodiscard]] Timers& timers() { return scheduler_.timers(); }
    [[nodiscard]] Cycles latest() const;
    /// What the running task's CPU shows, or while none runs, the machine.
    [[nodiscard]] Cycles time() const {
        return current_ != nullptr && current_->alive() ? now(*current_) : scheduler_.global_now();
    }

    [[nodiscard]] Cpu& cpu() { return *cpu_; }
    [[nodiscard]] Frames& frames() { return *frames_; }
    [[nodiscard]] const Frames& frames() const { return *frames_; }
    [[nodiscard]] Log& log() { return log_; }
    [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
    [[nodiscard]] const KernelConfig& config() const { return config_; }
    [[nodiscard]] Rng& rng() { return rng_; }
    [[nodiscard]] std::uint32_t created_processes() const { return process_numbers_; }
    [[nodiscard]] std::uint32_t created_tasks() const { return user_tasks_; }
    /// Events since the start, and instructions since the last event: a position in the run (tokens).
    [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> position() const;

    /// Runs until the first process is gone and every other with it, or an end is forced.
    Outcome run();
    /// One choice of the scheduler and what comes of it; how the run ended, if it has.
    std::optional<Outcome> turn();
    /// Ends every path where it is and gives up what system calls keep: nothing runs after this. For whoever serves
    /// them, before it goes.
    void abandon();
    /// Asks `run` to return as soon as it can.
    void request_stop() { stop_requested_ = true; }
    /// Asks the host (KernelConfig::poll); true when the run shall end. For calls that wait for the host, too.
    bool host_wants_end();

  private:
    bool trap(unsigned vector) override;
    bool fetch(Addr va, bool again) override;
    /// What few events have. Apart, so that the others are told in registers.
    struct Details {
        std::string_view text;
        std::uint32_t space;
    };
    // Eight of these make up one hit: it is inline, and makes an Event only for those who read it.
    bool record(const Task& t, Step s, std::uint64_t object, std::uint64_t value, const Details* more) {
        sync_clock();
        Cycles cost = 0, time = 0;
        if (t.cpu >= 0) {
            VirtualCpu& c = scheduler_.cpus()[static_cast<std::size_t>(t.cpu)];
            cost = c.work(prices_[static_cast<std::size_t>(s)]);
            time = c.clock;
        } else {
            time = scheduler_.global_now();
        }
        log_.count(time, t.serial, static_cast<std::uint16_t>(t.cpu), s, object, value);
        if (more != nullptr) log_.add(more->text);
        retired_at_event_ = retired_seen_;
        if (!log_.has_writer() && !scheduler_.policy().minds_steps()) [[likely]]
            return false;
        Event e;
        e.time = time;
        e.task = t.serial;
        e.cpu = static_cast<std::uint16_t>(t.cpu);
        e.step = s;
        e.object = object;
        e.value = value;
        e.cost = cost;
        return tell(t, e, more);
    }
    /// Tells those who want to know of an event. True: the policy wants somebody else to run.
    bool tell(const Task& t, Event& e, const Details* more);
    /// Moves the running task's clock forward by what it has executed since the last look.
    void sync_clock() {
        const std::uint64_t retired = cpu_->retired();
        const std::uint64_t n = retired - retired_seen_;
        if (n == 0 || current_ == nullptr) return;
        scheduler_.charge(*current_, n);
        current_->user_time += n;
        current_->process->user_time += n;
        retired_seen_ = retired;
    }
    void run_task(Task& t, const Choice& turn);
    bool go_on(Task& t);
    bool begin(Task& t, Path<bool> path);
    bool finish(Task& t);
    Path<bool> exception(Task& t, Exit e);
    bool begin_trap(Task& t, unsigned vector);
    void force_trap(Task& t);
    bool emulate_rdtsc(Task& t, Addr rip);
    void bury(Task& t);
    void bury_process(Process& p);
    void make_ready(Task& t);
    int fresh_pid() { return ++last_pid_; }
    // signal.cpp
    void deliver(Task& t);
    bool push_frame(Task& t, const SigInfo& info, const SigAction& action);
    [[nodiscard]] bool ends_sleep(const Task& t) const;
    void notify(Task& t);
    void prepare(Process& p, int signo);
    void stop_process(Process& p, int signo);
    void continue_process(Process& p, bool tell);
    void halt(Task& t);
    void report_child(Process& p, int code, int status);
    [[nodiscard]] bool orphaned(int group) const;
    void leave_groups(Process& gone);

    KernelConfig config_;
    std::unique_ptr<Frames> frames_;
    std::unique_ptr<Cpu> cpu_;
    Log log_;
    std::array<CycleParts, static_cast<std::size_t>(Step::count_)> prices_{};
    std::array<CycleParts, kPrices> pieces_{}; // of single pieces of work
    Scheduler scheduler_;
    Rng rng_;
    SyscallHandler* syscalls_ = nullptr;
    KernelObserver* observer_ = nullptr;
    MmObserver* mm_observer_ = nullptr; // the same object, as address spaces know it

    std::map<int, std::unique_ptr<Process>> processes_;
    std::vector<std::unique_ptr<Task>> tasks_; // alive, by serial number
    bool buried_ = false;                      // some of them are no longer
    Process* first_ = nullptr;
    int first_status_ = 0;
    bool first_gone_ = false;
    WaitQueue child_queue_;

    Task machine_;            // the actor of what happens while no task runs
    Task* loaded_ = nullptr;  // whose registers are on the engine
    Task* current_ = nullptr; // who runs now
    Path<bool> before_fetch_; // the observer's answer to a watched fetch, until the engine has been left
    bool switch_wanted_ = false;
    bool in_trap_ = false;        // a path runs inside the engine's callback
    bool outside_wanted_ = false; // and wants to go on outside
    bool atomic_ = false;
    bool stop_requested_ = false;
    // A thread can trap for ever without executing anything (there is no room for an XOL area, say).
    static constexpr std::uint64_t kTrapsInPlace = 1024; // between two looks at who else wants to run
    std::uint64_t retired_at_trap_ = ~0ull, traps_in_place_ = 0;
    Cycles turn_end_ = ~0ull;
    /// Kernel work takes its time, too: who does nothing but system calls must not run ahead of the other CPUs.
    [[nodiscard]] bool turn_over(const Task& t) const { return turn_end_ != ~0ull && scheduler_.now(t) >= turn_end_; }
    [[nodiscard]] std::uint64_t work_done() const { return cpu_->retired() + traps_in_place_; }
    static constexpr std::uint64_t kTurns =
        1024; // and exits from user mode, between two looks at the host's wish to stop
    std::uint64_t turns_ = 0, exits_ = 0;
    std::uint64_t retired_seen_ = 0; // by sync_clock
    std::uint64_t retired_at_event_ = 0;
    std::uint32_t serials_ = 0, process_numbers_ = 0, tracers_ = 0, mms_ = 0, user_tasks_ = 0;
    int last_pid_ = 999;
};

} // namespace trapline
