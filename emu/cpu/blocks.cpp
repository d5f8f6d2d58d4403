#include "emu/cpu/blocks.hpp"

#include "decoder/walk.hpp"
#include "emu/check.hpp"
#include "emu/cpu/gaps.hpp"
#include "emu/snapshot/arena.hpp"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace trapline {

Blocks::~Blocks() {
    for (Page* c : chunks_)
        if (c != nullptr) ::munmap(c, kChunkBytes);
}

Blocks::Page& Blocks::info(PhysAddr at) {
    const std::size_t number = at / kPageSize;
    const std::size_t chunk = number / kPagesPerChunk;
    if (chunk >= chunks_.size()) {
        const Arena::Off off;
        chunks_.resize(chunk + 1, nullptr);
    }
    if (chunks_[chunk] == nullptr) {
        void* p =
            ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        TL_CHECK(p != MAP_FAILED, "no host memory for block counts");
        chunks_[chunk] = static_cast<Page*>(p);
    }
    return chunks_[chunk][number % kPagesPerChunk];
}

bool Blocks::knows(PhysAddr at) const {
    const std::size_t number = at / kPageSize;
    const std::size_t chunk = number / kPagesPerChunk;
    return chunk < chunks_.size() && chunks_[chunk] != nullptr && chunks_[chunk][number % kPagesPerChunk].known;
}

void Blocks::note(PhysAddr at, std::uint32_t size, std::uint16_t count) {
    Page& p = info(at);
    const auto start = static_cast<std::uint16_t>(at & kPageMask);
    if (p.end == 0) p.first = start;
    p.first = std::min(p.first, start);
    p.end = std::max<std::uint16_t>(p.end, start + 1);
    p.words[start] = word(size, count);
}

BlockInfo Blocks::decode(std::span<const std::uint8_t> bytes) {
    Walk w =
        walk(bytes, [](const Outline& insn, std::span<const std::uint8_t> at) { return gap(insn, at) != Gap::none; });
    BlockInfo info;
    info.count = w.count;
    info.first_gap = w.first_wanted;
    info.last = w.last_offset;
    info.ends_in_rep = w.ends_in_rep;
    info.special = info.ends_in_rep || info.first_gap >= 0;
    return info;
}

const BlockInfo& Blocks::look_up(PhysAddr at, std::span<const std::uint8_t> bytes) {
    const std::uint64_t key = at << 16 | bytes.size();
    const std::uint32_t generation = info(at).generation;
    BlockInfo& kept = table_[(at ^ at >> 12) % table_.size()];
    if (kept.key != key || kept.generation != generation) {
        kept = decode(bytes);
        kept.key = key;
        kept.generation = generation;
    }
    return kept;
}

void Blocks::forget(PhysAddr at, std::uint64_t bytes) {
    // Blocks that run over a page's end are never kept (Cpu::look), so no block from an earlier page can matter.
    if (!knows(at)) return;
    Page& p = info(at);
    ++p.generation;
    const Addr from = at & kPageMask, to = std::min<Addr>(from + bytes, p.end);
    for (Addr start = p.first; start < to; ++start)
        if (p.words[start] != 0 && start + (p.words[start] & 0xffff) > from) p.words[start] = 0;
}

void Blocks::forget_all() {
    table_.fill(BlockInfo{});
    for (Page* c : chunks_)
        if (c != nullptr) ::madvise(c, kChunkBytes, MADV_DONTNEED); // zero again where it was touched
}

bool Blocks::translated_from(PhysAddr at, std::span<const std::uint8_t> bytes, const std::uint8_t* page) {
    Page& p = info(at);
    if (!p.known) {
        p.known = true;
        std::memcpy(p.source, page, kPageSize);
        return true;
    }
    return std::memcmp(p.source + (at & kPageMask), bytes.data(), bytes.size()) == 0;
}

void Blocks::retranslated(PhysAddr at, std::span<const std::uint8_t> bytes) {
    std::memcpy(info(at).source + (at & kPageMask), bytes.data(), bytes.size());
}

} // namespace trapline
