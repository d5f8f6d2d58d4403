// decoder/linux_insn.hpp: an instruction as Linux's own decoder splits it.
//
// The kernel's rules are asked about the opcode bytes that its decoder keeps, and these are not always the ones that
// a CPU acts on. Of a vector instruction it keeps the last opcode byte alone, as if it stood in the one-byte map, so
// that vpor (opcode eb) meets every rule for `jmp rel8`. It takes four different legacy prefixes and one REX; a
// prefix beyond that is the opcode to it, and so is the first byte of VEX and EVEX behind REX. Opcodes that its map has
// for vector instructions alone are none to it in a legacy encoding. Measured on 6.18.44; decoder/rules.hpp,
// boostable.hpp and emulated.hpp ask.
#pragma once

#include "decoder/outline.hpp"

#include <array>

namespace trapline {

/// What a kernel copies from the file before it looks at the instruction, in bytes.
inline constexpr size_t kernel_copy = 16;

/// The kernel's view. `shape` is ours; in the case of a prefix too many it has the prefixes before it and the length.
struct LinuxInsn {
    Outline shape;
    uint8_t opcode_bytes = 1; ///< how many it keeps; only one of VEX, EVEX, XOP and REX2 instructions
    uint8_t first = 0;        ///< the first of them
    uint8_t second = 0;
    bool prefix_is_opcode = false; ///< a fifth legacy prefix, or one behind REX
    bool refused_prefix = false;   ///< 26, 2e, 36, 3e or f0 is among the prefixes

    /// VEX, EVEX, XOP or REX2: `first` is looked up in a map that the CPU does not mean (REX2 in map 0 aside).
    [[nodiscard]] bool opcode_misread() const { return shape.vector() || shape.rex2; }
};

/// What the kernel has copied from the file, and what its decoder makes of the start. The rules take this, so that
/// whoever asks several of them decodes once.
struct KernelCopy {
    /// Missing bytes count as zeros, as at the end of a file.
    explicit KernelCopy(std::span<const uint8_t> from, Mode in_mode = Mode::k64);

    std::array<uint8_t, kernel_copy> bytes{};
    Mode mode;
    std::optional<LinuxInsn> insn; ///< nullopt where the decoder gives up (ENOEXEC)
};

/// 26, 2e, 36, 3e and f0: uprobes refuse them in any kernel so far.
inline bool is_refused_prefix(uint8_t b) { return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0xf0; }
inline bool is_accepted_prefix(uint8_t b) { return (b >= 0x64 && b <= 0x67) || b == 0xf2 || b == 0xf3; }
inline bool is_rex(uint8_t b) { return (b & 0xf0) == 0x40; }

} // namespace trapline
