// tests/differential/known.hpp: what is known to differ, and why.
//
// Two lists. `engine_defects` is what the emulated CPU does otherwise than a real one; docs/instructions.md prints it.
// `probe_defects` is what a probe changes, in which dialect. A difference that no entry explains fails. So does an
// entry whose witness, an instruction that shows the difference, shows it no more: then it has been mended, or never
// was.
#pragma once

#include "probes/dialect.hpp"
#include "probes/strategy.hpp"
#include "tests/differential/compare.hpp"

#include <Zydis/Zydis.h>
#include <span>

namespace trapline::testing {

/// A form, and what a second decoder knows of it.
struct Known {
    explicit Known(const Form& of);

    const Form& form;
    bool exists = false; ///< Zydis knows the instruction
    ZydisDecodedInstruction z{};
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    [[nodiscard]] bool is(std::initializer_list<ZydisMnemonic> mnemonics) const;
    [[nodiscard]] bool has_memory() const;
    /// Names an MMX register, or SSE ones, or belongs to the x87.
    [[nodiscard]] bool uses_mmx() const;
    [[nodiscard]] bool is_sse() const;
    [[nodiscard]] bool is_x87() const;
};

/// A register or the memory names the target.
bool leads_anywhere(const Form& form);

struct EngineDefect {
    const char* what;   ///< which instructions, and what is wrong
    const char* remedy; ///< what became of it
    unsigned effects;   ///< what may differ (compare.hpp)
    bool (*is)(const Known& form);
    const char* witness; ///< an instruction that shows it, in hexadecimal
};
std::span<const EngineDefect> engine_defects();

struct ProbeDefect {
    const char* what;
    const char* why;
    unsigned effects;
    bool (*is)(const Known& form, const StrategyInfo& strategy, const Dialect& dialect);
    const char *witness, *strategy, *dialect; ///< an instruction that shows it, and where
};
std::span<const ProbeDefect> probe_defects();

/// The first list as a Markdown table.
std::string engine_table();
/// The second one.
std::string probe_table();

} // namespace trapline::testing
