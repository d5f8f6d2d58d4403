// strategies/inline_stop.cpp: single-stepping in place, while every other thread of the process stands still.
//
// Seed 000 calls stepping in place the easiest approach and "inadequate for multithreaded apps". The oldest answer is
// to make the program single-threaded for the length of a step: ptrace debuggers do that (gdb steps over a breakpoint
// with all other threads stopped unless it can step a copy), and utrace's uprobes stopped all threads to insert an
// int3.
//
//   start    (sleeps)          while another thread of the process is stepping
//            stop-requested    the others have been told; until their CPUs take the interrupt they run on
//            threads-stopped   those in user mode stand still, those in the kernel sleep or will stop on their way back
//            text-restored     nobody is there to pass
//   step     the instruction runs in place
//   finish   stepped, text-armed
//            threads-resumed   everybody goes on; the next thread that waits to step may begin
//            resumed
//
// It misses nothing that the process's threads execute, asks nothing of the decoder, and needs no memory. What it costs
// is the program's parallelism: two traps, two text writes and two messages to each other thread per hit, one step at a
// time in the whole process. What breaks: an instruction that does not complete until another thread has done
// something never completes (a probed `syscall` that waits on a futex or a pipe; a page fault that a thread of the
// program serves); the program deadlocks that without the probe would not. Who is not a thread of the process is not
// stopped: a vfork child, which runs in the same memory, passes through the gap, and a child forked by the stepped
// instruction itself inherits the lifted byte for good.
#include "probes/strategies/inline.hpp"

#include <map>

namespace trapline {
namespace {

struct Standstill {
    const Task* stepper = nullptr; ///< the thread that may move
    WaitQueue next;                ///< threads that want to step, too
    WaitQueue at_rest;             ///< the stepper, while others have not stopped yet
};

class InlineStop final : public InlineStep {
  public:
    using InlineStep::InlineStep;

    Path<bool> start(Hit hit) override {
        Kernel& k = uprobes.kernel();
        Process& p = *hit.task.process;
        Standstill& s = standstills_[p.pid];
        uprobes.begin_step(hit);
        // Who is stepping can meet an int3 again that a process in the same memory has put back.
        while (s.stepper != nullptr && s.stepper != &hit.task) (void)co_await k.sleep(hit.task, &s.next, ~0ull, false);
        s.stepper = &hit.task;
        charge(hit.task);
        co_await k.step(hit.task, Step::stop_requested, hit.address);
        while (!stop_others(hit.task, s)) (void)co_await k.sleep(hit.task, &s.at_rest, ~0ull, false);
        co_await k.step(hit.task, Step::threads_stopped, hit.address);
        if (lift(hit)) co_await k.step(hit.task, Step::text_restored, hit.address);
        co_return true;
    }

    Path<bool> finish(Hit hit) override {
        Kernel& k = uprobes.kernel();
        const Addr next = k.get(hit.task, Reg::rip);
        uprobes.hide_step(hit, next);
        co_await k.step(hit.task, Step::stepped, next);
        if (lower(*hit.task.process->mm, hit.address)) co_await k.step(hit.task, Step::text_armed, hit.address);
        const bool users = uprobes.end_step(hit.task);
        charge(hit.task);
        let_go(hit.task);
        co_await k.step(hit.task, Step::threads_resumed, hit.address);
        co_await uprobes.resume(hit, next);
        co_return !users;
    }

    void abort(const Hit& hit) override {
        InlineStep::abort(hit);
        if (let_go(hit.task)) uprobes.kernel().note(hit.task, Step::threads_resumed, hit.address);
    }

    /// Also what the stepped instruction itself creates.
    void task_created(Task&, Task& child) override {
        auto it = standstills_.find(child.process->pid);
        if (it != standstills_.end() && it->second.stepper != nullptr) uprobes.kernel().hold(child, it->second.at_rest);
    }

  private:
    /// True when no other thread of the process can execute anything.
    bool stop_others(const Task& stepper, Standstill& s) {
        bool all = true;
        for (Task* t : std::vector<Task*>(stepper.process->tasks)) {
            if (t == &stepper) continue;
            if (t->held == nullptr) uprobes.kernel().hold(*t, s.at_rest);
            all &= t->state != Task::State::ready;
        }
        return all;
    }

    bool let_go(const Task& stepper) {
        auto it = standstills_.find(stepper.process->pid);
        if (it == standstills_.end()) return false;
        Standstill& s = it->second;
        if (s.stepper != &stepper) { // it was only waiting, perhaps the next in the row
            if (s.stepper == nullptr) uprobes.kernel().wake(s.next, 1);
            return false;
        }
        s.stepper = nullptr;
        for (Task* t : std::vector<Task*>(stepper.process->tasks))
            if (t->held == &s.at_rest) uprobes.kernel().release(*t);
        uprobes.kernel().wake(s.next, 1);
        return true;
    }

    void charge(const Task& stepper) {
        const std::size_t others = stepper.process->tasks.size() - 1;
        uprobes.kernel().charge(stepper, Price::thread_stop, others);
        uprobes.counters.ipis += others;
    }

    std::map<int, Standstill> standstills_; // by pid
};

} // namespace

std::unique_ptr<Strategy> make_inline_stop(Uprobes& u) { return std::make_unique<InlineStop>(u); }

} // namespace trapline
