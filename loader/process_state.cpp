#include "loader/process_state.hpp"

#include <sys/resource.h>

namespace trapline {
ProcessState::ProcessState() {
    constexpr int kSignals[3] = {sig::alrm, 26, 27}; // SIGALRM, SIGVTALRM, SIGPROF
    for (std::size_t i = 0; i < interval_timers.size(); ++i) {
        interval_timers[i].info.signo = kSignals[i];
        interval_timers[i].info.code = sig::kernel;
        if (i != 0) interval_timers[i].clock = SignalTimer::Clock::process;
    }
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
    child->nice = nice;
    child->barriers = barriers;
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

const Scheduling& scheduling_of(const Task& t) {
    static const Scheduling kOrdinary;
    const auto& all = state_of(*t.process).scheduling;
    const auto at = all.find(t.tid);
    return at != all.end() ? at->second : kOrdinary;
}

Scheduling& change_scheduling(const Task& t) { return state_of(*t.process).scheduling[t.tid]; }

void inherit_scheduling(const Task& parent, const Task& child) {
    constexpr int kFifo = 1, kRoundRobin = 2;
    Scheduling own = scheduling_of(parent);
    if (own.reset_on_fork) {
        if (own.policy == kFifo || own.policy == kRoundRobin) own.policy = own.priority = 0;
        own.reset_on_fork = false;
    }
    if (own.policy != 0 || !own.cpus.empty()) change_scheduling(child) = std::move(own);
}

const std::string& thread_name(const Task& t) { return state_of(*t.process).thread_names[t.tid]; }

void set_thread_name(const Task& t, std::string_view name) {
    constexpr std::size_t kLongest = 15; // TASK_COMM_LEN with its terminator
    state_of(*t.process).thread_names[t.tid] = std::string(name.substr(0, kLongest));
}

} // namespace trapline
