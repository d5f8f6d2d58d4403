// emu/kernel/task.hpp: threads and processes.
//
// A Task is a thread of the guest: registers, signal mask, and the kernel path it is on while it is in the kernel. A
// Process is what its threads share: an address space, signal handlers, and what other rooms attach (open files, probe
// state). A tracing program's thread is a Task without an address space: it only ever runs kernel paths. Read next:
// emu/kernel/kernel.hpp.
#pragma once

#include "emu/cpu/context.hpp"
#include "emu/kernel/path.hpp"
#include "emu/kernel/signal.hpp"
#include "emu/mm/mm.hpp"

#include <memory>
#include <string>
#include <vector>

namespace trapline {

struct Process;
class WaitQueue;

/// State that another room keeps with a task or a process: files (loader/), utask (probes/).
struct Extension {
    Extension() = default;
    Extension(const Extension&) = delete;
    Extension& operator=(const Extension&) = delete;
    virtual ~Extension() = default;
};

/// Why a sleep ended.
enum class Wake : std::uint8_t { woken, timeout, signal };

struct Task {
    enum class State : std::uint8_t { ready, blocked, stopped, dead };

    std::uint32_t serial = 0; ///< in order of creation over the whole machine, from 1: the task of log events
    int tid = 0;
    Process* process = nullptr;
    std::string name; ///< as schedules spell it: "t2", "p2.t1", "k1"
    State state = State::ready;

    std::unique_ptr<Context> context; ///< registers while the task is not on the CPU
    Path<bool> path;                  ///< the kernel path it is on, if any
    std::coroutine_handle<> resume_point;
    bool is_tracer = false; ///< runs `path` only
    /// EFLAGS.RF: while `user_time` is this, a watched fetch has been reported to the observer already.
    std::uint64_t resume_time = ~0ull;

    // Sleeping.
    WaitQueue* queue = nullptr;
    bool interruptible = false;
    Wake wake_reason = Wake::woken;
    std::uint64_t timer = 0; ///< id of the deadline, 0 for none

    // Signals.
    std::uint64_t blocked_signals = 0;
    std::uint64_t saved_mask = 0; ///< to be restored after the handler that interrupts sigsuspend and the like
    bool restore_mask = false;
    PendingSignals pending;
    SignalStack alt_stack;
    /// A system call was interrupted: what to do when no handler runs, or one with SA_RESTART.
    bool restart_syscall = false;
    bool restart_past_handler = false; ///< also after a handler with SA_RESTART (ERESTARTSYS, not ERESTARTNOHAND)
    std::uint64_t restart_number = 0;
    Cycles restart_deadline = 0;       ///< of a relative sleep that starts again (ERESTART_RESTARTBLOCK), 0 for none
    std::uint64_t awaited_signals = 0; ///< sigtimedwait: these end its sleep although they are blocked

    bool owes_step = false; ///< the kernel executes an instruction under TF: the step trap comes when it has
    /// It may not go back to user mode (Kernel::hold). Woken whenever it comes to rest.
    WaitQueue* held = nullptr;
    unsigned trap_vector = 0; ///< of the last exception, for signal frames
    std::uint32_t trap_error = 0;
    Addr trap_address = 0;

    // Threads.
    Addr clear_child_tid = 0;
    Addr robust_list = 0;
    bool exiting = false;               ///< ends when its path does
    int exit_status = 0;                ///< wait status format
    std::uint64_t user_time = 0;        ///< instructions retired by it
    std::uint64_t cpu_deadline = ~0ull; ///< as Process::cpu_deadline, of this task

    std::unique_ptr<Extension> files; ///< loader/
    std::unique_ptr<Extension> probe; ///< probes/
    std::int32_t cpu = -1;            ///< the virtual CPU it is on, -1 for none

    [[nodiscard]] bool alive() const { return state != State::dead; }
};

struct Process {
    int pid = 0;
    std::uint32_t number = 0; ///< 1 for the first, 2 …: the p of "p2.t1"
    Process* parent = nullptr;
    std::vector<Process*> children;
    std::shared_ptr<Mm> mm;
    std::vector<Task*> tasks; ///< alive, in order of creation
    std::uint32_t created_tasks = 0;
    int group = 0, session = 0;

    std::array<SigAction, sig::count + 1> actions{};
    PendingSignals pending;

    std::string executable; ///< the path exec was given, resolved
    std::unique_ptr<Extension> files;
    std::unique_ptr<Extension> system; ///< loader/: limits, timers, names of threads
    bool zombie = false;
    bool group_exit = false;
    int exit_status = 0; ///< wait status format
    int exit_signal = sig::chld;
    int stop_signal = 0;                ///< what stopped it, 0 while it runs
    bool stop_news = false;             ///< a stop that nobody has waited for
    bool resume_news = false;           ///< the same for going on
    std::uint64_t user_time = 0;        ///< instructions retired by all of its tasks, the gone ones, too
    std::uint64_t cpu_deadline = ~0ull; ///< SyscallHandler::cpu_time_used is told when `user_time` has reached it
    Task* vfork_waiter = nullptr;       ///< the parent's thread that sleeps until this process execs or exits
};

} // namespace trapline
