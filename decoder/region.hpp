// decoder/region.hpp: which instructions a jump of five bytes may replace.
//
// A jump-optimised probe puts `jmp rel32` over the probed instruction and, if that is shorter than five bytes, over its
// neighbours; copies of all of them go to a detour buffer (boost/). That is safe only if no one can arrive in the
// middle of the five bytes, so the whole function must be known: kprobes decodes it once for each probe. Here it is
// walked once and asked about every instruction. What depends on the moment (threads between the displaced
// instructions, other probes on them, a buffer within reach) is not known here. Read next: boostable.hpp.
#pragma once

#include "decoder/linux_insn.hpp"
#include "decoder/why.hpp"

#include <span>
#include <vector>

namespace trapline {

/// The size of `jmp rel32`, in bytes.
inline constexpr uint32_t jump_size = 5;

/// A region that a jump would replace, from the probed instruction on.
struct Region {
    Why refused = Why::none;
    uint8_t length = 0;       ///< bytes of the instructions that move: 5 to 19
    uint8_t instructions = 0; ///< 1 to 5
};

/// One function: its instructions and the places its relative branches lead to. Built by who walks the function anyway:
/// add() for each instruction in order, spoil() for bytes that are none, finish() at the end.
class FunctionMap {
  public:
    FunctionMap() = default;
    /// Walks `code`, the bytes of one function, to its end or to the first bytes that are no instruction.
    explicit FunctionMap(std::span<const uint8_t> code);

    /// `copy` starts `at` bytes behind the function's start. int3s are padding if nothing else follows them.
    void add(const KernelCopy& copy, uint32_t at);
    void spoil() { undecodable_ = true; }
    /// The function has `size` bytes.
    void finish(uint32_t size);
    /// As new, with its memory.
    void clear();

    /// May a jump replace the instruction that starts at `offset`, by the rules of kprobes' jump optimisation? Also
    /// refused: a call into the region, which kprobes does not look for. An offset at which none starts is
    /// `undecodable`. Source: kprobes of 6.12; facts M8.
    [[nodiscard]] Region jump_region(uint32_t offset) const;
    /// The same for the instruction number `index`; the cost is a search among the branch targets.
    [[nodiscard]] Region jump_region_of(size_t index) const;

  private:
    uint32_t size_ = 0;               // without padding
    std::optional<uint32_t> padding_; // where the int3s begin, while nothing else has followed
    bool undecodable_ = false, indirect_jump_ = false;
    std::vector<uint32_t> starts_;  // and one more: the end
    std::vector<Why> boost_;        // for each instruction, what 6.12's list says
    std::vector<uint32_t> targets_; // of branches, sorted, each once
};

} // namespace trapline
