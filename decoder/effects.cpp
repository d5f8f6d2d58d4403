#include "decoder/effects.hpp"

#include "decoder/access.hpp"
#include "decoder/flow.hpp"
#include "decoder/groups.hpp"
#include "decoder/memory_operand.hpp"

namespace trapline {
namespace {

constexpr uint32_t bit(unsigned reg) { return 1u << reg; }
constexpr uint32_t rax = bit(0), rcx = bit(1), rdx = bit(2), rbx = bit(3), rsp = bit(4), rbp = bit(5), rsi = bit(6),
                   rdi = bit(7), r11 = bit(11);

/// Which mandatory prefix VEX, EVEX and XOP say that there is: 0 none, 1 66, 2 f3, 3 f2; or which one is there.
unsigned mandatory(const Outline& i, std::span<const uint8_t> bytes) {
    if (i.vector()) return bytes[i.vector_offset + (i.vector_size == 2 ? 1u : 2u)] & 3;
    return i.prefixes & prefix::repne ? 3 : i.prefixes & prefix::rep ? 2 : i.prefixes & prefix::operand_size ? 1 : 0;
}
bool is_comparison(const Outline& i) { return i.map == map::m0f && (i.opcode & 0xfe) == 0x2e; } // ucomis, comis
bool compares_strings(const Outline& i) { return i.map == map::m0f3a && (i.opcode & 0xfc) == 0x60 && !i.evex; }
unsigned number_of_reg(const Outline& i) { return i.reg() | (i.rex & 4u) << 1; }

// --- registers: what Capstone 4 forgets or has too much ---

/// The implicit registers of string instructions; Capstone has rcx in all of them, and not all pointers.
void string_registers(const Outline& i, Effects& e) {
    const unsigned kind = i.opcode & 0xfe;
    const bool from = kind == 0xa4 || kind == 0xa6 || kind == 0xac || kind == 0x6e, to = kind != 0xac && kind != 0x6e;
    const uint32_t pointers = (from ? rsi : 0) | (to ? rdi : 0), count = i.rep_string ? rcx : 0;
    e.read = e.written = pointers | count;
    if (kind == 0xaa || kind == 0xae) e.read |= rax; // stos, scas
    if (kind == 0xac) e.written |= rax;              // lods
    if (kind == 0x6c || kind == 0x6e) e.read |= rdx; // ins, outs
}

/// Instructions that 64-bit mode does not have.
void registers_32(const Outline& i, Effects& e) {
    switch (i.opcode) {
    case 0x27: // daa, das, aaa, aas, aam, aad
    case 0x2f:
    case 0x37:
    case 0x3f:
    case 0xd4:
    case 0xd5:
        e.read = e.written = rax;
        break;
    case 0x06: // push and pop of segment registers
    case 0x07:
    case 0x0e:
    case 0x16:
    case 0x17:
    case 0x1e:
    case 0x1f:
        e.read = e.written = rsp;
        break;
    case 0x62: // bound
        e.written = 0;
        break;
    case 0x63: // arpl
        e.read |= bit(i.reg()) | (in_memory(i) ? 0 : bit(i.rm()));
        break;
    default:
        break;
    }
}

void registers(const Outline& i, Mode mode, Effects& e) {
    if (is_string(i)) return string_registers(i, e);
    if (compares_strings(i)) { // pcmpestrm, pcmpestri, pcmpistrm, pcmpistri
        if (i.opcode < 0x62) e.read |= rax | rdx;
        if (i.opcode & 1) e.written |= rcx;
    }
    if (mode == Mode::k32 && one_byte(i)) registers_32(i, e);
    if (one_byte(i)) {
        switch (i.opcode) {
        case 0x84: // test writes nothing
        case 0x85:
        case 0xa8:
        case 0xa9:
            e.written = 0;
            break;
        case 0xf6:
        case 0xf7:
            if (i.reg() < 2) e.written = 0;
            break;
        case 0x99: // cwd and its like: rax is read
            e.written = rdx;
            break;
        case 0xd7: // xlat
            e.read = rax | rbx;
            e.written = rax;
            break;
        case 0xc8: // enter
            e.read = e.written = rsp | rbp;
            break;
        case 0x9a: // far calls and returns, iret
        case 0xc2:
        case 0xca:
        case 0xcb:
        case 0xcf:
            e.read |= rsp;
            e.written |= rsp;
            break;
        case 0xff:
            if (i.reg() == 3) e.read |= rsp, e.written |= rsp;
            break;
        default:
            break;
        }
    }
    if (!two_byte(i)) {
        if (i.map == map::m0f38 && i.opcode == 0xf6 && !i.vector() && i.prefixes & (prefix::operand_size | prefix::rep))
            e.read |= bit(number_of_reg(i)); // adcx, adox: the sum is an operand
        return;
    }
    if (i.opcode == 0x02 || i.opcode == 0x03) e.read |= bit(number_of_reg(i)); // lar, lsl: it may stay
    if (i.opcode == 0x79) e.read |= bit(number_of_reg(i)), e.written = 0;      // vmwrite
    if (i.opcode == 0x05) e.written |= rcx | r11;                              // syscall
    if (i.opcode == 0xb0 || i.opcode == 0xb1) {                                // cmpxchg
        e.read |= rax | (in_memory(i) ? 0 : bit(i.rm() | (i.rex & 1u) << 3));
        e.written |= rax;
    }
}

// --- flags ---

uint16_t condition_flags(unsigned condition) {
    constexpr uint16_t pairs[] = {flag::overflow,
                                  flag::carry,
                                  flag::zero,
                                  flag::carry | flag::zero,
                                  flag::sign,
                                  flag::parity,
                                  flag::sign | flag::overflow,
                                  flag::sign | flag::overflow | flag::zero};
    return pairs[condition >> 1 & 7];
}

/// fcmov reads a condition; fcomi, fcomip, fucomi, fucomip leave their answer in all of them.
void x87_flags(const Outline& i, Effects& e) {
    e.flags_read = e.flags_written = e.flags_undefined = 0;
    if (in_memory(i)) return;
    constexpr uint16_t conditions[] = {flag::carry, flag::zero, flag::carry | flag::zero, flag::parity};
    if ((i.opcode == 0xda || i.opcode == 0xdb) && i.reg() < 4) e.flags_read = conditions[i.reg()];
    if ((i.opcode == 0xdb || i.opcode == 0xdf) && (i.reg() == 5 || i.reg() == 6)) e.flags_written = flag::arithmetic;
}

/// Capstone does not distinguish shifts by one, whose overflow flag is defined, from the others.
void shift_flags(const Outline& i, Effects& e) {
    const bool by_one = i.opcode == 0xd0 || i.opcode == 0xd1;
    const bool rotates = i.reg() < 4;
    e.flags_read = (i.reg() & 6) == 2 ? flag::carry : 0;
    e.flags_written = rotates ? flag::carry : flag::carry | flag::parity | flag::zero | flag::sign;
    e.flags_undefined = rotates ? 0 : flag::adjust;
    (by_one ? e.flags_written : e.flags_undefined) |= flag::overflow;
}

void string_flags(const Outline& i, Effects& e) {
    const unsigned kind = i.opcode & 0xfe;
    const bool compares = kind == 0xa6 || kind == 0xae;
    e.flags_read = flag::direction | (compares && i.rep_string ? flag::zero : 0);
    e.flags_written = compares ? flag::arithmetic : 0;
    e.flags_undefined = 0;
}

void one_byte_flags(const Outline& i, Effects& e) {
    const uint8_t op = i.opcode;
    if (is_string(i)) return string_flags(i, e);
    if (is_x87(i)) return x87_flags(i, e);
    if (is_shift(i)) return shift_flags(i, e);
    const bool group_1 = op == 0x80 || op == 0x81 || op == 0x82 || op == 0x83;
    const unsigned operation = op < 0x40 && (op & 7) < 6 ? op >> 3 : group_1 ? i.reg() : 0u;
    if (operation == 2 || operation == 3) { // adc, sbb
        e.flags_read = flag::carry;
        e.flags_written = flag::arithmetic;
        e.flags_undefined = 0;
    }
    const bool multiplies = op == 0x69 || op == 0x6b || ((op & 0xfe) == 0xf6 && (i.reg() == 4 || i.reg() == 5));
    if (multiplies) {
        e.flags_written = flag::carry | flag::overflow;
        e.flags_undefined = flag::parity | flag::adjust | flag::zero | flag::sign;
    }
    if (op == 0x27 || op == 0x2f) e.flags_read = flag::carry | flag::adjust; // daa, das
    if (op == 0x37 || op == 0x3f) e.flags_read = flag::adjust;               // aaa, aas
    if (op == 0xce) e.flags_read = flag::overflow;                           // into
    if (op == 0xd6) e.flags_read = flag::carry;                              // salc
    if (op == 0x9b) e.flags_read = e.flags_written = e.flags_undefined = 0;  // fwait
    if (op == 0x9c) e.flags_read = flag::all;                                // pushf
    if (op == 0x9d) e.flags_written = flag::all;                             // popf
    if (op == 0x9f) e.flags_read = flag::arithmetic & ~flag::overflow;       // lahf
    if (op == 0xf5) e.flags_read = flag::carry;                              // cmc
}

void flags(const Outline& i, Effects& e) {
    if (one_byte(i)) return one_byte_flags(i, e);
    if (is_comparison(i) || compares_strings(i)) {
        e.flags_written = flag::arithmetic;
        return;
    }
    if (i.map == map::m0f38 && i.opcode == 0xf6 && !i.vector()) {
        e.flags_read = i.prefixes & prefix::rep ? flag::overflow : i.prefixes & prefix::operand_size ? flag::carry : 0;
        return;
    }
    if (!two_byte(i)) return;
    const uint8_t op = i.opcode;
    if ((op & 0xf0) == 0x40 || (op & 0xf0) == 0x80 || (op & 0xf0) == 0x90) e.flags_read = condition_flags(op & 15);
    if (op == 0xaf) { // imul
        e.flags_written = flag::carry | flag::overflow;
        e.flags_undefined = flag::parity | flag::adjust | flag::zero | flag::sign;
    }
    if ((op & 0xfe) == 0xbc && i.prefixes & prefix::rep) { // tzcnt, lzcnt
        e.flags_written = flag::carry | flag::zero;
        e.flags_undefined = flag::parity | flag::adjust | flag::sign | flag::overflow;
    }
    if (op == 0x78 || op == 0x79) e.flags_written = flag::arithmetic; // vmread, vmwrite
    if (op == 0x10 || op == 0x11 || op == 0xc2)                       // movsd and cmpsd of SSE are no strings
        e.flags_read = e.flags_written = e.flags_undefined = 0;
}

// --- the memory operand: from the opcode, as Capstone takes stores for loads ---

/// Of what Capstone 4 gives a wrong size.
uint16_t operand_bytes(const Outline& i, unsigned mandatory_prefix, uint16_t capstone, Mode mode) {
    const bool short_operand = (i.prefixes & prefix::operand_size) != 0;
    const uint16_t far = (i.rex & 8) != 0 ? 10 : short_operand ? 4 : 6;
    if (one_byte(i)) {
        if (i.opcode == 0xff && (i.reg() == 3 || i.reg() == 5)) return far;
        if (mode == Mode::k32 && (i.opcode == 0xc4 || i.opcode == 0xc5)) return far;
        if (i.opcode == 0xdd && (i.reg() == 4 || i.reg() == 6)) return short_operand ? 94 : 108;
        if (i.opcode == 0xd9 && (i.reg() == 4 || i.reg() == 6)) return short_operand ? 14 : 28;
        if (i.opcode == 0xdd && i.reg() == 7) return 2;
        return capstone;
    }
    if (is_comparison(i)) return mandatory_prefix == 1 ? 8 : 4;
    if (!two_byte(i)) return capstone;
    if (i.opcode == 0xb2 || i.opcode == 0xb4 || i.opcode == 0xb5) return far;
    if (i.opcode == 0x02 || i.opcode == 0x03) return 2;                            // lar, lsl
    const bool unpacks = i.opcode == 0x60 || i.opcode == 0x61 || i.opcode == 0x62; // MMX's read half of the operand
    return unpacks && !short_operand ? 4 : capstone;
}

void memory(const Outline& i, std::span<const uint8_t> bytes, Effects& e, uint16_t capstone, Mode mode) {
    if (!in_memory(i) && !(one_byte(i) && i.opcode >= 0xa0 && i.opcode <= 0xa3)) return;
    const bool no_memory = two_byte(i) && (i.opcode & 0xfc) == 0x20; // control and debug registers
    if (no_memory) return;
    const unsigned pp = mandatory(i, bytes);
    const Access how = access(i, pp, mode);
    e.reads_operand = how == Access::read || how == Access::both;
    e.writes_operand = how == Access::write || how == Access::both;
    if (how != Access::none) e.operand_bytes = operand_bytes(i, pp, capstone, mode);
}

// --- the stack, exceptions ---

int32_t unsigned_immediate(const Outline& i, std::span<const uint8_t> bytes) { return immediate_of(i, bytes) & 0xffff; }

std::optional<int32_t> stack(const Outline& i, const Effects& e, std::span<const uint8_t> bytes, Mode mode) {
    const bool short_operand = (i.prefixes & prefix::operand_size) != 0 && (i.rex & 8) == 0;
    const int32_t word = short_operand ? 2 : mode == Mode::k64 ? 8 : 4;
    const uint8_t op = i.opcode;
    if (two_byte(i) && (op & 0xf6) == 0xa0) return (op & 1) != 0 ? word : -word; // push and pop of fs, gs
    if (one_byte(i)) {
        if ((op >= 0x50 && op <= 0x57) || op == 0x68 || op == 0x6a || op == 0x9c || op == 0xe8) return -word;
        if (op == 0xff && (i.reg() == 2 || i.reg() == 6)) return -word;
        if (op == 0x8f && i.reg() == 0 && (in_memory(i) || i.rm() != 4 || (i.rex & 1))) return word;
        if (op >= 0x58 && op <= 0x5f && (op != 0x5c || (i.rex & 1)))
            return word; // pop of rsp ends with what was popped
        if (op == 0x9d || op == 0xc3) return word;
        if (op == 0xc2) return word + unsigned_immediate(i, bytes);
        if (mode == Mode::k32) {
            if (op == 0x60 || op == 0x61) return (op == 0x60 ? -8 : 8) * word;
            if (op == 0x06 || op == 0x0e || op == 0x16 || op == 0x1e) return -word;
            if (op == 0x07 || op == 0x17 || op == 0x1f) return word;
        }
        const bool calls_far = op == 0x9a || op == 0xca || op == 0xcb || op == 0xcf || (op == 0xff && i.reg() == 3);
        if (calls_far) return std::nullopt; // depends on the ring that it leads to
    }
    if (e.written & rsp) return std::nullopt;
    return 0;
}

bool touches_stack(const Outline& i, const Effects& e) {
    return !e.stack || *e.stack != 0 || (one_byte(i) && i.opcode == 0xc8);
}

/// Exceptions that have nothing to do with memory.
bool raises(const Outline& i, const Effects& e) {
    if (is_x87(i) || i.undefined) return true;
    if (e.vector_read | e.vector_written) return true; // floating point, or none enabled
    if (i.vector() || i.map > map::m0f) return i.vector();
    const uint8_t op = i.opcode;
    if (i.map == map::m0f) {
        const bool plain = (op & 0xf0) == 0x40 || (op & 0xf0) == 0x80 || (op & 0xf0) == 0x90 || op == 0x0d ||
                           (op >= 0x18 && op <= 0x1f) || op >= 0xa3;
        return !plain || op == 0xb9 || op == 0xff;
    }
    switch (op) {
    case 0x62: // bound
    case 0x8e: // loads of segments
    case 0x9b: // fwait
    case 0xc4:
    case 0xc5:
    case 0xcd:
    case 0xce:
    case 0xcf:
    case 0xd4: // aam 0
    case 0xf4: // privileged
    case 0xfa:
    case 0xfb:
        return true;
    case 0xf6:
    case 0xf7:
        return i.reg() >= 6; // div, idiv
    default:
        return (op >= 0x6c && op <= 0x6f) || (op >= 0xe4 && op <= 0xe7) || (op >= 0xec && op <= 0xef);
    }
}

bool serialises(const Outline& i) {
    if (one_byte(i)) return i.opcode == 0xcf;                                            // iret
    if (i.map == map::m0f38 && !i.vector()) return i.opcode == 0x80 || i.opcode == 0x81; // invept, invvpid
    if (!two_byte(i)) return false;
    switch (i.opcode) {
    case 0x00: // lldt, ltr
        return i.reg() == 2 || i.reg() == 3;
    case 0x01: // lgdt, lidt, invlpg; serialize
        return in_memory(i) ? i.reg() == 2 || i.reg() == 3 || i.reg() == 7 : i.modrm == 0xe8;
    case 0x22: // mov to control registers, but not to cr8
        return number_of_reg(i) != 8;
    case 0x08: // invd, wbinvd, mov to debug registers, wrmsr, cpuid, rsm
    case 0x09:
    case 0x23:
    case 0x30:
    case 0xa2:
    case 0xaa:
        return true;
    default:
        return false;
    }
}

} // namespace

std::optional<Effects> EffectReader::effects(std::span<const uint8_t> bytes) const {
    const auto insn = outline(bytes, mode_);
    if (!insn) return std::nullopt;
    const auto known = operands_.operands(bytes.first(insn->length));
    if (!known) return std::nullopt;
    Effects e;
    e.read = known->read;
    e.written = known->written;
    e.vector_read = known->vector_read;
    e.vector_written = known->vector_written;
    e.flags_read = known->flags_read;
    e.flags_written = known->flags_written;
    e.flags_undefined = known->flags_undefined;
    registers(*insn, mode_, e);
    flags(*insn, e);
    memory(*insn, bytes, e, known->bytes, mode_);
    e.stack = stack(*insn, e, bytes, mode_);
    const Flow f = flow(*insn);
    e.traps = (f == Flow::interrupt && insn->opcode != 0xcf) ||
              (two_byte(*insn) && (insn->opcode == 0x05 || insn->opcode == 0x34));
    e.can_fault = e.reads_operand || e.writes_operand || is_string(*insn) || touches_stack(*insn, e) ||
                  raises(*insn, e) || (one_byte(*insn) && insn->opcode == 0xd7) || f == Flow::jump_indirect ||
                  f == Flow::call_indirect || f == Flow::ret;
    e.serialises = serialises(*insn);
    return e;
}

} // namespace trapline
