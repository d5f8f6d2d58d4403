// tests/decoder/peers.hpp: what two other decoders say about the same bytes.
#pragma once

#include <Zydis/Zydis.h>
#include <capstone/capstone.h>

#include <cstdint>
#include <span>

namespace trapline::test {

/// Lengths in 64-bit mode according to Zydis and Capstone; 0 where they refuse.
class Peers {
  public:
    Peers() {
        ZydisDecoderInit(&zydis_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        cs_open(CS_ARCH_X86, CS_MODE_64, &capstone_);
        insn_ = cs_malloc(capstone_);
    }
    ~Peers() {
        cs_free(insn_, 1);
        cs_close(&capstone_);
    }
    Peers(const Peers&) = delete;
    Peers& operator=(const Peers&) = delete;

    /// With `decoded` filled when it is not 0.
    uint8_t zydis(std::span<const uint8_t> bytes, ZydisDecodedInstruction& decoded) const {
        const ZyanStatus status = ZydisDecoderDecodeInstruction(&zydis_, nullptr, bytes.data(), bytes.size(), &decoded);
        return ZYAN_SUCCESS(status) ? decoded.length : 0;
    }
    uint8_t capstone(std::span<const uint8_t> bytes) const {
        const uint8_t* code = bytes.data();
        size_t left = bytes.size();
        uint64_t address = 0;
        return cs_disasm_iter(capstone_, &code, &left, &address, insn_) ? static_cast<uint8_t>(insn_->size) : 0;
    }
    const ZydisDecoder& decoder() const { return zydis_; }

  private:
    ZydisDecoder zydis_;
    csh capstone_ = 0;
    cs_insn* insn_ = nullptr;
};

} // namespace trapline::test
