// Changes the operand of the instruction at `patched` from 7 to 9, makes the text read-only again, and calls it twice.
// Prints what it returned, "9" both times. Between the change and the calls it makes a system call (getpid), for
// schedules to wait for.
#include "guest.h"

enum { SYS_getpid = 39 };

u64 patched(void);
__asm__(".section .text.patched, \"ax\", @progbits\n"
        ".balign 4096\n"
        ".global patched\n"
        ".type patched, @function\n"
        "patched:\n"
        "    mov $7, %eax\n"
        "    ret\n"
        ".size patched, . - patched\n"
        ".balign 4096\n"
        ".text\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (syscall3(SYS_mprotect, (u64)patched, 4096, PROT_READ | PROT_WRITE) != 0) return 1;
    *((volatile u8*)(u64)patched + 1) = 9;
    if (syscall3(SYS_mprotect, (u64)patched, 4096, PROT_READ | PROT_EXEC) != 0) return 1;
    syscall3(SYS_getpid, 0, 0, 0);
    put_number(patched());
    put_number(patched());
    return 0;
}
