// Reads the byte at `hot` as data, calls `hot`, and prints the byte in hex:
// "48" is the instruction that was built, "cc" a breakpoint that it can see.
#include "guest.h"

GUEST_DEFINES_HOT

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    const u8 first = *(const volatile u8*)hot;
    hot(0);
    put_hex(first);
    return calls != 1;
}
