// scenarios/schedule.hpp: schedules that somebody wrote by hand, and the policies that fill the rest.
//
// A script says which task runs and until what happens, one item after the other; nobody else runs meanwhile:
//
//     t1 until text-restored;      # the first thread, until the kernel step "text-restored" is done
//     t2 until :hot+3;             # the second, until it is about to execute the instruction at hot+3
//     t1 until text-armed
//
//     SCRIPT   = ITEM { ";" ITEM } [";"]
//     ITEM     = TASK "until" EVENT { "or" EVENT }          the first of the events that happens ends the item
//     TASK     = "tN" | "pM.tN" | "kN"                      thread N of process M (1 when left out); tracer N
//     EVENT    = ( STEP["@"PLACE] | PLACE | "syscall" NAME | "exit" | N "instructions" ) ["xCOUNT"]
//
// Blanks and line ends separate words; `#` after a blank begins a comment that ends with the line. `x3` means the third
// time, counted from the start of the item. A word of lower-case letters, digits and '-' (before the first '@') is a
// step, anything else with a ':' or '@' is a place; so a file named `a@b` is written `./a@b:sym`. When the script ends,
// round robin takes over. Read next: scenarios/token.hpp, which says the same in forty characters.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "emu/result.hpp"
#include "probes/spec.hpp"

namespace trapline {

/// A task as scripts and tokens name it, by order of creation; nothing else about it is known before the run.
struct TaskRef {
    enum class Kind { thread, tracer };
    Kind kind = Kind::thread;
    std::uint32_t process = 1; ///< 1 is the first process; always 1 for a tracer
    std::uint32_t number = 1;  ///< 1 is the main thread, or the first [[tracer]]
    bool operator==(const TaskRef&) const = default;
};

/// "t2", "p2.t1" or "k1".
[[nodiscard]] std::string to_string(const TaskRef& task);

/// Reads what to_string writes (and `p1.t2` for `t2`). The error says what a task looks like.
[[nodiscard]] Result<TaskRef> parse_task(std::string_view text);

/// What an item waits for.
struct ScheduleEvent {
    struct Step {
        std::string name;             ///< a kernel step of this task, just done
        std::optional<ProbePlace> at; ///< only where it concerns the probe at this place
    };
    struct Syscall {
        std::string name; ///< the task is about to enter this system call
    };
    struct Exit {}; ///< the task has ended
    struct Instructions {
        std::uint64_t count; ///< instructions retired by the task in user mode
    };
    std::variant<Step, ProbePlace, Syscall, Exit, Instructions> what; ///< a ProbePlace: about to execute it
    std::uint64_t times = 1;
};

/// One `TASK until EVENT`, with what is needed to say where a run left the script.
struct ScheduleItem {
    TaskRef task;
    std::vector<ScheduleEvent> until; ///< never empty
    std::size_t number = 0;           ///< 1 is the first item
    int line = 0;                     ///< within the script, 1 is the first
    std::string text;                 ///< as written, in one line, without comments
};

struct ScheduleScript {
    std::vector<ScheduleItem> items; ///< never empty
    std::string text;                ///< as written
};

/// Policies that need no script: they decide whenever a script or a token does not.
namespace policy {
struct RoundRobin {
    bool operator==(const RoundRobin&) const = default;
};
struct Random {
    std::uint64_t seed = 0;
    bool operator==(const Random&) const = default;
};
/// Random priorities with depth - 1 change points (PCT, ASPLOS 2010).
struct Pct {
    std::uint32_t depth = 1;
    std::uint64_t seed = 0;
    bool operator==(const Pct&) const = default;
};
} // namespace policy

using BasePolicy = std::variant<policy::RoundRobin, policy::Random, policy::Pct>;
using SchedulePolicy = std::variant<policy::RoundRobin, policy::Random, policy::Pct, ScheduleScript>;

/// Reads a script. Error::line is the line within the script; the text names the item.
[[nodiscard]] Result<ScheduleScript> parse_schedule_script(std::string_view text);

/// Reads one EVENT, as `[explore] from` has it.
[[nodiscard]] Result<ScheduleEvent> parse_schedule_event(std::string_view text);

/// Reads `--schedule`: rr, random:SEED, pct:DEPTH:SEED or a script.
[[nodiscard]] Result<SchedulePolicy> parse_schedule_policy(std::string_view text);

/// Refuses a script that names a step which is not among `steps`; nothing when all are known.
[[nodiscard]] std::optional<Error> check_steps(const ScheduleScript& script, std::span<const std::string> steps);

/// "diverged: item 2 `t1 until text-armed`: WHY", the one form in which a run says that it left its script.
[[nodiscard]] std::string diverged_text(const ScheduleItem& item, std::string_view why);

} // namespace trapline
