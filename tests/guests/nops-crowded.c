// Maps everything within 2 GiB of its text, passes the nop of five bytes twice, unmaps that again and passes it twice
// more. Prints the first byte that stands there before and after: natively "0f 0f".
#include "nops.h"

extern u8 _end[];

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    enum { FIXED = 0x10 };
    const u64 below = 0x10000, image = 0x400000, above = ((u64)_end + 0xfff) & ~0xffful, top = 0x80800000;
    syscall6(SYS_mmap, below, image - below, 0, MAP_PRIVATE | MAP_ANONYMOUS | FIXED, -1ul, 0);
    syscall6(SYS_mmap, above, top - above, 0, MAP_PRIVATE | MAP_ANONYMOUS | FIXED, -1ul, 0);
    pass5();
    pass5();
    put_bytes(nop5, 1);
    syscall3(SYS_munmap, below, image - below, 0);
    syscall3(SYS_munmap, above, top - above, 0);
    pass5();
    pass5();
    put_bytes(nop5, 1);
    return 0;
}
