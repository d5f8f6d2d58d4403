// Passes the nop of five bytes twice. If it finds a call there afterwards, it unmaps the page that is called; then it
// passes the nop once more. Prints how often, "3".
#include "nops.h"

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    pass5();
    pass5();
    if (nop5[0] == 0xe8) {
        const long target = (long)nop5 + 5 + *(volatile int*)(nop5 + 1);
        syscall3(SYS_munmap, (u64)target & ~0xffful, 4096, 0);
    }
    pass5();
    put_number(calls);
    return 0;
}
