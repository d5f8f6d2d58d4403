// tools/debug/session.hpp: a run that can be held anywhere, and gone back in.
//
// The machine is held from inside: a callback that it makes anyway (an event, a watched instruction) does not return
// until the visitor says how to go on. So nothing of the run changes by being looked at: schedule, clocks and log are
// those of a run without a debugger, and its token replays the same.
//
// Going back is running again. The same request gives the same run, so an earlier moment is reached by building a new
// machine and holding it there; "the last time that X" is a run that notes every X until it comes to where one was.
// Moments are exact: so many events, so many instructions, who is next. Read next: session.cpp, then server.hpp.
#pragma once

#include "scenarios/record.hpp"
#include "scenarios/rig.hpp"
#include "scenarios/text_state.hpp"
#include "tools/guest_input.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <set>

namespace trapline {

/// A place in a run.
struct Moment {
    std::uint64_t events = 0, retired = 0; ///< of the whole machine, so far
    std::uint32_t serial = 0;              ///< the task that is about to execute an instruction; 0: an event just was
    bool operator==(const Moment&) const = default;
};

/// Why the machine is held.
struct Stop {
    enum class Why : std::uint8_t { start, step, breakpoint, watchpoint, event, missed, signal, interrupt, begin, end };
    Why why = Why::start;
    Moment at;
    std::uint32_t thread = 0; ///< serial of the task that it is about
    Addr address = 0;         ///< of the breakpoint or watchpoint
    int signal = 0;           ///< Linux's number
};

/// How to go on.
struct Resume {
    enum class Kind : std::uint8_t {
        forward,   ///< until a condition holds
        step,      ///< until `thread` is about to execute its next instruction
        back,      ///< to the last time that a condition held
        step_back, ///< to the last instruction of `thread`
        go,        ///< to where `event` has just happened
        finish,    ///< to the end, without stopping any more
        kill,      ///< no further
    };
    Kind kind = Kind::forward;
    std::uint32_t thread = 0;
    std::uint64_t event = 0;
    /// step, step_back: gdb moves one thread off a breakpoint and hears of no other meanwhile. The schedule lets others
    /// run all the same; what they would have stopped for comes with the next resumption, which goes back to it.
    bool alone = false;
};

class Session;

/// Whoever looks.
class Visitor {
  public:
    virtual ~Visitor() = default;
    virtual Resume stopped(Session& session, const Stop& stop) = 0;
    /// Asked now and then while the machine runs: true holds it at the next instruction.
    virtual bool wants_stop() = 0;
    /// The guest has written to its standard output (1) or error (2).
    virtual void output(int stream, std::string_view bytes) = 0;
    /// A run is over; the session goes back to its last moment, where `stopped` is called with Why::end.
    virtual void ended(const RunReport& report) = 0;
};

class Session {
  public:
    Session(RunRequest request, const GuestInput& input, Visitor& visitor);

    /// Returns when the visitor finishes or kills. An Error: nothing was run.
    Result<RunReport> go();

    // For the visitor, while the machine is held.
    [[nodiscard]] Rig& rig() { return *rig_; }
    [[nodiscard]] Kernel& kernel() { return rig_->kernel(); }
    [[nodiscard]] const RunRequest& request() const { return request_; }
    /// The last events, oldest first.
    [[nodiscard]] const std::deque<Record>& recent() const { return recent_; }
    /// What stands at the probe points.
    [[nodiscard]] const TextState& text() const { return text_; }
    [[nodiscard]] Moment start() const { return start_; }
    /// A user thread by its serial number; nullptr: gone, or a tracer.
    [[nodiscard]] Task* thread(std::uint32_t serial);
    [[nodiscard]] std::vector<Task*> threads();

    // Conditions, in every process.
    void set_breakpoint(Addr address, bool on);
    /// Of one process only, because an address means something else in every other.
    void set_watchpoint(int pid, Addr address, std::size_t bytes, bool on);
    struct EventCondition {
        Step step{};
        std::optional<Addr> object; ///< only with this object
        bool operator==(const EventCondition&) const = default;
    };
    std::vector<EventCondition> event_conditions;
    bool stop_at_misses = false;

  private:
    struct Watchpoint {
        int pid;
        Addr address;
        std::size_t bytes;
        std::string value; ///< as seen last; empty: not readable
    };
    struct Plan {
        enum class Kind : std::uint8_t { forward, seek, search, finish } kind = Kind::forward;
        std::uint32_t step = 0;       ///< forward, search: stop at each instruction of this task; 0: at conditions
        bool alone = false;           ///< forward: stops of others are kept for later
        Moment moment{};              ///< seek: where to; search: where to stop looking
        Stop stop{};                  ///< seek: what to say there
        std::uint64_t window = ~0ull; ///< search for a step: instructions before `moment` that are looked at
        std::optional<Stop> found{};  ///< search
        bool over = false;            ///< search: everything up to `moment` was looked at
    };

    Result<void> build();
    void prepare_next(const Outcome& outcome);
    void show_output();
    void on_event(const Event& event, const Kernel& kernel);
    bool on_instruction(Task& task, Addr va, bool again);
    void at_instruction(Task& task, Addr va, bool again);
    void on_miss(const Miss& miss);
    void consider(const Stop& stop);
    void keep(const Stop& stop);
    static Plan seek(const Stop& stop);
    void hold(const Stop& stop);
    void unwind();
    void attend();
    void check_watchpoints(const Moment& now);
    bool in_place(Task& task, Addr va);
    void watch_everywhere();
    [[nodiscard]] Moment here(std::uint32_t serial);
    [[nodiscard]] bool at_limit(const Moment& m);

    RunRequest request_;
    const GuestInput& input_;
    Visitor& visitor_;
    std::unique_ptr<Rig> rig_;
    std::unique_ptr<Recorder> recorder_;
    std::deque<Record> recent_;
    TextState text_;
    HostFd streams_[2];             // what the guest has written in this machine
    std::size_t shown_[2] = {0, 0}; // of it, in any machine

    Plan plan_;
    bool unwinding_ = false; // this machine is done with
    bool killed_ = false, started_ = false, interrupt_ = false;
    Moment start_, last_event_, resumed_at_, previous_;
    std::optional<Stop> kept_;        // what another thread would have stopped for
    std::optional<Moment> back_from_; // where a thread was moved off a breakpoint, backwards
    std::uint32_t last_thread_ = 1;   // the user thread that was seen last
    std::set<Addr> breakpoints_;
    std::vector<Watchpoint> watchpoints_;
    std::set<std::uint32_t> spaces_; // that know of the breakpoints
    std::uint32_t created_ = 0;      // tasks, when the spaces were looked at last
};

} // namespace trapline
