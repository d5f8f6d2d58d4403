// scenarios/record.hpp: a run's events as records that stand by themselves.
//
// Events of the machine point into it (emu/kernel/log.hpp): a task is a serial number, a text is a view. A Record says
// the same with names and copies, so it can be kept, written to a file and read again. Everything that shows a run (the
// log file, pictures, traces, reports) works on a vector of them, so no two views can disagree. Misses, which are no
// events, stand between the events where they happened. Read next: scenarios/picture.hpp.
#pragma once

#include "scenarios/run.hpp"

#include <string>
#include <vector>

namespace trapline {

struct Record {
    enum class Kind : std::uint8_t {
        event, ///< a kernel step
        miss,  ///< a probed instruction (`object` is its address) was executed and no handler had run
    };
    Kind kind = Kind::event;
    std::uint64_t number = 0; ///< of the event; of a miss: of the event that it follows
    Cycles time = 0;          ///< virtual time of the CPU when the step was done
    Cycles cost = 0;          ///< the step began at `time - cost`
    int cpu = -1;             ///< -1: on none
    std::uint32_t serial = 0; ///< of the task, 0: the machine itself
    std::string task;         ///< "t2", "p2.t1", "k1", "machine"
    std::uint32_t space = 0;  ///< address space (Mm::id) that it concerns; 0: none
    Step step{};
    std::uint64_t object = 0, value = 0; ///< as in Event
    std::string text;
    std::string call;         ///< a system call in words, with what it returned; empty when nobody listened
    std::uint64_t frames = 0; ///< physical frames in use in the whole machine
};

/// Turns what a run reports into records. One recorder for one run.
class Recorder {
  public:
    Record record(const Event& event, const Kernel& kernel);
    Record record(const Miss& miss, const Kernel& kernel);
    /// How schedules name a task, also when it is gone.
    const std::string& task_name(std::uint32_t serial, const Kernel& kernel);

  private:
    std::vector<std::string> names_; // by serial number: a task that is gone keeps its name
};

/// Makes a request keep its run in `records`, in the order in which they become known: misses late (see in_order).
void keep_records(RunRequest& request, std::vector<Record>& records);

/// Puts every miss behind the event that it follows.
void put_in_order(std::vector<Record>& records);

} // namespace trapline
