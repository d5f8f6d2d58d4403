// Passes the nop of five bytes, or with an argument that of ten, twice. If it finds a call there afterwards, which in the
// second one is behind a lea, it unmaps the page that is called; then it passes the nop once more. Prints how often, "3".
#include "nops.h"

int guest_main(int argc, char** argv) {
    (void)argv;
    void (*const pass)(void) = argc > 1 ? pass10 : pass5;
    const volatile u8* call = argc > 1 ? nop10 + 5 : nop5;
    pass();
    pass();
    if (*call == 0xe8) {
        const long target = (long)call + 5 + *(const volatile int*)(call + 1);
        syscall3(SYS_munmap, (u64)target & ~0xffful, 4096, 0);
    }
    pass();
    put_number(calls);
    return 0;
}
