#include "boost/jump_plan.hpp"

#include <algorithm>
#include <optional>

namespace trapline {
namespace {

constexpr std::uint64_t kLongestFunction = 1u << 20; // data in a text section is not walked for ever

struct Extent {
    std::uint64_t offset, size; // in the file
};

/// The function that the byte at `offset` belongs to.
std::optional<Extent> function_at(const CodeMap& code, std::uint64_t offset) {
    const auto range = std::find_if(code.ranges.begin(), code.ranges.end(), [offset](const CodeRange& r) {
        return offset >= r.offset && offset - r.offset < r.size;
    });
    if (range == code.ranges.end()) return std::nullopt;
    const Addr at = range->address + (offset - range->offset);
    auto f = std::upper_bound(code.functions.begin(), code.functions.end(), at,
                              [](Addr a, const CodeFunction& g) { return a < g.address; });
    if (f == code.functions.begin()) return std::nullopt;
    --f;
    if (at - f->address >= f->size || f->address < range->address || f->size > kLongestFunction) return std::nullopt;
    return Extent{range->offset + (f->address - range->address), f->size};
}

/// Empty when the file ends before, or cannot be read.
std::vector<std::uint8_t> contents(Frames& frames, Inode& file, const Extent& e) {
    std::vector<std::uint8_t> out;
    for (std::uint64_t at = e.offset; at < e.offset + e.size; at = page_floor(at) + kPageSize) {
        const FrameNo frame = at < file.size() ? file.page(at / kPageSize) : 0;
        if (frame == 0) return {};
        const std::uint8_t* page = frames.data(frame);
        const std::uint64_t from = at & kPageMask, to = std::min(kPageSize, from + (e.offset + e.size - at));
        out.insert(out.end(), page + from, page + to);
    }
    return out;
}

} // namespace

const CodeMap& JumpPlans::code_of(const Inode& file) {
    auto [it, fresh] = files_.try_emplace(file.number);
    if (fresh)
        if (Result<CodeMap> code = read_code(file); code) it->second = std::move(*code);
    return it->second;
}

const JumpPlan& JumpPlans::of(const Uprobe& u) {
    auto it = plans_.find(u.number);
    if (it == plans_.end()) it = plans_.emplace(u.number, make(u)).first;
    return it->second;
}

JumpPlan JumpPlans::make(const Uprobe& u) {
    JumpPlan plan;
    const std::optional<Extent> function = u.inode ? function_at(code_of(*u.inode), u.offset) : std::nullopt;
    if (!function) return plan;
    const std::vector<std::uint8_t> code = contents(frames_, *u.inode, *function);
    if (code.empty()) return plan;
    const auto at = static_cast<std::uint32_t>(u.offset - function->offset);
    const Region region = FunctionMap(code).jump_region(at);
    plan.refused = region.refused;
    if (!plan.possible()) return plan;
    plan.bytes.assign(code.begin() + at, code.begin() + at + region.length);
    for (std::uint64_t start = 0; start < region.length;) {
        plan.starts.push_back(static_cast<std::uint8_t>(start));
        start += outline(std::span(plan.bytes).subspan(start))->length;
    }
    return plan;
}

} // namespace trapline
