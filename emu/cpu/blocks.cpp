#include "emu/cpu/blocks.hpp"

#include "decoder/walk.hpp"

namespace trapline {

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

void Blocks::forget(PhysAddr at, std::uint64_t bytes) {
    // Blocks that run over a page's end are never kept (Cpu::look), so no block from an earlier page can matter.
    for (PhysAddr start = page_floor(at); start < at + bytes; ++start) {
        BlockInfo& b = place(start);
        if (b.key >> 16 == start && start + (b.key & 0xffff) > at) b = BlockInfo{};
    }
}

} // namespace trapline
