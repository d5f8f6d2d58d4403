// tools/event_log.hpp: the event log as a file: lines of JSON (--log), written here and read again.
//
// The first line says what was run, the last how it ended; between them stands one line for each event, in the
// machine's one total order, each with the same keys:
//   {"number":17,"time":5123,"cpu":1,"task":"t2","serial":2,"step":"trap","object":4198401,"value":0,"text":"",
//    "cost":640,"space":1,"frames":35}
// `time` is the virtual time of the CPU in cycles when the step was done, `cost` how long it took, `space` the address
// space that it concerns, `frames` the physical frames in use; `object` and `value` mean what the step says
// (emu/kernel/log.hpp). An execution that a probe missed is a line {"missed":{...}}, written when it becomes certain;
// its `number` is that of the event that it follows. A system call in words is a line {"called":{...}} when it
// is entered and {"returned":{...}} when it is left; `call` is the number of the event by which it was entered. The
// first line is {"log":1,...}, the last {"end":{...}}, what `run --json` prints. Read next: tools/run_outputs.hpp.
#pragma once

#include "scenarios/record.hpp"
#include "scenarios/text_state.hpp"
#include "tools/output_file.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace trapline {

/// The line of one record, without its end.
[[nodiscard]] std::string log_line(const Record& record);

/// The line of a system call that was entered or has returned. `task`: its caller's name.
[[nodiscard]] std::string log_line(const CallNote& note, const std::string& task);

/// The first line: what is about to run. `scenario` may be nullptr.
[[nodiscard]] std::string log_header(const RunRequest& request, const Scenario* scenario);

/// The last line.
[[nodiscard]] std::string log_footer(const RunRequest& request, const RunReport& report);

/// Cycles a second of the request's cost profile.
[[nodiscard]] std::uint64_t hz_of(const RunRequest& request);

/// The schedule as it would be given to --schedule.
[[nodiscard]] std::string schedule_text(const RunRequest& request);

/// A log that was read again.
struct LogFile {
    nlohmann::ordered_json header; ///< null when the log has none
    nlohmann::ordered_json end;    ///< null when the run was cut short
    std::vector<Record> records;   ///< misses in their places

    [[nodiscard]] PlaceNames names() const;
    /// Cycles a second of the cost profile.
    [[nodiscard]] std::uint64_t hz() const;
};

/// Reads a log; "-" is standard input. Errors name the line.
[[nodiscard]] Result<LogFile> read_log(const std::string& path);

} // namespace trapline
