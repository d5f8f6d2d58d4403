// tools/event_log.hpp: the event log as lines of JSON (--log).
//
// One line an event, in the machine's one total order, each with the same keys:
//   {"number":17,"time":5123,"cpu":1,"task":"t2","serial":2,"step":"trap","object":4198401,"value":0,"text":""}
// `time` is the virtual time of the CPU, in cycles; `object` and `value` mean what the step says (emu/kernel/log.hpp).
#pragma once

#include "emu/kernel/kernel.hpp"
#include "tools/output_file.hpp"

#include <string>
#include <vector>

namespace trapline {

class EventLog {
  public:
    explicit EventLog(OutputFile file) : file_(std::move(file)) {}
    void write(const Event& event, const Kernel& kernel);
    [[nodiscard]] Result<void> commit() { return file_.commit(); }

  private:
    const std::string& task_name(std::uint32_t serial, const Kernel& kernel);
    OutputFile file_;
    std::vector<std::string> names_; // by serial number: a task that is gone keeps its name
};

} // namespace trapline
