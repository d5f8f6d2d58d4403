// tests/views/records.hpp: records of runs that were thought out, not recorded.
#pragma once

#include "scenarios/record.hpp"

namespace trapline {

inline constexpr Addr kHot = 0x401050;

/// Numbers its records itself, ten cycles apart.
class Story {
  public:
    Record& event(const std::string& task, Step step, std::uint64_t object = kHot, std::uint64_t value = 0) {
        Record& r = add(task);
        r.number = ++number_;
        r.step = step;
        r.object = object;
        r.value = value;
        return r;
    }
    Record& miss(const std::string& task) {
        Record& r = add(task);
        r.kind = Record::Kind::miss;
        r.number = number_;
        r.object = kHot;
        return r;
    }
    std::vector<Record> records;

  private:
    Record& add(const std::string& task) {
        Record& r = records.emplace_back();
        r.time = 10 * records.size();
        r.task = task;
        r.serial = task == "machine" ? 0 : task == "t1" ? 1 : 2;
        r.space = 1;
        r.cpu = static_cast<int>(r.serial) - 1;
        return r;
    }
    std::uint64_t number_ = 0;
};

/// Thread 1 steps in place, thread 2 walks through (seed 004, section 1.1).
inline std::vector<Record> missed_probe() {
    Story s;
    s.event("machine", Step::registered, 0x1050, 1);
    s.event("machine", Step::text_armed);
    s.event("t1", Step::trap);
    s.event("t1", Step::handler, kHot, 1);
    s.event("t1", Step::text_restored);
    s.miss("t2");
    s.event("t2", Step::syscall, 60).text = "exit";
    s.event("t1", Step::stepped, kHot + 3);
    s.event("t1", Step::text_armed);
    s.event("t1", Step::resumed, kHot + 3);
    return s.records;
}

} // namespace trapline
