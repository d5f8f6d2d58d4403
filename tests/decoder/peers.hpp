// tests/decoder/peers.hpp: what two other decoders say about the same bytes.
#pragma once

#include "decoder/insn.hpp"

#include <Zydis/Zydis.h>

#include <cstdint>
#include <span>

namespace trapline::test {

/// Lengths in 64-bit mode according to Zydis and Capstone; 0 where they refuse.
class Peers {
  public:
    Peers() { ZydisDecoderInit(&zydis_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); }

    /// With `decoded` filled when it is not 0.
    uint8_t zydis(std::span<const uint8_t> bytes, ZydisDecodedInstruction& decoded) const {
        const ZyanStatus status = ZydisDecoderDecodeInstruction(&zydis_, nullptr, bytes.data(), bytes.size(), &decoded);
        return ZYAN_SUCCESS(status) ? decoded.length : 0;
    }
    uint8_t capstone(std::span<const uint8_t> bytes) const { return capstone_.capstone_length(bytes); }
    const ZydisDecoder& decoder() const { return zydis_; }

  private:
    ZydisDecoder zydis_;
    Disassembler capstone_;
};

} // namespace trapline::test
