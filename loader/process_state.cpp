#include "loader/process_state.hpp"

#include <sys/resource.h>

namespace trapline {
namespace {

void expire(Kernel& kernel, Process& p, SignalTimer& timer) {
    const Cycles now = timer.next;
    timer.id = 0;
    if (timer.interval != 0) arm(kernel, p, timer, now + timer.interval, timer.interval);
    if (timer.silent) return;
    if (timer.tid == 0) {
        if ((p.pending.set() & sig::bit(timer.info.signo)) != 0) ++timer.overrun;
        kernel.send(p, timer.info);
    } else if (Task* t = kernel.task(timer.tid)) {
        if ((t->pending.set() & sig::bit(timer.info.signo)) != 0) ++timer.overrun;
        kernel.send(*t, timer.info);
    }
}

} // namespace

ProcessState::ProcessState() {
    // The usual limits of a login session; no core files, there is nowhere to put them.
    limits[RLIMIT_STACK] = {8u << 20, ~0ull};
    limits[RLIMIT_CORE] = {0, 0};
    limits[RLIMIT_NOFILE] = {1024, 524288};
    limits[RLIMIT_MEMLOCK] = {8u << 20, 8u << 20};
    limits[RLIMIT_NICE] = {0, 0};
    limits[RLIMIT_RTPRIO] = {0, 0};
    limits[RLIMIT_MSGQUEUE] = {819200, 819200};
}

std::unique_ptr<ProcessState> ProcessState::for_child() const {
    auto child = std::make_unique<ProcessState>();
    child->limits = limits;
    child->arguments = arguments;
    child->arguments_end = arguments_end;
    child->environment = environment;
    child->environment_end = environment_end;
    child->stack_pointer = stack_pointer;
    return child;
}

ProcessState& state_of(Process& p) {
    if (p.system == nullptr) p.system = std::make_unique<ProcessState>();
    return static_cast<ProcessState&>(*p.system);
}

const std::string& thread_name(const Task& t) { return state_of(*t.process).thread_names[t.tid]; }

void set_thread_name(const Task& t, std::string_view name) {
    constexpr std::size_t kLongest = 15; // TASK_COMM_LEN with its terminator
    state_of(*t.process).thread_names[t.tid] = std::string(name.substr(0, kLongest));
}

Cycles user_time(Process& p) {
    Cycles sum = state_of(p).dead_threads_user;
    for (const Task* t : p.tasks) sum += t->user_time;
    return sum;
}

void arm(Kernel& kernel, Process& p, SignalTimer& timer, Cycles when, Cycles interval) {
    if (timer.id != 0) kernel.timers().cancel(timer.id);
    timer.id = 0;
    timer.next = when;
    timer.interval = interval;
    if (when != ~0ull) timer.id = kernel.timers().set(when, [&kernel, &p, &timer] { expire(kernel, p, timer); });
}

void disarm_all(Kernel& kernel, Process& p) {
    ProcessState& s = state_of(p);
    arm(kernel, p, s.alarm, ~0ull, 0);
    for (auto& [id, timer] : s.timers) arm(kernel, p, timer, ~0ull, 0);
    s.timers.clear();
}

} // namespace trapline
