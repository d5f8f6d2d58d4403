// decoder/boostable.hpp: may the copy of an instruction run to its end without a step trap?
//
// A boosted copy ends in a jump back (seed 002). Nothing corrects it afterwards, so it may not push a return address,
// branch relative to itself, or trap; and what a kernel boosts is a list, which grew over twenty years. The lists are
// data in decoder/boost_opcodes.hpp. Read that next. The copies themselves, and the first step that measured the length
// in 2005, are boost/'s business.
#pragma once

#include "decoder/linux_insn.hpp"
#include "decoder/why.hpp"

namespace trapline {

/// Whose list. 6.18 has that of 6.12.
enum class BoostRules : uint8_t { booster_2005, linux_2_6_32, linux_6_12 };

struct Boost {
    Why refused = Why::none;     ///< what the list says
    bool after_one_step = false; ///< the list refuses it, and the kernel boosts it once a step has shown a jump that
                                 ///< needs no correction (ff /4 and ff /5 up to 2.6.32)
    [[nodiscard]] bool possible() const { return refused == Why::none || after_one_step; }
};

/// Asks the list about the instruction at the start of `bytes`; fewer than 16 are filled with zeros. An instruction
/// that leaves no room for the jump back in the kernel's 16-byte buffer is refused too. The list of 2005 is i386's: in
/// 64-bit mode a REX prefix is one of the prefixes that it says no to. Whether the instruction may be probed at all is
/// another question (decoder/rules.hpp). Source: seed 002; kprobes of 2.6.32 and 6.12.
Boost boostable(std::span<const uint8_t> bytes, BoostRules rules, Mode mode = Mode::k64);
Boost boostable(const KernelCopy& copy, BoostRules rules);

/// The longest instruction that fits the buffer beside its jump back, in bytes: 10 up to 2.6.32, 11 later.
uint8_t longest_boosted(BoostRules rules);

} // namespace trapline
