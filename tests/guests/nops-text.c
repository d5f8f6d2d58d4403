// Passes both nops twice and prints its own text there before, in between and afterwards; what stands behind a call is
// an address, so the displacement is left out. Natively all is as it was compiled.
#include "nops.h"

static void put_places(void) {
    put_bytes(nop5, 1);
    put_bytes(nop10, nop10[0] == 0x48 ? 6 : 2);
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    for (u64 i = 0; i < 3; ++i) {
        put_places();
        pass5();
        pass10();
    }
    return 0;
}
