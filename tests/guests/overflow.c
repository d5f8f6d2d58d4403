// Calls itself until the stack is full: dies of SIGSEGV at the stack's limit.
#include "guest.h"

void recurse(void);
__asm__(".text\n"
        ".global recurse\n"
        ".type recurse, @function\n"
        "recurse:\n"
        "    sub $1016, %rsp\n"
        "    call recurse\n"
        "    add $1016, %rsp\n"
        "    ret\n"
        ".size recurse, . - recurse\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    recurse();
    return 0;
}
