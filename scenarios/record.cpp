#include "scenarios/record.hpp"

#include <algorithm>
#include <memory>

namespace trapline {
namespace {

std::uint32_t own_space(std::uint32_t serial, const Kernel& kernel) {
    for (const auto& task : kernel.tasks())
        if (task->serial == serial) return task->process != nullptr && task->process->mm ? task->process->mm->id() : 0;
    return 0;
}

} // namespace

Record Recorder::record(const Event& event, const Kernel& kernel) {
    Record r;
    r.number = event.number;
    r.time = event.time;
    r.cost = event.cost;
    r.cpu = static_cast<std::int16_t>(event.cpu);
    r.serial = event.task;
    r.task = task_name(event.task, kernel);
    r.space = event.space != 0 ? event.space : own_space(event.task, kernel);
    r.step = event.step;
    r.object = event.object;
    r.value = event.value;
    r.text = event.text;
    r.frames = kernel.frames().in_use();
    return r;
}

Record Recorder::record(const Miss& miss, const Kernel& kernel) {
    Record r;
    r.kind = Record::Kind::miss;
    r.number = miss.after;
    r.time = miss.time;
    r.cpu = static_cast<std::int16_t>(miss.cpu);
    r.serial = miss.task;
    r.task = task_name(miss.task, kernel);
    r.space = miss.space;
    r.object = miss.address;
    r.frames = kernel.frames().in_use();
    return r;
}

const std::string& Recorder::task_name(std::uint32_t serial, const Kernel& kernel) {
    static const std::string machine = "machine";
    if (serial == 0) return machine;
    if (names_.size() <= serial) names_.resize(serial + 1);
    if (names_[serial].empty())
        for (const auto& task : kernel.tasks())
            if (task->serial == serial) names_[serial] = task->name;
    return names_[serial];
}

void keep_records(RunRequest& request, std::vector<Record>& records) {
    const auto recorder = std::make_shared<Recorder>();
    request.log = [recorder, &records](const Event& e, const Kernel& k) { records.push_back(recorder->record(e, k)); };
    request.missed = [recorder, &records](const Miss& m, const Kernel& k) {
        records.push_back(recorder->record(m, k));
    };
}

void put_in_order(std::vector<Record>& records) {
    // A miss follows the event of the same number; two misses in one place keep the order in which they became known.
    std::stable_sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
        return a.number != b.number ? a.number < b.number : a.kind < b.kind;
    });
}

} // namespace trapline
