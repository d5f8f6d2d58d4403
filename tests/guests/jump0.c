// Jumps to address 0, where nothing is mapped: dies of SIGSEGV.
#include "guest.h"

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    __asm__ volatile("xor %%eax, %%eax\n"
                     ".global hot\n"
                     "hot: jmp *%%rax" ::
                         : "rax");
    return 0;
}
