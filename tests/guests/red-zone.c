// Two leaf functions that keep data below the stack pointer, as compilers let them, around a nop that is made for
// probes. Each is called four times. Prints how often the data had changed behind the nop of five bytes, and behind the
// nop of ten: "0 0".
#include "guest.h"

u64 leaf5(u64 seed);
u64 leaf10(u64 seed);
#define LEAF(name, label, nop)                                                                                         \
    ".balign 16\n"                                                                                                     \
    ".global " name ", " label "\n"                                                                                    \
    ".type " name ", @function\n" name ":\n"                                                                           \
    "    mov %rdi, -8(%rsp)\n"                                                                                         \
    "    lea 1(%rdi), %rax\n"                                                                                          \
    "    mov %rax, -32(%rsp)\n"                                                                                        \
    "    mov %rdi, -128(%rsp)\n" label ": .byte " nop "\n"                                                             \
    "    mov -32(%rsp), %rax\n"                                                                                        \
    "    dec %rax\n"                                                                                                   \
    "    xor %rdi, %rax\n"                                                                                             \
    "    xor %rdi, -8(%rsp)\n"                                                                                         \
    "    or -8(%rsp), %rax\n"                                                                                          \
    "    xor %rdi, -128(%rsp)\n"                                                                                       \
    "    or -128(%rsp), %rax\n" /* 0 when all three are as they were */                                                \
    "    ret\n"                                                                                                        \
    ".size " name ", . - " name "\n"
__asm__(".text\n" LEAF("leaf5", "nop5", "0x0f, 0x1f, 0x44, 0x00, 0x00")
            LEAF("leaf10", "nop10", "0x66, 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00"));

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    u64 changed5 = 0, changed10 = 0;
    for (u64 i = 0; i < 4; ++i) {
        changed5 += leaf5(40 + i) != 0;
        changed10 += leaf10(40 + i) != 0;
    }
    put_number(changed5);
    put_number(changed10);
    return 0;
}
