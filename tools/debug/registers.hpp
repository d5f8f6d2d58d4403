// tools/debug/registers.hpp: a thread's registers in the order in which gdb wants them.
//
// The order is that of the target description, which is sent to gdb, so the two cannot differ: general registers,
// segments, x87, SSE, then what Linux adds. (gdb's manual, "i386 Features".)
#pragma once

#include "emu/kernel/kernel.hpp"

#include <string>

namespace trapline {

/// The target description, XML.
[[nodiscard]] std::string target_description();

/// All registers as bytes, each with the least byte first.
[[nodiscard]] std::string register_block(Kernel& kernel, const Task& t);

/// Place and size of register `number` in the block; size 0: there is none.
[[nodiscard]] std::pair<std::size_t, std::size_t> register_place(std::size_t number);

} // namespace trapline
