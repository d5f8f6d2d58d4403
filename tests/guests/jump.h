// A function whose first two instructions make room for a jump, for guests about jump-optimised probes:
//
//   hot:    mov %edi, %eax        2 bytes
//   inner:  add $5, %rax          4 bytes; a jump of five bytes ends in the middle of it
//   behind: count in `calls`, return
#ifndef TRAPLINE_TESTS_GUESTS_JUMP_H
#define TRAPLINE_TESTS_GUESTS_JUMP_H

#include "guest.h"

u64 calls;
u64 hot(u64 value);
__asm__(".text\n"
        ".balign 16\n"
        ".global hot, inner, behind\n"
        ".type hot, @function\n"
        "hot:\n"
        "    mov %edi, %eax\n"
        "inner:\n"
        "    add $5, %rax\n"
        "behind:\n"
        "    lock incq calls(%rip)\n"
        "    ret\n"
        ".size hot, . - hot\n");
extern u8 inner[];

#endif
