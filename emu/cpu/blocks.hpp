// emu/cpu/blocks.hpp: how many instructions a translated block holds, decoded once and remembered.
//
// The engine reports a block by address and size in bytes. Its instruction count, whether it ends in a rep string
// instruction and where its first VEX-encoded instruction stands are found by the length decoder (decoder/walk.hpp).
//
// Two memories. For the common block, an array of one word for each byte of a page of text: where a block starts there,
// its size and its count. It is what the CPU looks at for every block it runs, so it must be found with two loads. For
// blocks that need the slow path every time, a small table keyed by physical address and size. Text that changes must
// be forgotten.
#pragma once

#include "emu/types.hpp"

#include <array>
#include <memory>
#include <span>
#include <vector>

namespace trapline {

struct BlockInfo {
    std::uint64_t key = 0;   ///< of no block: a block has at least one byte
    std::uint16_t count = 0; ///< instructions
    std::int16_t first_vector =
        -1;                   ///< byte offset of the first VEX, EVEX or XOP instruction; this CPU has none of them
    std::uint16_t last = 0;   ///< byte offset of the last instruction
    bool ends_in_rep = false; ///< the last instruction is a rep string instruction
    bool special = false;     ///< needs the slow path every time it runs: ends in rep or holds a vector instruction
};

class Blocks {
  public:
    Blocks() = default;
    ~Blocks();
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;

    /// The words of the page that starts at `at`: size | count << 16 where a common block starts, else 0.
    std::uint32_t* page(PhysAddr at);
    static std::uint32_t word(std::uint32_t size, std::uint16_t count) { return size | std::uint32_t{count} << 16; }

    /// What is known of the block, decoding `bytes` if nothing is.
    const BlockInfo& look_up(PhysAddr at, std::span<const std::uint8_t> bytes);
    /// Decodes `bytes`, the whole block.
    static BlockInfo decode(std::span<const std::uint8_t> bytes);
    /// Forgets every block that touches [at, at + bytes), which lies in one page.
    void forget(PhysAddr at, std::uint64_t bytes);

  private:
    static constexpr std::size_t kPagesPerChunk = 256;
    static constexpr std::size_t kChunkBytes = kPagesPerChunk * kPageSize * sizeof(std::uint32_t);
    std::vector<std::uint32_t*> chunks_; // host memory that is zero and there only where it was touched
    std::array<BlockInfo, 4096> table_;
};

} // namespace trapline
