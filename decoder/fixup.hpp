// decoder/fixup.hpp: how an instruction is copied so that the copy can run at another address.
//
// Three things in an instruction depend on where it stands. A RIP-relative operand: the copy uses a scratch register
// instead, which holds the address that RIP would have had. A relative branch: the copy is unchanged, and the
// instruction pointer is moved back by the distance between probe and copy afterwards, which lands in the right place
// however far it went (a copy near the top of user space may lead outside it on the way; no byte is fetched there). A
// call: the return address that it pushed is corrected. Which correction is due after the step is a PostFix.
// Source: Linux 6.12, arch/x86 uprobes, as facts; the choice of scratch register is Linux's since 3.16.
#pragma once

#include "decoder/outline.hpp"

#include <array>

namespace trapline {

/// The register that stands in for RIP in a copy. Saved before the step, restored after it and when it is aborted.
enum class Scratch : uint8_t { none, rsi, rdi, rbx };

/// What to do after the copy has run, where `delta` is the probe's address minus the copy's.
enum class PostFix : uint8_t {
    shift,         ///< ip += delta
    call_relative, ///< as shift, and the return address on the stack becomes the probe's address + length
    call_indirect, ///< ip is right; the same return address
    absolute,      ///< ip is right
    popf,          ///< as shift, and the trap flag that was popped is kept
    shift_short,   ///< as shift, but an ip below 64 KiB was cut to 16 bits (66 before a branch: AMD's CPUs do it)
};

/// Where a step, or the place of a copy, shows to the program afterwards: the trap flag in what pushf pushed, and in
/// r11 beside the address in rcx. Linux leaves it so.
enum class StepShows : uint8_t { nothing, in_pushed_flags, after_syscall };
StepShows step_shows(const Outline& insn);

/// A copy that can run elsewhere.
struct OutOfLine {
    std::array<uint8_t, 16> bytes{}; ///< `length` of them are the instruction, the rest is zero
    uint8_t length = 0;              ///< as the original's
    Scratch scratch = Scratch::none; ///< must hold the probe's address + length while the copy runs
    PostFix post = PostFix::shift;
    uint8_t pushed = 8; ///< bytes of a call's return address: 2 behind 66, where ip is cut, too, as by shift_short
    StepShows shows = StepShows::nothing;
};

/// The copy of the instruction at the start of `bytes` (64-bit mode); nullopt when there is no instruction. Says
/// nothing about whether the instruction may be probed (decoder/rules.hpp). What Linux leaves wrong stays wrong here:
/// the trap flag that pushf pushes, rcx and r11 after syscall, the abort address of xbegin.
std::optional<OutOfLine> out_of_line(std::span<const uint8_t> bytes);

/// The instruction at the start of `bytes`, which stands at `from`, encoded to stand at `to`: a RIP-relative operand
/// keeps its target, everything else its bytes. nullopt when there is no instruction, when it is a relative branch, or
/// when no displacement of 32 bits reaches. kprobes do it for their copies; uprobes' area lies too far away.
std::optional<std::array<uint8_t, 16>> relocated(std::span<const uint8_t> bytes, uint64_t from, uint64_t to);

} // namespace trapline
