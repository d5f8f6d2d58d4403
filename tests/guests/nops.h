// A function around a nop that is made for probes, for guests about nop5 and nop10: passes the label `nop5` or `nop10`,
// counts in `calls` and touches nothing below the stack pointer.
#ifndef TRAPLINE_TESTS_GUESTS_NOPS_H
#define TRAPLINE_TESTS_GUESTS_NOPS_H

#include "guest.h"

u64 calls;
void pass5(void);
void pass10(void);
extern u8 nop5[], nop10[];
#define GUEST_NOP(name, label, nop)                                                                                    \
    ".balign 16\n"                                                                                                     \
    ".global " name ", " label "\n"                                                                                    \
    ".type " name ", @function\n" name ":\n" label ": .byte " nop "\n"                                                 \
    "    lock incq calls(%rip)\n"                                                                                      \
    "    ret\n"                                                                                                        \
    ".size " name ", . - " name "\n"
__asm__(".text\n" GUEST_NOP("pass5", "nop5", "0x0f, 0x1f, 0x44, 0x00, 0x00")
            GUEST_NOP("pass10", "nop10", "0x66, 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00"));

static inline void put_bytes(const u8* bytes, u64 count) {
    static const char digits[] = "0123456789abcdef";
    for (u64 i = 0; i < count; ++i) {
        const char two[4] = {digits[bytes[i] >> 4], digits[bytes[i] & 15], i + 1 == count ? '\n' : ' ', 0};
        put_text(two);
    }
}

#endif
