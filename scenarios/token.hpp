// scenarios/token.hpp: a whole schedule in some forty characters.
//
//     tl1:1f2e3d4c:1:inline:12>2,17>1,19>*
//     tl1:GUEST8:MODEL:STRATEGY:DEVIATIONS
//
// GUEST8 is the first eight hex digits of the guest's hash, MODEL the version of the virtual kernel's steps (raised
// when one is added, removed or reordered): a token is worthless without what it was made on, so it names it and is
// refused elsewhere. DEVIATIONS holds only what differs from the default policy:
//
//     DEVIATIONS = [BASE "/"] ( "-" | SWITCH { "," SWITCH } )
//     BASE       = "random." SEED | "pct." DEPTH "." SEED        left out: round robin
//     SWITCH     = STEPS ["+" INSTRUCTIONS] ["~" IDLE] ">" ( TASK | "*" )
//     TASK       = N (thread N of process 1) | M "." N (of process M) | "k" N (tracer N)
//
// A SWITCH happens once the machine has done STEPS kernel steps since boot and retired INSTRUCTIONS user instructions
// after the last of them, by whatever tasks. It gives the CPU to TASK, who keeps it until the next switch; if TASK
// blocks or ends before, the base policy chooses, which is no deviation. "*" hands control back to the base policy,
// which also has it before the first switch. A turn without a step or an instruction moves no position: the task went
// to sleep or ended, or it only left the kernel. IDLE counts those, where a switch waits for one. Positions rise
// strictly, so there is one spelling for each schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emu/result.hpp"
#include "scenarios/schedule.hpp"

namespace trapline {

/// One place where the schedule departs from the base policy.
struct TokenSwitch {
    std::uint64_t steps = 0;        ///< kernel steps of the whole machine before the switch
    std::uint64_t instructions = 0; ///< user instructions of the whole machine after the last of these steps
    /// Turns at this position before the switch that had neither a step nor an instruction: a task went to sleep, say.
    std::uint64_t idle_turns = 0;
    std::optional<TaskRef> to; ///< nothing: back to the base policy
    bool operator==(const TokenSwitch&) const = default;
};

struct Token {
    std::string guest8; ///< eight lower-case hex digits
    std::uint32_t model = 1;
    std::string strategy;
    BasePolicy base;
    std::vector<TokenSwitch> switches; ///< positions (steps, instructions) rise strictly
    bool operator==(const Token&) const = default;
};

/// The token's text. The fields must be what parse_token accepts (checked: anything else is a defect of ours).
[[nodiscard]] std::string to_string(const Token& token);

/// Reads a token; the error names the part that does not fit and shows what it should look like.
[[nodiscard]] Result<Token> parse_token(std::string_view text);

/// Why this token cannot be replayed here: another guest, another model or both. Nothing when it fits.
[[nodiscard]] std::optional<Error> token_mismatch(const Token& token, std::string_view guest8, std::uint32_t model);

} // namespace trapline
