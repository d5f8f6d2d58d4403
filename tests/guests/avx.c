// Executes one 128-bit AVX addition. A machine without AVX kills it with
// SIGILL; one that has it prints "3". Any other number is a wrong computation.
#include "guest.h"

u64 add_vectors(u64 a, u64 b);
__asm__(".text\n"
        ".global add_vectors, hot\n"
        ".type add_vectors, @function\n"
        "add_vectors:\n"
        "    movq %rdi, %xmm1\n"
        "    movq %rsi, %xmm2\n"
        "    pxor %xmm0, %xmm0\n"
        "hot:\n"
        "    vpaddd %xmm2, %xmm1, %xmm0\n"
        "    movq %xmm0, %rax\n"
        "    ret\n"
        ".size add_vectors, . - add_vectors\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    put_number(add_vectors(1, 2));
    return 0;
}
