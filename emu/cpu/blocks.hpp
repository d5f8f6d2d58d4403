// emu/cpu/blocks.hpp: how many instructions a translated block holds, decoded once and remembered.
//
// The engine reports a block by address and size in bytes. Its instruction count, whether it ends in a rep string
// instruction and where its first VEX-encoded instruction stands are found by the length decoder (decoder/outline.hpp) and
// kept in a direct-mapped table keyed by physical address and size. Text that changes must be forgotten (`forget`).
#pragma once

#include "emu/types.hpp"

#include <cstdlib>
#include <memory>
#include <span>

namespace trapline {

struct BlockInfo {
    std::uint64_t key = 0; ///< of no block: a block has at least one byte
    std::uint16_t count = 0;        ///< instructions
    std::int16_t first_vector = -1; ///< byte offset of the first VEX, EVEX or XOP instruction; this CPU has none of them
    std::uint16_t last = 0;         ///< byte offset of the last instruction
    bool ends_in_rep = false;       ///< the last instruction is a rep string instruction
    bool special = false;           ///< needs the slow path every time it runs: ends in rep or holds a vector instruction
};

class Blocks {
  public:
    static std::uint64_t key(PhysAddr at, std::uint32_t size) { return at << 16 | size; }
    [[nodiscard]] BlockInfo& place(PhysAddr at) { return table_[(at ^ at >> 15) % kPlaces]; }
    /// Decodes `bytes`, the whole block.
    static BlockInfo decode(std::span<const std::uint8_t> bytes);
    /// Forgets every block that touches [at, at + bytes).
    void forget(PhysAddr at, std::uint64_t bytes);

  private:
    static constexpr std::size_t kPlaces = 1 << 15;
    struct Free {
        void operator()(BlockInfo* p) const { std::free(p); }
    };
    // Zeroes from the host's kernel, page by page as they are touched: a short run touches few.
    std::unique_ptr<BlockInfo[], Free> table_{static_cast<BlockInfo*>(std::calloc(kPlaces, sizeof(BlockInfo)))};
};

} // namespace trapline
