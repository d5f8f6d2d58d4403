#include "boost/compute.hpp"

#include "boost/branch.hpp"
#include "decoder/address.hpp"
#include "decoder/flow.hpp"

#include <bit>

namespace trapline {
namespace {

constexpr std::uint64_t kCarry = 1, kParity = 4, kAdjust = 16, kZero = 64, kSign = 128, kDirection = 1024,
                        kOverflow = 2048;
constexpr std::uint64_t kArithmetic = kCarry | kParity | kAdjust | kZero | kSign | kOverflow;
constexpr std::uint64_t kMostIterations = 4096;
constexpr unsigned kRsp = 4;

/// Where an operand is: a register, or memory.
struct Place {
    bool memory = false;
    unsigned reg = 0;
    Addr at = 0;
};

std::uint64_t mask(unsigned width) { return width == 8 ? ~0ull : (1ull << 8 * width) - 1; }

std::uint64_t extended(std::uint64_t value, unsigned width) {
    const unsigned shift = 64 - 8 * width;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

struct Result {
    std::uint64_t value = 0, flags = 0;
};

std::uint64_t flags_of(std::uint64_t value, unsigned width) {
    const std::uint64_t parity = (std::popcount(value & 0xff) & 1) == 0 ? kParity : 0;
    return parity | ((value & mask(width)) == 0 ? kZero : 0) | ((value >> (8 * width - 1) & 1) != 0 ? kSign : 0);
}

Result add(std::uint64_t a, std::uint64_t b, bool carry, unsigned width) {
    const std::uint64_t r = (a + b + carry) & mask(width);
    const bool out = r < a || (carry && r == a);
    const bool overflow = ((a ^ r) & (b ^ r)) >> (8 * width - 1) & 1;
    return {r, flags_of(r, width) | (out ? kCarry : 0) | ((a ^ b ^ r) & kAdjust) | (overflow ? kOverflow : 0)};
}

Result subtract(std::uint64_t a, std::uint64_t b, bool borrow, unsigned width) {
    const std::uint64_t r = (a - b - borrow) & mask(width);
    const bool out = a < b || (borrow && a == b);
    const bool overflow = ((a ^ b) & (a ^ r)) >> (8 * width - 1) & 1;
    return {r, flags_of(r, width) | (out ? kCarry : 0) | ((a ^ b ^ r) & kAdjust) | (overflow ? kOverflow : 0)};
}

Result logic(std::uint64_t r, unsigned width) { return {r, flags_of(r, width)}; } // AF is undefined, and 0 here

/// add, or, adc, sbb, and, sub, xor, cmp: in the order of the opcode map.
Result operate(unsigned operation, std::uint64_t a, std::uint64_t b, bool carry, unsigned width) {
    switch (operation) {
    case 0:
        return add(a, b, false, width);
    case 1:
        return logic(a | b, width);
    case 2:
        return add(a, b, carry, width);
    case 3:
        return subtract(a, b, carry, width);
    case 4:
        return logic(a & b, width);
    case 6:
        return logic(a ^ b, width);
    default:
        return subtract(a, b, false, width);
    }
}

/// One thread, and the instruction that it is at.
class Computation {
  public:
    Computation(Kernel& kernel, Task& t, const Outline& insn, std::span<const std::uint8_t> bytes, Addr at)
        : kernel_(kernel), task_(t), mm_(*t.process->mm), insn_(insn), bytes_(bytes), at_(at) {}

    /// False: it has to be stepped.
    bool move() { return insn_.map == map::m0f ? move_two_byte() : move_one_byte(); }

    bool stack() {
        const std::uint8_t op = insn_.opcode;
        if (op == 0xc9) return leave();
        if (op == 0x8f || (op >= 0x58 && op <= 0x5f)) {
            std::uint64_t value = 0;
            if (!load(memory(reg(kRsp)), 8, value)) return false;
            set_reg(kRsp, 8, reg(kRsp) + 8); // first: `pop rsp` ends with what was popped
            set_reg(op == 0x8f ? rm_register() : opcode_register(), 8, value);
            return true;
        }
        std::uint64_t value = 0;
        if (op == 0x68 || op == 0x6a)
            value = immediate();
        else if (op == 0xff ? !load(rm(), 8, value) : !load({.reg = opcode_register()}, 8, value))
            return false;
        const Addr sp = reg(kRsp) - 8;
        if (!store(memory(sp), 8, value)) return false;
        set_reg(kRsp, 8, sp);
        return true;
    }

    bool arithmetic() {
        const std::uint8_t op = insn_.opcode;
        const unsigned w = width();
        if (op < 0x40) return on(insn_.opcode >> 3, left(op), right(op), w);
        switch (op) {
        case 0x80:
        case 0x81:
        case 0x83:
            return on(insn_.reg(), rm(), std::nullopt, w);
        case 0x84:
        case 0x85:
            return test(rm(), value({.reg = reg_register()}, w), w);
        case 0xa8:
        case 0xa9:
            return test({}, immediate() & mask(w), w);
        case 0xf6:
        case 0xf7:
            return insn_.reg() == 0 ? test(rm(), immediate() & mask(w), w) : invert(w);
        case 0xfe:
        case 0xff:
            return count(w);
        default:
            return change_flag(op);
        }
    }

    bool string() {
        const bool repeated = (insn_.prefixes & (prefix::rep | prefix::repne)) != 0;
        if (!repeated) return iterate();
        constexpr unsigned kRcx = 1;
        if (reg(kRcx) > kMostIterations) return false;
        const bool compares = (insn_.opcode & 0xf6) == 0xa6;
        const bool until = (insn_.prefixes & prefix::repne) != 0;
        while (reg(kRcx) != 0) {
            if (!iterate()) return false;
            set_reg(kRcx, 8, reg(kRcx) - 1);
            const bool zero = (flags() & kZero) != 0;
            if (compares && zero == until) break;
        }
        return true;
    }

  private:
    [[nodiscard]] std::uint64_t flags() const { return kernel_.get(task_, Reg::eflags); }
    void set_flags(std::uint64_t which, std::uint64_t value) {
        kernel_.set(task_, Reg::eflags, (flags() & ~which) | (value & which));
    }
    [[nodiscard]] std::uint64_t reg(unsigned r) const { return kernel_.get(task_, static_cast<Reg>(r)); }

    /// Bytes of the operand; the last bit of most opcodes says that it is not one.
    [[nodiscard]] unsigned width() const { return (insn_.opcode & 1) == 0 ? 1 : wide(); }
    [[nodiscard]] unsigned wide() const {
        return (insn_.rex & 8) != 0 ? 8 : (insn_.prefixes & prefix::operand_size) != 0 ? 2 : 4;
    }
    [[nodiscard]] std::uint64_t immediate() const {
        if (insn_.imm_size != 8) return static_cast<std::uint64_t>(std::int64_t{immediate_of(insn_, bytes_)});
        std::uint64_t value = 0;
        for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{bytes_[insn_.imm_offset + i]} << 8 * i;
        return value;
    }

    [[nodiscard]] unsigned reg_register() const { return insn_.reg() | (insn_.rex & 4u) << 1; }
    [[nodiscard]] unsigned rm_register() const { return insn_.rm() | (insn_.rex & 1u) << 3; }
    [[nodiscard]] unsigned opcode_register() const { return (insn_.opcode & 7u) | (insn_.rex & 1u) << 3; }
    static Place memory(Addr at) { return {.memory = true, .at = at}; }
    [[nodiscard]] Place rm() const {
        if (insn_.mod() == 3) return {.reg = rm_register()};
        return memory(operand_address(insn_, bytes_, registers()).value_or(0));
    }
    [[nodiscard]] AddressRegisters registers() const {
        AddressRegisters r;
        for (unsigned i = 0; i < r.general.size(); ++i) r.general[i] = reg(i);
        r.next = at_ + insn_.length;
        r.fs_base = kernel_.get(task_, Reg::fs_base);
        r.gs_base = kernel_.get(task_, Reg::gs_base);
        return r;
    }
    /// A store that fails in its second page has happened in its first.
    static bool in_one_page(const Place& p, unsigned w) { return page_floor(p.at) == page_floor(p.at + w - 1); }

    /// ah, ch, dh and bh: without REX they have the numbers of spl to dil.
    [[nodiscard]] bool high_byte(unsigned r, unsigned w) const { return w == 1 && insn_.rex == 0 && r >= 4 && r < 8; }
    [[nodiscard]] std::uint64_t value(const Place& p, unsigned w) const {
        return high_byte(p.reg, w) ? reg(p.reg - 4) >> 8 & 0xff : reg(p.reg) & mask(w);
    }
    bool load(const Place& p, unsigned w, std::uint64_t& out) {
        out = 0;
        if (p.memory) return in_one_page(p, w) && mm_.read(p.at, &out, w);
        out = value(p, w);
        return true;
    }
    void set_reg(unsigned r, unsigned w, std::uint64_t v) {
        if (high_byte(r, w)) {
            r -= 4;
            v = (reg(r) & ~0xff00ull) | (v & 0xff) << 8;
        } else if (w < 4) {
            v = (reg(r) & ~mask(w)) | (v & mask(w));
        } else {
            v &= mask(w); // 32 bits clear the upper half
        }
        kernel_.set(task_, static_cast<Reg>(r), v);
    }
    bool store(const Place& p, unsigned w, std::uint64_t v) {
        if (p.memory) return in_one_page(p, w) && mm_.write(p.at, &v, w);
        set_reg(p.reg, w, v);
        return true;
    }

    // Moves.

    bool copy(const Place& to, const Place& from, unsigned w) {
        std::uint64_t v = 0;
        return load(from, w, v) && store(to, w, v);
    }
    bool exchange(const Place& a, const Place& b, unsigned w) { // b is a register
        std::uint64_t was = 0;
        if (!load(a, w, was)) return false;
        const std::uint64_t other = value(b, w);
        if (!store(a, w, other)) return false;
        set_reg(b.reg, w, was);
        return true;
    }
    bool extend(unsigned from, unsigned to, bool sign) {
        std::uint64_t v = 0;
        if (!load(rm(), from, v)) return false;
        set_reg(reg_register(), to, sign ? extended(v, from) : v);
        return true;
    }

    bool move_one_byte() {
        const std::uint8_t op = insn_.opcode;
        const unsigned w = width();
        if (op >= 0xb0 && op <= 0xbf) return store({.reg = opcode_register()}, op < 0xb8 ? 1 : wide(), immediate());
        if (op >= 0x90 && op <= 0x97)
            return op == 0x90 && (insn_.rex & 1) == 0 ? true : exchange({}, {.reg = opcode_register()}, wide());
        switch (op) {
        case 0x63:
            return extend(wide() == 2 ? 2 : 4, wide(), true);
        case 0x86:
        case 0x87:
            return exchange(rm(), {.reg = reg_register()}, w);
        case 0x88:
        case 0x89:
            return copy(rm(), {.reg = reg_register()}, w);
        case 0x8a:
        case 0x8b:
            return copy({.reg = reg_register()}, rm(), w);
        case 0x8d:
            set_reg(reg_register(), wide(), lea());
            return true;
        case 0x98: // cbw and its like
            set_reg(0, wide(), extended(reg(0), wide() / 2));
            return true;
        case 0x99: // cwd and its like
            set_reg(2, wide(), extended(reg(0), wide()) >> 63 != 0 ? ~0ull : 0);
            return true;
        case 0xa0:
        case 0xa1:
            return copy({}, memory(accesses(insn_, bytes_, registers()).at[0]), w);
        case 0xa2:
        case 0xa3:
            return copy(memory(accesses(insn_, bytes_, registers()).at[0]), {}, w);
        default: // c6, c7
            return store(rm(), w, immediate());
        }
    }
    /// The address without its segment's base.
    [[nodiscard]] std::uint64_t lea() const {
        AddressRegisters r = registers();
        r.fs_base = r.gs_base = 0;
        return operand_address(insn_, bytes_, r).value_or(0);
    }

    bool move_two_byte() {
        const std::uint8_t op = insn_.opcode;
        if (op == 0x1f) return true; // a nop, whose operand is not touched
        const bool holds = condition_holds(op & 15, flags());
        if ((op & 0xf0) == 0x90) return store(rm(), 1, holds);
        if ((op & 0xf0) == 0x40) { // the operand is read, and the upper half cleared, whatever the condition
            std::uint64_t v = 0;
            if (!load(rm(), wide(), v)) return false;
            set_reg(reg_register(), wide(), holds ? v : reg(reg_register()));
            return true;
        }
        return extend((op & 1) == 0 ? 1 : 2, wide(), op >= 0xbe);
    }

    bool leave() {
        constexpr unsigned kRbp = 5;
        const Addr frame = reg(kRbp);
        std::uint64_t v = 0;
        if (!load(memory(frame), 8, v)) return false;
        set_reg(kRsp, 8, frame + 8);
        set_reg(kRbp, 8, v);
        return true;
    }

    // Arithmetic.

    [[nodiscard]] Place left(std::uint8_t op) const {
        if ((op & 6) == 4) return {}; // the accumulator and an immediate
        return (op & 2) != 0 ? Place{.reg = reg_register()} : rm();
    }
    /// nullopt: the immediate.
    [[nodiscard]] std::optional<Place> right(std::uint8_t op) const {
        if ((op & 6) == 4) return std::nullopt;
        return (op & 2) != 0 ? rm() : Place{.reg = reg_register()};
    }
    bool on(unsigned operation, const Place& to, const std::optional<Place>& with, unsigned w) {
        constexpr unsigned kCompare = 7;
        std::uint64_t a = 0, b = immediate() & mask(w);
        if (!load(to, w, a) || (with && !load(*with, w, b))) return false;
        const Result r = operate(operation, a, b, (flags() & kCarry) != 0, w);
        if (operation != kCompare && !store(to, w, r.value)) return false;
        set_flags(kArithmetic, r.flags);
        return true;
    }
    bool test(const Place& p, std::uint64_t with, unsigned w) {
        std::uint64_t a = 0;
        if (!load(p, w, a)) return false;
        set_flags(kArithmetic, logic(a & with, w).flags);
        return true;
    }
    bool invert(unsigned w) { // not, neg
        const Place p = rm();
        std::uint64_t a = 0;
        if (!load(p, w, a)) return false;
        const Result r = insn_.reg() == 2 ? Result{~a & mask(w), flags()} : subtract(0, a, false, w);
        if (!store(p, w, r.value)) return false;
        set_flags(kArithmetic, r.flags);
        return true;
    }
    bool count(unsigned w) { // inc, dec: the carry stays
        const Place p = rm();
        std::uint64_t a = 0;
        if (!load(p, w, a)) return false;
        const Result r = insn_.reg() == 0 ? add(a, 1, false, w) : subtract(a, 1, false, w);
        if (!store(p, w, r.value)) return false;
        set_flags(kArithmetic & ~kCarry, r.flags);
        return true;
    }
    bool change_flag(std::uint8_t op) {
        if (op == 0xf5) set_flags(kCarry, ~flags());
        if (op == 0xf8 || op == 0xf9) set_flags(kCarry, op & 1 ? kCarry : 0);
        if (op == 0xfc || op == 0xfd) set_flags(kDirection, op & 1 ? kDirection : 0);
        return true;
    }

    /// One iteration of a string instruction.
    bool iterate() {
        constexpr unsigned kRsi = 6, kRdi = 7;
        const unsigned w = width();
        const AddressRegisters r = registers();
        const std::uint64_t base = (insn_.prefixes & prefix::fs) != 0   ? r.fs_base
                                   : (insn_.prefixes & prefix::gs) != 0 ? r.gs_base
                                                                        : 0;
        const Place source = memory(base + reg(kRsi)), target = memory(reg(kRdi));
        const std::uint64_t step = (flags() & kDirection) != 0 ? std::uint64_t{0} - w : w;
        const unsigned kind = insn_.opcode & 0xfe;
        const bool from = kind == 0xa4 || kind == 0xa6 || kind == 0xac, to = kind != 0xac;
        std::uint64_t a = value({}, w), b = 0;
        if (from && !load(source, w, a)) return false;
        if (kind == 0xa6 || kind == 0xae) { // cmps, scas
            if (!load(target, w, b)) return false;
            set_flags(kArithmetic, subtract(a, b, false, w).flags);
        } else if (kind == 0xac) {
            set_reg(0, w, a);
        } else if (!store(target, w, a)) {
            return false;
        }
        if (from) set_reg(kRsi, 8, reg(kRsi) + step);
        if (to) set_reg(kRdi, 8, reg(kRdi) + step);
        return true;
    }

    Kernel& kernel_;
    Task& task_;
    Mm& mm_;
    const Outline& insn_;
    std::span<const std::uint8_t> bytes_;
    Addr at_;
};

} // namespace

std::optional<Addr> compute(Kernel& kernel, Task& t, Computed kind, const Outline& insn,
                            std::span<const std::uint8_t> bytes, Addr at) {
    if (kind == Computed::branch) return branch(kernel, t, insn, bytes, at);
    Computation c(kernel, t, insn, bytes, at);
    const bool done = kind == Computed::move         ? c.move()
                      : kind == Computed::stack      ? c.stack()
                      : kind == Computed::arithmetic ? c.arithmetic()
                                                     : c.string();
    return done ? std::optional(at + insn.length) : std::nullopt;
}

} // namespace trapline
