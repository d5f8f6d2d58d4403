#include "decoder/region.hpp"

#include "decoder/boostable.hpp"
#include "decoder/flow.hpp"

#include <algorithm>

namespace trapline {
FunctionMap::FunctionMap(std::span<const uint8_t> code) {
    const auto size = static_cast<uint32_t>(code.size());
    for (uint32_t at = 0; at < size;) {
        const KernelCopy copy(code.subspan(at));
        if (!copy.insn || copy.insn->shape.undefined || at + copy.insn->shape.length > size) {
            spoil();
            break;
        }
        add(copy, at);
        at += copy.insn->shape.length;
    }
    finish(size);
}

void FunctionMap::add(const KernelCopy& copy, uint32_t at) {
    starts_.push_back(at);
    boost_.push_back(boostable(copy, BoostRules::linux_6_12).refused);
    if (is_breakpoint(copy.bytes)) {
        if (!padding_) padding_ = at;
        return;
    }
    if (padding_) spoil();
    const Outline& insn = copy.insn->shape;
    switch (flow(insn)) {
    case Flow::jump:
    case Flow::conditional:
    case Flow::loop:
    case Flow::call: {
        const int64_t target = int64_t{at} + insn.length + immediate_of(insn, copy.bytes);
        if (target >= 0 && target <= UINT32_MAX) targets_.push_back(static_cast<uint32_t>(target));
        break;
    }
    case Flow::jump_indirect:
        indirect_jump_ = true;
        break;
    default:
        break;
    }
}

void FunctionMap::finish(uint32_t size) {
    starts_.push_back(size);
    size_ = padding_.value_or(size);
    std::sort(targets_.begin(), targets_.end());
    targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
}

void FunctionMap::clear() {
    size_ = 0;
    padding_.reset();
    undecodable_ = indirect_jump_ = false;
    starts_.clear();
    boost_.clear();
    targets_.clear();
}

Region FunctionMap::jump_region(uint32_t offset) const {
    const auto found = std::lower_bound(starts_.begin(), starts_.end() - 1, offset);
    if (found == starts_.end() - 1 || *found != offset) return {Why::undecodable};
    return jump_region_of(static_cast<size_t>(found - starts_.begin()));
}

Region FunctionMap::jump_region_of(size_t index) const {
    const uint32_t offset = starts_[index];
    if (offset + jump_size > size_) return {Why::function_end};
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
