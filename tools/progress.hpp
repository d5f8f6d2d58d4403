// tools/progress.hpp: one line on the terminal that says how far a long run has come.
//
// It appears after two seconds, four times a second, and only where standard error is a terminal; results and what
// guests print never mix with it, because whoever prints clears it first. `run`, whose guest prints by itself, shows it
// only when the guest's output goes elsewhere. Nothing of it enters the machine.
#pragma once

#include "scenarios/run.hpp"

#include <chrono>
#include <string>

namespace trapline {

class ProgressLine {
  public:
    /// `guest_prints`: the guest's own output may come to this terminal at any time.
    explicit ProgressLine(bool guest_prints = false);
    ~ProgressLine() { clear(); }
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    /// Makes the request report its progress here; `what` stands before the numbers. Must outlive the run.
    void attach(RunRequest& request, std::string what = {});
    /// Any other long job, in words. Cheap when it is not time yet.
    void show(const std::function<std::string()>& text);
    /// Nothing of ours is on the terminal any more.
    void clear();

  private:
    using Clock = std::chrono::steady_clock;
    bool on_;
    bool shown_ = false;
    Clock::time_point begin_ = Clock::now(), next_;
};

} // namespace trapline
