// A loop of seven instructions and nothing else, for the highest speed that a
// machine reaches: the first argument says how often, default 25 million.
// Prints the sum that it leaves behind.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t run_loop(uint64_t count);
__asm__(".text\n"
        ".global run_loop, body\n"
        ".type run_loop, @function\n"
        "run_loop:\n"
        "    xor %eax, %eax\n"
        "    xor %edx, %edx\n"
        "body:\n"
        "    add %rdi, %rax\n"
        "    xor %rax, %rdx\n"
        "    lea 3(%rdx,%rax), %rcx\n"
        "    shr $5, %rcx\n"
        "    add %rcx, %rax\n"
        "    dec %rdi\n"
        "    jnz body\n"
        "    ret\n"
        ".size run_loop, . - run_loop\n");

int main(int argc, char** argv) {
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 25000000;
    printf("%016llx\n", (unsigned long long)(count == 0 ? 0 : run_loop(count)));
    return 0;
}
