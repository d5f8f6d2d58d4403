// Executes an int3 of its own: the SIGTRAP is the program's, not a probe's. The
// handler must find RIP behind the byte. Prints how many traps it saw, "1".
#include "guest.h"

extern const u8 after_int3[];
void execute_int3(void);
__asm__(".text\n"
        ".global execute_int3, own_int3, after_int3\n"
        ".type execute_int3, @function\n"
        "execute_int3:\n"
        "own_int3:\n"
        "    int3\n"
        "after_int3:\n"
        "    ret\n"
        ".size execute_int3, . - execute_int3\n");

static volatile u64 traps;

static void on_trap(int number, void* info, void* context) {
    (void)info;
    if (number == SIGTRAP && *context_register(context, CONTEXT_RIP) == (u64)after_int3) traps = traps + 1;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGTRAP, on_trap) != 0) return 1;
    execute_int3();
    put_number(traps);
    return traps != 1;
}
