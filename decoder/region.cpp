#include "decoder/region.hpp"

#include "decoder/boostable.hpp"
#include "decoder/flow.hpp"

#include <algorithm>

namespace trapline {
namespace {

/// Compilers and linkers fill the space behind a function with int3.
bool is_padding(std::span<const uint8_t> rest) {
    return std::all_of(rest.begin(), rest.end(), [](uint8_t b) { return b == 0xcc; });
}

} // namespace

FunctionMap::FunctionMap(std::span<const uint8_t> code) : size_(static_cast<uint32_t>(code.size())) {
    starts_.reserve(code.size() / 4 + 1);
    boost_.reserve(code.size() / 4 + 1);
    uint32_t at = 0;
    while (at < size_) {
        const auto rest = code.subspan(at);
        if (is_breakpoint(rest) && is_padding(rest)) break;
        const KernelCopy copy(rest.first(std::min<size_t>(rest.size(), kernel_copy)));
        const bool whole = copy.insn && !copy.insn->shape.undefined && at + copy.insn->shape.length <= size_;
        if (!whole || is_breakpoint(rest)) {
            undecodable_ = true;
            break;
        }
        add(copy, at);
        at += copy.insn->shape.length;
    }
    starts_.push_back(at);
    std::sort(targets_.begin(), targets_.end());
    targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
}

void FunctionMap::add(const KernelCopy& copy, uint32_t at) {
    starts_.push_back(at);
    boost_.push_back(boostable(copy, BoostRules::linux_6_12).refused);
    switch (flow(copy.insn->shape)) {
    case Flow::jump:
    case Flow::conditional:
    case Flow::loop:
    case Flow::call: {
        const int64_t target = int64_t{at} + copy.insn->shape.length + immediate_of(copy.insn->shape, copy.bytes);
        if (target >= 0 && target < size_) targets_.push_back(static_cast<uint32_t>(target));
        break;
    }
    case Flow::jump_indirect:
        indirect_jump_ = true;
        break;
    default:
        break;
    }
}

Region FunctionMap::jump_region(uint32_t offset) const {
    const auto found = std::lower_bound(starts_.begin(), starts_.end() - 1, offset);
    if (found == starts_.end() - 1 || *found != offset) return {Why::undecodable};
    return jump_region_of(static_cast<size_t>(found - starts_.begin()));
}

Region FunctionMap::jump_region_of(size_t index) const {
    const uint32_t offset = starts_[index];
    if (size_ - offset < jump_size) return {Why::function_end};
    if (undecodable_) return {Why::undecodable_in_function};
    if (indirect_jump_) return {Why::indirect_jump_in_function};
    // kprobes counts the byte behind the jump, too, although nothing stands in the way of a jump to it.
    const auto target = std::upper_bound(targets_.begin(), targets_.end(), offset);
    if (target != targets_.end() && *target <= offset + jump_size) return {Why::jumped_into};
    Region out;
    for (size_t i = index; out.length < jump_size; ++i) {
        if (i == boost_.size()) return {Why::function_end};
        if (boost_[i] != Why::none) return {i == index ? boost_[i] : Why::neighbour_not_boostable};
        out.length = static_cast<uint8_t>(starts_[i + 1] - offset);
        ++out.instructions;
    }
    return out;
}

} // namespace trapline
