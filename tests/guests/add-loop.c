// Passes the label `body` as many times as the first argument says and prints how often it did. The instruction there
// has no prefix and is none of those that old kernels refuse or never boost.
#include "guest.h"

u64 run_loop(u64 count);
__asm__(".text\n"
        ".global run_loop, body\n"
        ".type run_loop, @function\n"
        "run_loop:\n"
        "    xor %eax, %eax\n"
        "body:\n"
        "    add $1, %eax\n"
        "    dec %rdi\n"
        "    jnz body\n"
        "    ret\n"
        ".size run_loop, . - run_loop\n");

int guest_main(int argc, char** argv) {
    const u64 count = argc > 1 ? parse_number(argv[1]) : 1000;
    put_number(count == 0 ? 0 : run_loop(count));
    return 0;
}
