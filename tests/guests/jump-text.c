// Prints the first byte of `hot` in hex, calls it twice with another look after each call, and prints what it
// returned: "89", "89", "89", "6 7".
#include "jump.h"

static void look(void) { put_hex(*(const volatile u8*)hot); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    look();
    const u64 first = hot(1);
    look();
    const u64 second = hot(2);
    look();
    put_digits(first, 10, ' ');
    put_number(second);
    return calls != 2;
}
