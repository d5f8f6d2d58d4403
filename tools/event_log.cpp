#include "tools/event_log.hpp"

#include "tools/json_out.hpp"

#include <fmt/format.h>

namespace trapline {

void EventLog::write(const Event& event, const Kernel& kernel) {
    file_.write(fmt::format("{{\"number\":{},\"time\":{},\"cpu\":{},\"task\":\"{}\",\"serial\":{},\"step\":\"{}\","
                            "\"object\":{},\"value\":{},\"text\":{}}}\n",
                            event.number, event.time, static_cast<std::int16_t>(event.cpu),
                            task_name(event.task, kernel), event.task, step_info(event.step).name, event.object,
                            event.value, json_string(event.text)));
}

const std::string& EventLog::task_name(std::uint32_t serial, const Kernel& kernel) {
    static const std::string machine = "machine";
    if (serial == 0) return machine;
    if (names_.size() <= serial) names_.resize(serial + 1);
    if (names_[serial].empty())
        for (const auto& task : kernel.tasks())
            if (task->serial == serial) names_[serial] = task->name;
    return names_[serial];
}

} // namespace trapline
