#include "decoder/emulated.hpp"

#include <algorithm>

namespace trapline {
namespace {

using Copied = decltype(KernelCopy::bytes);

/// The nops that the kernel writes itself, by length; 6.18 knows them. Those of 9 to 11 bytes start with a cs prefix,
/// which is refused. Source: SDM volume 2, "NOP", recommended multi-byte sequences.
constexpr std::array<uint8_t, 8> kernel_nops[] = {
    {},
    {0x90},
    {0x66, 0x90},
    {0x0f, 0x1f, 0x00},
    {0x0f, 0x1f, 0x40, 0x00},
    {0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
    {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

bool is_kernel_nop(const Copied& bytes, uint8_t length) {
    if (length >= std::size(kernel_nops)) return false;
    return std::equal(bytes.begin(), bytes.begin() + length, kernel_nops[length].begin());
}

/// Linux looks at the opcode byte that it kept; `push` is the kind it tests last.
Emulated kind_of(const LinuxInsn& insn) {
    const uint8_t first = insn.first;
    if (first == 0x90) return Emulated::nop;
    if (first == 0xeb || first == 0xe9) return Emulated::jmp;
    if (first == 0xe8) return Emulated::call_rel;
    if ((first & 0xf0) == 0x70) return Emulated::jcc;
    if (first == 0x0f) {
        const bool jcc = insn.opcode_bytes == 2 && (insn.second & 0xf0) == 0x80;
        return jcc ? Emulated::jcc : Emulated::none;
    }
    if ((first & 0xf8) == 0x50 && (insn.shape.length == 1 || (insn.shape.length == 2 && insn.shape.rex == 0x41)))
        return Emulated::push_reg;
    return Emulated::none;
}

std::string_view defect_of(const LinuxInsn& insn, Emulated kind) {
    if (insn.opcode_misread()) {
        switch (kind) {
        case Emulated::nop:
            return "a vector instruction, taken for a nop";
        case Emulated::jmp:
            return "a vector instruction, taken for a jump";
        case Emulated::jcc:
            return "a vector instruction, taken for a conditional jump";
        case Emulated::call_rel:
            return "a vector instruction, taken for a call";
        default:
            return {};
        }
    }
    if (kind == Emulated::nop && insn.first == 0x90 && (insn.shape.rex & 1)) return "xchg with r8, taken for a nop";
    return {};
}

Emulation linux_emulation(const KernelCopy& copy, bool knows_nops) {
    const auto& [bytes, mode, insn] = copy;
    if (!insn || insn->prefix_is_opcode) return {};
    Emulation out;
    out.length = insn->shape.length;
    if (knows_nops && is_kernel_nop(bytes, out.length)) {
        out.kind = Emulated::nop;
        return out;
    }
    out.kind = kind_of(*insn);
    if (out.kind == Emulated::none) return {};
    out.defect = defect_of(*insn, out.kind);
    out.displacement = immediate_of(insn->shape, bytes);
    if (out.kind == Emulated::jcc) out.condition = (insn->first == 0x0f ? insn->second : insn->first) & 15;
    if (out.kind == Emulated::push_reg) out.reg = static_cast<uint8_t>((insn->first & 7) | (insn->shape.rex ? 8 : 0));
    return out;
}

} // namespace

Emulation emulated_by(const KernelCopy& copy, RuleSet rules) {
    if (may_probe(copy, rules).error != 0) return {};
    if (rules != RuleSet::uprobes_2010) return linux_emulation(copy, rules == RuleSet::linux_6_18);
    Emulation out;
    if (copy.bytes[0] == 0x90) {
        out.kind = Emulated::nop;
        out.length = 1;
    }
    return out;
}

Emulation emulated_by(std::span<const uint8_t> bytes, RuleSet rules, Mode mode) {
    return emulated_by(KernelCopy(bytes, mode), rules);
}

std::string_view name(Emulated kind) {
    constexpr std::string_view names[] = {"", "nop", "jmp", "jcc", "call", "push"};
    return names[static_cast<size_t>(kind)];
}

} // namespace trapline
