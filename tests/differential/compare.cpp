#include "tests/differential/compare.hpp"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

namespace trapline::testing {
namespace {

constexpr const char* kRegisters[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

template <class T> T field(const Fx& image, std::size_t at) {
    T value;
    std::memcpy(&value, image.data() + at, sizeof value);
    return value;
}

bool same_st(const Fx& a, const Fx& b, std::size_t i) {
    return std::memcmp(a.data() + fx::st + 16 * i, b.data() + fx::st + 16 * i, 10) == 0;
}

bool same_xmm(const Fx& a, const Fx& b, std::size_t i) {
    return std::memcmp(a.data() + fx::xmm + 16 * i, b.data() + fx::xmm + 16 * i, 16) == 0;
}

} // namespace

Defined defined_by(const Form& form) {
    static const ZydisDecoder decoder = [] {
        ZydisDecoder d;
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return d;
    }();
    ZydisDecodedInstruction insn;
    Defined out;
    if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, form.bytes.data(), form.bytes.size(), &insn)) &&
        insn.cpu_flags != nullptr)
        out.flags &= ~std::uint64_t{insn.cpu_flags->undefined};
    return out;
}

unsigned differences(const Outcome& a, const Outcome& b, const Defined& defined) {
    if (a.ran != b.ran) return effect::lost;
    unsigned out = 0;
    if (a.signo != b.signo) return effect::signal;
    if (a.code != b.code || a.address != b.address) out |= effect::signal_detail;
    if (a.gpr != b.gpr) out |= effect::registers;
    if ((a.flags ^ b.flags) & defined.flags) out |= effect::flags;
    if (a.rip != b.rip) out |= effect::next;
    if (a.memory != b.memory) out |= effect::memory;
    if (a.dead_stack != b.dead_stack) out |= effect::dead_stack;
    if (field<std::uint32_t>(a.fx, fx::mxcsr) != field<std::uint32_t>(b.fx, fx::mxcsr)) out |= effect::mxcsr;
    if (field<std::uint16_t>(a.fx, fx::control) != field<std::uint16_t>(b.fx, fx::control) ||
        field<std::uint16_t>(a.fx, fx::status) != field<std::uint16_t>(b.fx, fx::status) ||
        a.fx[fx::tags] != b.fx[fx::tags])
        out |= effect::x87_status;
    for (std::size_t i = 0; i < 8; ++i)
        if (!same_st(a.fx, b.fx, i)) out |= effect::x87;
    for (std::size_t i = 0; i < 16; ++i)
        if (!same_xmm(a.fx, b.fx, i)) out |= a.completed() ? effect::sse : effect::sse_at_fault;
    return out;
}

std::string words(unsigned effects) {
    constexpr const char* names[] = {"registers",
                                     "flags",
                                     "next instruction",
                                     "memory",
                                     "dead stack",
                                     "signal",
                                     "signal's details",
                                     "SSE registers",
                                     "MXCSR",
                                     "x87 registers",
                                     "x87 status",
                                     "never came back",
                                     "SSE registers at a fault"};
    std::string out;
    for (unsigned i = 0; i < std::size(names); ++i)
        if (effects >> i & 1) out += (out.empty() ? "" : ", ") + std::string(names[i]);
    return out;
}

std::string details(const Outcome& a, const Outcome& b, const Defined& defined) {
    std::string out;
    const auto pair = [&](const std::string& name, std::uint64_t x, std::uint64_t y) {
        if (x != y) out += fmt::format("  {} {:#x} / {:#x}", name, x, y);
    };
    pair("signal", static_cast<std::uint64_t>(a.signo), static_cast<std::uint64_t>(b.signo));
    pair("code", static_cast<std::uint64_t>(a.code), static_cast<std::uint64_t>(b.code));
    pair("address", a.address, b.address);
    for (std::size_t i = 0; i < 16; ++i) pair(kRegisters[i], a.gpr[i], b.gpr[i]);
    pair("flags", a.flags & defined.flags, b.flags & defined.flags);
    pair("rip", a.rip, b.rip);
    pair("mxcsr", field<std::uint32_t>(a.fx, fx::mxcsr), field<std::uint32_t>(b.fx, fx::mxcsr));
    pair("fcw", field<std::uint16_t>(a.fx, fx::control), field<std::uint16_t>(b.fx, fx::control));
    pair("fsw", field<std::uint16_t>(a.fx, fx::status), field<std::uint16_t>(b.fx, fx::status));
    pair("tags", a.fx[fx::tags], b.fx[fx::tags]);
    for (std::size_t i = 0; i < 8; ++i) {
        if (same_st(a.fx, b.fx, i)) continue;
        pair(fmt::format("st{}", i), field<std::uint64_t>(a.fx, fx::st + 16 * i),
             field<std::uint64_t>(b.fx, fx::st + 16 * i));
        pair(fmt::format("st{}:exp", i), field<std::uint16_t>(a.fx, fx::st + 16 * i + 8),
             field<std::uint16_t>(b.fx, fx::st + 16 * i + 8));
    }
    for (std::size_t i = 0; i < 16; ++i) {
        pair(fmt::format("xmm{}.0", i), field<std::uint64_t>(a.fx, fx::xmm + 16 * i),
             field<std::uint64_t>(b.fx, fx::xmm + 16 * i));
        pair(fmt::format("xmm{}.1", i), field<std::uint64_t>(a.fx, fx::xmm + 16 * i + 8),
             field<std::uint64_t>(b.fx, fx::xmm + 16 * i + 8));
    }
    if (a.memory != b.memory) out += "  memory";
    if (a.dead_stack != b.dead_stack) out += "  dead stack";
    return out;
}

} // namespace trapline::testing
