// emu/cpu/blocks.hpp: how many instructions a translated block holds, decoded once and remembered.
//
// The engine reports a block by address and size in bytes. Its instruction count, whether it ends in a rep string
// instruction and where its first gap stands are found by the length decoder (decoder/walk.hpp).
//
// Two memories. For the common block, an array of one word for each byte of a page of text: where a block starts there,
// its size and its count. It is what the CPU looks at for every block it runs, so it must be found with two loads. For
// blocks that need the slow path every time, a small table keyed by physical address and size. Text that changes must
// be forgotten.
//
// And what the engine's translations were made from. The engine does not see the host's writes to guest RAM, and a
// translation is dear (8 microseconds) while bytes come and go: an XOL slot is written, a snapshot puts it back, the
// next run writes the same again. So nothing is dropped when bytes change. Each page that code ran in has a copy of the
// bytes that its translations stand for; a block is compared with it before it is entered for the first time since a
// change, and what differs is dropped then (Cpu::run). A block that is entered is what stands in memory, whatever
// happened before.
//
// All of this mirrors the engine, which a snapshot does not put back: it lies outside the arena.
#pragma once

#include "emu/types.hpp"

#include <array>
#include <memory>
#include <span>
#include <vector>

namespace trapline {

struct BlockInfo {
    std::uint64_t key = 0;        ///< of no block: a block has at least one byte
    std::uint16_t count = 0;      ///< instructions
    std::int16_t first_gap = -1;  ///< byte offset of the first instruction that the engine lacks (gaps.hpp), -1: none
    std::uint16_t last = 0;       ///< byte offset of the last instruction
    bool ends_in_rep = false;     ///< the last instruction is a rep string instruction
    bool special = false;         ///< needs the slow path every time it runs: ends in rep or has such an instruction
    std::uint32_t generation = 0; ///< of the page when this was decoded
};

class Blocks {
  public:
    Blocks() = default;
    ~Blocks();
    Blocks(const Blocks&) = delete;
    Blocks& operator=(const Blocks&) = delete;

    /// The words of the page that starts at `at`: size | count << 16 where a common block starts, else 0.
    std::uint32_t* page(PhysAddr at) { return info(at).words; }
    static std::uint32_t word(std::uint32_t size, std::uint16_t count) { return size | std::uint32_t{count} << 16; }

    /// Notes that a common block starts at `at`.
    void note(PhysAddr at, std::uint32_t size, std::uint16_t count);
    /// What is known of the block, decoding `bytes` if nothing is.
    const BlockInfo& look_up(PhysAddr at, std::span<const std::uint8_t> bytes);
    /// Decodes `bytes`, the whole block.
    static BlockInfo decode(std::span<const std::uint8_t> bytes);
    /// Forgets every block that touches [at, at + bytes), which lies in one page.
    void forget(PhysAddr at, std::uint64_t bytes);

    /// Forgets everything: the engine has dropped its translations.
    void forget_all();

    /// Code has run in the page that holds `at`.
    [[nodiscard]] bool knows(PhysAddr at) const;
    /// False when the engine's translations of [at, at + bytes.size()), which lies in one page, were made from other
    /// bytes. True for a page where none have been made so far; `page` is all of it.
    bool translated_from(PhysAddr at, std::span<const std::uint8_t> bytes, const std::uint8_t* page);
    /// The translations there are gone: the next are made from `bytes`.
    void retranslated(PhysAddr at, std::span<const std::uint8_t> bytes);

  private:
    struct Page {
        std::uint32_t words[kPageSize];
        std::uint8_t source[kPageSize]; // what translations were made from
        bool known;                     // `source` holds something
        std::uint16_t first, end;       // where blocks start: [first, end)
        std::uint32_t generation;       // of what the table knows
    };
    static constexpr std::size_t kPagesPerChunk = 256;
    static constexpr std::size_t kChunkBytes = kPagesPerChunk * sizeof(Page);
    Page& info(PhysAddr at);

    std::vector<Page*> chunks_; // host memory that is zero and there only where it was touched
    std::array<BlockInfo, 4096> table_;
};

} // namespace trapline
