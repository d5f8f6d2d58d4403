#include "decoder/access.hpp"

#include "decoder/groups.hpp"

namespace trapline {
namespace {

Access x87_access(const Outline& i) {
    const unsigned reg = i.reg();
    switch (i.opcode) {
    case 0xd9: // fst, fstp, fnstenv, fnstcw
        return reg == 2 || reg == 3 || reg >= 6 ? Access::write : Access::read;
    case 0xdb:
    case 0xdd: // fisttp, fist, fistp, fstp of 80 bits; fisttp, fst, fstp, fnsave, fnstsw
    case 0xdf: // fbstp
        return (reg >= 1 && reg <= 3) || reg == 7 || (reg == 6 && i.opcode != 0xdb) ? Access::write : Access::read;
    default:
        return Access::read;
    }
}

Access one_byte_access(const Outline& i, Mode mode) {
    const uint8_t op = i.opcode;
    if (is_x87(i)) return x87_access(i);
    if (op < 0x40) return (op & 2) != 0 || op >= 0x38 ? Access::read : Access::both;
    if (op >= 0xa0 && op <= 0xa3) return op < 0xa2 ? Access::read : Access::write;
    if (is_shift(i) || op == 0x86 || op == 0x87) return Access::both;
    switch (op) {
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x83:
        return i.reg() == 7 ? Access::read : Access::both;
    case 0x88:
    case 0x89:
    case 0x8c:
    case 0x8f:
    case 0xc6:
    case 0xc7:
        return Access::write;
    case 0x8d:
        return Access::none;
    case 0xf6:
    case 0xf7:
        return i.reg() == 2 || i.reg() == 3 ? Access::both : Access::read;
    case 0xfe:
    case 0xff:
        return i.reg() < 2 ? Access::both : Access::read;
    case 0x63: // movsxd, arpl
        return mode == Mode::k64 ? Access::read : Access::both;
    default:
        return Access::read;
    }
}

/// Group 15: fxsave, fxrstor, ldmxcsr, stmxcsr, xsave, xrstor, xsaveopt, clflush.
Access group_15(const Outline& i) {
    constexpr Access kinds[] = {Access::write, Access::read, Access::read,  Access::write,
                                Access::write, Access::read, Access::write, Access::none};
    if (i.prefixes & prefix::operand_size && i.reg() == 6) return Access::none; // clwb
    return kinds[i.reg()];
}

/// Stores of SSE, and of AVX and AVX-512 under the same opcodes.
bool stores_vector(const Outline& i, unsigned mandatory_prefix) {
    switch (i.opcode) {
    case 0x11:
    case 0x13:
    case 0x17:
    case 0x29:
    case 0x2b:
    case 0x7f:
    case 0xd6:
    case 0xe7:
        return true;
    case 0x7e: // movd and movq to memory; with rep it loads
        return mandatory_prefix != 2;
    default:
        return false;
    }
}

Access two_byte_access(const Outline& i, unsigned mandatory_prefix) {
    const uint8_t op = i.opcode;
    if (stores_vector(i, mandatory_prefix) || (op & 0xf0) == 0x90 || op == 0xc3) return Access::write; // set, movnti
    if (op == 0x0d || (op >= 0x18 && op <= 0x1f)) return Access::none; // prefetches and nops
    switch (op) {
    case 0x00:
        return i.reg() < 2 ? Access::write : Access::read;
    case 0x01:
        if (i.reg() == 7) return Access::none; // invlpg
        return i.reg() < 2 || i.reg() == 4 ? Access::write : Access::read;
    case 0x78: // vmread
        return Access::write;
    case 0xa4:
    case 0xa5:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xb0:
    case 0xb1:
    case 0xb3:
    case 0xbb:
    case 0xc0:
    case 0xc1:
        return Access::both;
    case 0xba:
        return i.reg() == 4 ? Access::read : Access::both;
    case 0xc7: // cmpxchg8b; xrstors, xsavec, xsaves, vmptrld, vmptrst
        return i.reg() == 1                                   ? Access::both
               : i.reg() == 4 || i.reg() == 5 || i.reg() == 7 ? Access::write
                                                              : Access::read;
    case 0xae:
        return group_15(i);
    default:
        return Access::read;
    }
}

Access three_byte_access(const Outline& i) {
    const uint8_t op = i.opcode;
    if (i.map == map::m0f3a) {
        const bool store = (op >= 0x14 && op <= 0x17) ||
                           (i.vector() && (op == 0x19 || op == 0x1b || op == 0x1d || op == 0x39 || op == 0x3b));
        return store ? Access::write : Access::read;
    }
    const bool movbe = op == 0xf1 && !(i.prefixes & prefix::repne) && !i.vector();
    const bool masked = i.vector() && (op == 0x2e || op == 0x2f || op == 0x8e);
    return movbe || masked ? Access::write : Access::read;
}

} // namespace

Access access(const Outline& i, unsigned mandatory_prefix, Mode mode) {
    if (i.map == map::one_byte) return one_byte_access(i, mode);
    if (i.map == map::m0f && !i.vector()) return two_byte_access(i, mandatory_prefix);
    if (i.map == map::m0f)
        return i.opcode == 0xae ? group_15(i) : stores_vector(i, mandatory_prefix) ? Access::write : Access::read;
    return three_byte_access(i);
}

} // namespace trapline
