// One thread that calls `hot` once: whatever else happens comes from outside the program. Small enough that every order of
// its steps with those of a tracer can be enumerated. An instruction without its first byte is another one that faults.
// Prints what `hot` returned, "1".
#include "guest.h"

u64 hot(void);
__asm__(".text\n"
        ".balign 16\n"
        ".global hot\n"
        ".type hot, @function\n"
        "hot:\n"
        "    mov $1, %eax\n"
        "    ret\n"
        ".size hot, . - hot\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    put_number(hot());
    return 0;
}
