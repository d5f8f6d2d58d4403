// The legacy FXSAVE image in and out (Intel SDM volume 1, "FXSAVE Area"): what a signal frame carries.
#include "emu/cpu/engine.hpp"

#include <cstring>

namespace trapline {
namespace {
constexpr int kFcw = 0, kFsw = 2, kFtw = 4, kFip = 8, kMxcsr = 24, kMxcsrMask = 28, kStack = 32, kXmm = 160;

template <class Read> void fill_fx(Read read, std::uint64_t mxcsr, std::uint8_t* out) {
    std::memset(out, 0, 512);
    std::uint16_t control = 0, status = 0, tags = 0;
    read(UC_X86_REG_FPCW, &control);
    read(UC_X86_REG_FPSW, &status);
    read(UC_X86_REG_FPTAG, &tags);
    std::memcpy(out + kFcw, &control, 2);
    std::memcpy(out + kFsw, &status, 2);
    for (unsigned i = 0; i < 8; ++i) // abridged tags: one bit a register, set when it is not empty
        if ((tags >> (2 * i) & 3) != 3) out[kFtw] |= static_cast<std::uint8_t>(1u << i);
    read(UC_X86_REG_FIP, out + kFip); // of the last x87 instruction; the engine keeps no data pointer
    const auto control_and_status = static_cast<std::uint32_t>(mxcsr);
    const std::uint32_t mask = 0xffff;
    std::memcpy(out + kMxcsr, &control_and_status, 4);
    std::memcpy(out + kMxcsrMask, &mask, 4);
    for (unsigned i = 0; i < 8; ++i) read(UC_X86_REG_ST0 + static_cast<int>(i), out + kStack + 16 * i);
    for (unsigned i = 0; i < 16; ++i) read(UC_X86_REG_XMM0 + static_cast<int>(i), out + kXmm + 16 * i);
}

} // namespace

void Cpu::get_xmm(unsigned index, void* out) const {
    uc_reg_read(engine_->uc, UC_X86_REG_XMM0 + static_cast<int>(index), out);
}

void Cpu::set_xmm(unsigned index, const void* in) {
    uc_reg_write(engine_->uc, UC_X86_REG_XMM0 + static_cast<int>(index), in);
}

void Cpu::get_fx(std::uint8_t* out) const {
    fill_fx([this](int id, void* value) { uc_reg_read(engine_->uc, id, value); }, get(Reg::mxcsr), out);
}

void Context::get_fx(std::uint8_t* out) const {
    fill_fx([this](int id, void* value) { uc_context_reg_read(saved_, id, value); }, get(Reg::mxcsr), out);
}

void Cpu::set_fx(const std::uint8_t* in) {
    std::uint16_t control = 0, status = 0, tags = 0;
    std::memcpy(&control, in + kFcw, 2);
    std::memcpy(&status, in + kFsw, 2);
    for (unsigned i = 0; i < 8; ++i)
        if ((in[kFtw] >> i & 1) == 0) tags |= static_cast<std::uint16_t>(3u << (2 * i));
    uc_reg_write(engine_->uc, UC_X86_REG_FPCW, &control);
    uc_reg_write(engine_->uc, UC_X86_REG_FPSW, &status); // first: the stack registers are named from its top
    uc_reg_write(engine_->uc, UC_X86_REG_FPTAG, &tags);
    uc_reg_write(engine_->uc, UC_X86_REG_FIP, in + kFip);
    const std::uint16_t no_selector = 0; // the image of 64-bit mode has none
    uc_reg_write(engine_->uc, UC_X86_REG_FCS, &no_selector);
    uc_reg_write(engine_->uc, UC_X86_REG_FDS, &no_selector);
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, in + kMxcsr, 4);
    set(Reg::mxcsr, mxcsr & 0xffff);
    for (unsigned i = 0; i < 8; ++i)
        uc_reg_write(engine_->uc, UC_X86_REG_ST0 + static_cast<int>(i), in + kStack + 16 * i);
    for (unsigned i = 0; i < 16; ++i) set_xmm(i, in + kXmm + 16 * i);
}

} // namespace trapline
