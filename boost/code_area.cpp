#include "boost/code_area.hpp"

#include "emu/check.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace trapline {
namespace {
constexpr Addr kLowest = 0x10000;            // vm.mmap_min_addr
constexpr std::uint64_t kReach = 0x7fff0000; // of a rel32, with room for a page and an instruction
constexpr std::uint64_t kHeapRoom = 64u << 20;
} // namespace

bool reaches(Addr from, Addr to) {
    const auto d = static_cast<std::int64_t>(to - from);
    return d >= std::numeric_limits<std::int32_t>::min() && d <= std::numeric_limits<std::int32_t>::max();
}

std::array<std::uint8_t, 5> rel32_branch(std::uint8_t opcode, Addr at, Addr to) {
    const Addr end = at + 5;
    TL_CHECK(reaches(end, to), "no rel32 from {:#x} to {:#x}", at, to);
    std::array<std::uint8_t, 5> out{opcode};
    const auto d = static_cast<std::uint32_t>(to - end);
    std::memcpy(out.data() + 1, &d, sizeof d);
    return out;
}

Addr nearest_free_page(const Mm& mm, Addr text) {
    const Addr low = text > kReach + kLowest ? page_ceil(text - kReach) : kLowest;
    const Addr high = std::min<Addr>(text + kReach, kTaskSize - kPageSize); // the last page belongs to nobody
    Addr best = 0;
    std::uint64_t distance = ~0ull;
    auto consider = [&](Addr at) {
        const std::uint64_t d = at > text ? at - text : text - at;
        if (d < distance) distance = d, best = at;
    };
    auto gap = [&](Addr from, Addr to) {
        from = std::max(from, low);
        to = std::min(to, high);
        if (from >= to || to - from < kPageSize) return;
        consider(std::clamp(page_floor(text), from, to - kPageSize));
    };
    const Addr heap = page_floor(mm.program_break()), heap_end = heap == 0 ? 0 : heap + kHeapRoom;
    Addr from = 0;
    auto gap_beside_heap = [&](Addr to) {
        gap(from, std::min(to, heap));
        gap(std::max(from, heap_end), to);
    };
    for (const auto& [start, v] : mm.vmas()) {
        gap_beside_heap(start);
        from = v.end;
    }
    gap_beside_heap(kTaskSize);
    return best;
}

std::map<Addr, CodeArea::Page>::iterator CodeArea::map_page(Mm& mm, Addr at) {
    Page page{std::make_shared<MemoryInode>(mm.frames(), ~0ull, name_, kPageSize), {}};
    if (at == 0 || page.memory->page(0) == 0) return pages_.end();
    page.taken.resize(kPageSize / piece_);
    Vma v;
    v.start = at;
    v.end = at + kPageSize;
    v.prot = prot::read | prot::exec;
    v.dont_copy = true; // a child gets pages of its own, or none: that is the strategy's to say
    v.sealed = true;
    v.inode = page.memory;
    v.name = name_;
    if (mm.map(std::move(v)) != 0) return pages_.end();
    return pages_.insert_or_assign(at, std::move(page)).first;
}

/// A free piece of the page, 0 when all are taken.
Addr CodeArea::piece_of(std::map<Addr, Page>::iterator it) {
    if (it == pages_.end()) return 0;
    auto free = std::find(it->second.taken.begin(), it->second.taken.end(), false);
    if (free == it->second.taken.end()) return 0;
    *free = true;
    ++in_use_;
    return it->first + static_cast<Addr>(free - it->second.taken.begin()) * piece_;
}

Addr CodeArea::take_near(Mm& mm, Addr text) {
    for (auto it = pages_.begin(); it != pages_.end(); ++it)
        if ((it->first > text ? it->first - text : text - it->first) <= kReach)
            if (const Addr at = piece_of(it); at != 0) return at;
    return piece_of(map_page(mm, nearest_free_page(mm, text)));
}

Addr CodeArea::take(Mm& mm, Addr text) {
    if (const Addr at = take_near(mm, text); at != 0) return at;
    for (auto it = pages_.begin(); it != pages_.end(); ++it)
        if (const Addr at = piece_of(it); at != 0) return at;
    return piece_of(map_page(mm, mm.find_free(kPageSize)));
}

bool CodeArea::holds(Addr at) const { return pages_.contains(page_floor(at)); }

void CodeArea::give_back(Addr at) {
    auto it = pages_.find(page_floor(at));
    const std::size_t piece = (at & kPageMask) / piece_;
    TL_CHECK(it != pages_.end() && it->second.taken[piece], "a piece of code at {:#x} is given back twice", at);
    it->second.taken[piece] = false;
    --in_use_;
}

void CodeArea::write(Mm& mm, Addr at, std::span<const std::uint8_t> bytes) {
    auto it = pages_.find(page_floor(at));
    TL_CHECK(it != pages_.end(), "no page of {} at {:#x}", name_, at);
    const FrameNo frame = it->second.memory->page(0);
    std::uint8_t* p = mm.frames().data(frame) + (at & kPageMask);
    if (std::equal(bytes.begin(), bytes.end(), p)) return;
    std::memcpy(p, bytes.data(), bytes.size());
    if (mm.frames().holds_code(frame)) mm.cpu().drop_code(frame_base(frame) + (at & kPageMask), bytes.size());
}

CodeArea CodeArea::duplicate(Mm& child) const {
    CodeArea out(name_, piece_);
    for (const auto& [at, page] : pages_) {
        // Not where the program has put something else; and when RAM is full the child faults where its parent does
        // not.
        auto it = child.range_free(at, kPageSize) ? out.map_page(child, at) : out.pages_.end();
        if (it == out.pages_.end()) continue;
        it->second.taken = page.taken;
        std::memcpy(child.frames().data(it->second.memory->page(0)), child.frames().data(page.memory->page(0)),
                    kPageSize);
    }
    out.in_use_ = in_use_;
    return out;
}

} // namespace trapline
