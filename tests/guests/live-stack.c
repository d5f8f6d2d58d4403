// Calls `hot` below three pages of data on its stack and prints how many words of them have changed: "0". With the
// argument `executable` the stack may be executed, and with `unused` behind that nobody looks: "0" in any case.
#include "guest.h"

GUEST_DEFINES_HOT

enum { WORDS = 3 * 4096 / 8 };

int guest_main(int argc, char** argv) {
    (void)argv;
    volatile u64 data[WORDS];
    for (u64 i = 0; i < WORDS; ++i) data[i] = i + 1;
    const u64 first = (u64)data & ~4095ul;
    if (argc > 1 && syscall3(SYS_mprotect, first - 4096, 4 * 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return 1;
    hot(0);
    u64 changed = 0;
    for (u64 i = 0; i < WORDS && argc < 3; ++i) changed += data[i] != i + 1;
    put_number(changed);
    return 0;
}
