// Never ends: for instruction limits and for time-outs.
#include "guest.h"

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    __asm__ volatile(".global body\n"
                     "body: inc %%rax\n"
                     "jmp body" ::
                         : "rax");
    return 0;
}
