// Calls `gone`, which has a page of text to itself, moves that page to another address with mremap, and calls it there.
// Prints what it returned, "7" both times.
#include "gone.h"

enum { SYS_mremap = 25, MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, ELSEWHERE = 0x10000000 };

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    put_number(gone());
    const long moved = syscall6(SYS_mremap, (u64)gone, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE, 0);
    if (moved != ELSEWHERE) return 1;
    put_number(((u64(*)(void))(u64)moved)());
    return 0;
}
