#include "boost/branch.hpp"

#include "decoder/address.hpp"
#include "decoder/flow.hpp"
#include "emu/cpu/gaps.hpp"

namespace trapline {
namespace {

/// One thread, and the instruction that it is at.
struct Branch {
    Kernel& kernel;
    Task& task;
    const Outline& insn;
    std::span<const std::uint8_t> bytes;
    Addr at;

    [[nodiscard]] std::uint64_t get(Reg r) const { return kernel.get(task, r); }
    [[nodiscard]] Addr next() const { return at + insn.length; }
    [[nodiscard]] Addr target() const {
        return next() + static_cast<Addr>(static_cast<std::int64_t>(immediate_of(insn, bytes)));
    }
    [[nodiscard]] Addr either(bool taken) const { return taken ? target() : next(); }

    [[nodiscard]] std::optional<Addr> push(std::uint64_t word, Addr then) const {
        const Addr sp = get(Reg::rsp) - sizeof word;
        if (!task.process->mm->put(sp, word)) return std::nullopt;
        kernel.set(task, Reg::rsp, sp);
        return then;
    }

    /// ret, with the bytes of arguments that `ret imm16` takes off the stack.
    [[nodiscard]] std::optional<Addr> ret() const {
        const Addr sp = get(Reg::rsp);
        Addr to = 0;
        if (!task.process->mm->get(sp, to)) return std::nullopt;
        std::uint64_t arguments = 0;
        if (insn.opcode == 0xc2) arguments = bytes[insn.imm_offset] | std::uint64_t{bytes[insn.imm_offset + 1u]} << 8;
        kernel.set(task, Reg::rsp, sp + sizeof to + arguments);
        return to;
    }

    /// loopne, loope, loop and jcxz: e0 to e3. An address-size prefix makes them count in ecx.
    [[nodiscard]] Addr loop() const {
        const bool narrow = (insn.prefixes & prefix::address_size) != 0;
        constexpr std::uint64_t kNarrow = 0xffffffff, kZero = 1u << 6;
        const std::uint64_t mask = narrow ? kNarrow : ~0ull;
        std::uint64_t count = get(Reg::rcx) & mask;
        if (insn.opcode == 0xe3) return either(count == 0);
        count = (count - 1) & mask;
        kernel.set(task, Reg::rcx, count);
        const bool zero = (get(Reg::eflags) & kZero) != 0;
        return either(count != 0 && (insn.opcode == 0xe2 || zero == (insn.opcode == 0xe1)));
    }

    /// The target of ff /2 and ff /4.
    [[nodiscard]] std::optional<Addr> indirect() const {
        AddressRegisters r;
        for (unsigned i = 0; i < r.general.size(); ++i) r.general[i] = get(static_cast<Reg>(i));
        if (insn.mod() == 3) return r.general[insn.rm() | ((insn.rex & 1) != 0 ? 8u : 0u)];
        r.next = next();
        r.fs_base = get(Reg::fs_base);
        r.gs_base = get(Reg::gs_base);
        Addr to = 0;
        const auto from = operand_address(insn, bytes, r);
        if (!from || !task.process->mm->get(*from, to)) return std::nullopt;
        return to;
    }
};

} // namespace

std::optional<Addr> branch(Kernel& kernel, Task& t, const Outline& insn, std::span<const std::uint8_t> bytes, Addr at) {
    const Branch b{kernel, t, insn, bytes, at};
    if (insn.rex2 || gap(insn, bytes) != Gap::none || (insn.prefixes & prefix::operand_size) != 0) return std::nullopt;
    const bool one_byte = insn.map == map::one_byte;
    if (one_byte && insn.opcode == 0x90 && insn.rex == 0 && insn.prefixes == 0) return b.next();
    if (one_byte && insn.opcode == 0x55 && insn.rex == 0) return b.push(b.get(Reg::rbp), b.next());
    switch (flow(insn)) {
    case Flow::jump:
        return b.target();
    case Flow::conditional:
        return b.either(condition_holds(insn.opcode & 15, b.get(Reg::eflags)));
    case Flow::loop:
        return b.loop();
    case Flow::call:
        return b.push(b.next(), b.target());
    case Flow::jump_indirect:
        return insn.opcode == 0xff && insn.reg() == 4 ? b.indirect() : std::nullopt;
    case Flow::call_indirect: {
        const std::optional<Addr> to = insn.opcode == 0xff && insn.reg() == 2 ? b.indirect() : std::nullopt;
        return to ? b.push(b.next(), *to) : std::nullopt;
    }
    case Flow::ret:
        return insn.opcode == 0xc2 || insn.opcode == 0xc3 ? b.ret() : std::nullopt;
    case Flow::sequential:
    case Flow::interrupt:
    case Flow::system:
        break;
    }
    return std::nullopt;
}

} // namespace trapline
