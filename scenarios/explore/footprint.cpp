#include "scenarios/explore/footprint.hpp"

#include <algorithm>

namespace trapline {
namespace {

constexpr unsigned kGranule = 3, kFrameOfGranule = 9;

/// Empty, and without the memory unless that is little.
template <class T> void give_back(std::vector<T>& v) {
    constexpr std::size_t kLittle = 64;
    if (v.capacity() > kLittle) std::vector<T>().swap(v);
    v.clear();
}

bool common(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
    auto i = a.begin();
    auto j = b.begin();
    while (i != a.end() && j != b.end()) {
        if (*i == *j) return true;
        *i < *j ? ++i : ++j;
    }
    return false;
}

bool any_in_frames(const std::vector<std::uint64_t>& granules, const std::vector<std::uint64_t>& frames) {
    return std::any_of(granules.begin(), granules.end(), [&](std::uint64_t g) {
        return std::binary_search(frames.begin(), frames.end(), g >> kFrameOfGranule);
    });
}

} // namespace

void Footprint::clear() {
    everything_ = false;
    kinds_read_ = kinds_written_ = 0;
    read_.clear();
    written_.clear();
    poked_.clear();
    mapped_.clear();
    code_.clear();
    text_.clear();
}

/// Nothing else is of interest then. A search keeps a footprint for every stretch of a long run, so what was written
/// down is given back.
void Footprint::everything() {
    everything_ = true;
    for (Keys* keys : {&read_, &written_, &poked_, &mapped_}) give_back(*keys);
    give_back(code_);
    give_back(text_);
}

void Footprint::add(Keys& keys, std::uint64_t key) {
    if (keys.empty() || keys.back() != key) keys.push_back(key);
}

void Footprint::memory(PhysAddr at, std::uint64_t bytes, bool write) {
    if (everything_) return;
    if ((at & kPageMask) + bytes > kPageSize) return everything(); // where the rest lies is not said
    if (bytes > kMost << kGranule || read_.size() + written_.size() > kMost) return everything();
    for (std::uint64_t g = at >> kGranule; g <= (at + bytes - 1) >> kGranule; ++g) add(write ? written_ : read_, g);
}

void Footprint::mapping(std::uint32_t space, Addr page, std::span<const FrameNo> frames) {
    if (everything_) return;
    constexpr std::uint64_t kByAddress = 1ull << 63;
    constexpr unsigned kSpaceShift = 40; // page numbers of user memory are shorter
    add(mapped_, kByAddress | std::uint64_t{space} << kSpaceShift | page / kPageSize);
    for (const FrameNo f : frames)
        if (f != 0) add(mapped_, f);
}

void Footprint::poke(PhysAddr at, std::uint64_t bytes) {
    if (everything_) return;
    for (std::uint64_t g = at >> kGranule; g <= (at + bytes - 1) >> kGranule; ++g) add(poked_, g);
}

void Footprint::code(std::uint32_t space, Addr from, std::uint64_t bytes) {
    if (everything_) return;
    const Range r{space, from, from + bytes};
    // A loop executes the same blocks again and again.
    const std::size_t look_back = std::min<std::size_t>(code_.size(), 8);
    if (std::find(code_.end() - static_cast<std::ptrdiff_t>(look_back), code_.end(), r) != code_.end()) return;
    if (code_.size() > kMost) return everything();
    code_.push_back(r);
}

void Footprint::text(std::uint32_t space, Addr from, std::uint64_t bytes, bool in_place) {
    if (everything_) return;
    text_.push_back({space, from, from + bytes, in_place});
}

std::uint64_t Footprint::filter(const Keys& keys, unsigned shift) {
    std::uint64_t bits = 0;
    for (std::uint64_t k : keys) bits |= 1ull << ((k >> shift) * 0x9e3779b97f4a7c15 >> 58);
    return bits;
}

void Footprint::seal() {
    for (Keys* keys : {&read_, &written_, &poked_, &mapped_}) {
        std::sort(keys->begin(), keys->end());
        keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
    }
    read_filter_ = filter(read_, 0);
    written_filter_ = filter(written_, 0);
    poked_filter_ = filter(poked_, 0);
    mapped_filter_ = filter(mapped_, 0);
    page_filter_ = filter(read_, kFrameOfGranule) | filter(written_, kFrameOfGranule) | mapped_filter_;
}

bool Footprint::memory_conflicts(const Footprint& other) const {
    if ((written_filter_ & other.written_filter_) != 0 && common(written_, other.written_)) return true;
    if ((written_filter_ & other.read_filter_) != 0 && common(written_, other.read_)) return true;
    if ((poked_filter_ & (other.read_filter_ | other.written_filter_)) != 0 &&
        (common(poked_, other.read_) || common(poked_, other.written_)))
        return true;
    return (mapped_filter_ & other.page_filter_) != 0 &&
           (any_in_frames(other.read_, mapped_) || any_in_frames(other.written_, mapped_) ||
            common(mapped_, other.mapped_));
}

bool Footprint::text_conflicts(const Footprint& other) const {
    const auto same_space = [](const Range& a, const Range& b) {
        return a.space == b.space || a.space == 0 || b.space == 0;
    };
    const auto pages_of = [](Range r) {
        r.from = page_floor(r.from);
        r.to = page_ceil(r.to);
        return r;
    };
    for (const Range& t : text_) {
        for (const Range& c : other.code_)
            if (same_space(t, c) && t.from < c.to && c.from < t.to) return true;
        for (const Range& u : other.text_) {
            const bool whole_pages = !t.in_place || !u.in_place;
            const Range a = whole_pages ? pages_of(t) : t, b = whole_pages ? pages_of(u) : u;
            if (same_space(t, u) && a.from < b.to && b.from < a.to) return true;
        }
    }
    return false;
}

bool Footprint::conflicts(const Footprint& other) const {
    if (everything_ || other.everything_) return true;
    if ((kinds_written_ & (other.kinds_read_ | other.kinds_written_)) != 0) return true;
    if ((other.kinds_written_ & kinds_read_) != 0) return true;
    if (memory_conflicts(other) || other.memory_conflicts(*this)) return true;
    return (!text_.empty() && text_conflicts(other)) || (!other.text_.empty() && other.text_conflicts(*this));
}

} // namespace trapline
