// tests/differential/compare.hpp: how two outcomes of the same execution differ.
#pragma once

#include "tests/differential/form.hpp"

#include <string>

namespace trapline::testing {

/// A bit for each kind of effect that can be wrong.
namespace effect {
inline constexpr unsigned registers = 1, flags = 2, next = 4, memory = 8, dead_stack = 16, signal = 32,
                          signal_detail = 64, sse = 128, mxcsr = 256, x87 = 512, x87_status = 1024, lost = 2048,
                          sse_at_fault = 4096;
} // namespace effect

/// What of an outcome the architecture defines.
struct Defined {
    std::uint64_t flags = 0xcd5; ///< CF PF AF ZF SF DF OF
};

/// The flags that the instruction leaves undefined do not count (Zydis knows which these are).
Defined defined_by(const Form& form);

unsigned differences(const Outcome& a, const Outcome& b, const Defined& defined);
/// "registers, flags"
std::string words(unsigned effects);
/// The two, side by side, as far as they differ.
std::string details(const Outcome& a, const Outcome& b, const Defined& defined);

} // namespace trapline::testing
