#include "emu/cpu/blocks.hpp"

#include "decoder/walk.hpp"
#include "emu/check.hpp"

#include <sys/mman.h>

namespace trapline {

Blocks::~Blocks() {
    for (std::uint32_t* c : chunks_)
        if (c != nullptr) ::munmap(c, kChunkBytes);
}

std::uint32_t* Blocks::page(PhysAddr at) {
    const std::size_t number = at / kPageSize;
    const std::size_t chunk = number / kPagesPerChunk;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1, nullptr);
    if (chunks_[chunk] == nullptr) {
        void* p =
            ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        TL_CHECK(p != MAP_FAILED, "no host memory for block counts");
        chunks_[chunk] = static_cast<std::uint32_t*>(p);
    }
    return chunks_[chunk] + (number % kPagesPerChunk) * kPageSize;
}

BlockInfo Blocks::decode(std::span<const std::uint8_t> bytes) {
    Walk w = walk(bytes);
    BlockInfo info;
    info.count = w.count;
    info.first_vector = w.first_vector;
    info.last = w.last_offset;
    info.ends_in_rep = w.ends_in_rep;
    info.special = info.ends_in_rep || info.first_vector >= 0;
    return info;
}

const BlockInfo& Blocks::look_up(PhysAddr at, std::span<const std::uint8_t> bytes) {
    const std::uint64_t key = at << 16 | bytes.size();
    BlockInfo& kept = table_[(at ^ at >> 12) % table_.size()];
    if (kept.key != key) {
        kept = decode(bytes);
        kept.key = key;
    }
    return kept;
}

void Blocks::forget(PhysAddr at, std::uint64_t bytes) {
    // Blocks that run over a page's end are never kept (Cpu::look), so no block from an earlier page can matter.
    const std::size_t chunk = at / kPageSize / kPagesPerChunk;
    if (chunk < chunks_.size() && chunks_[chunk] != nullptr) {
        std::uint32_t* words = page(page_floor(at));
        for (Addr start = 0; start < (at & kPageMask) + bytes; ++start)
            if (words[start] != 0 && start + (words[start] & 0xffff) > (at & kPageMask)) words[start] = 0;
    }
    for (BlockInfo& b : table_) {
        const PhysAddr start = b.key >> 16;
        if (start < at + bytes && start + (b.key & 0xffff) > at) b = BlockInfo{};
    }
}

} // namespace trapline
