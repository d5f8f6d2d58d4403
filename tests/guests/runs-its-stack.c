// Calls `hot`, then an instruction that it has written into the same page of its stack. The stack may not be executed:
// prints "refused", or "ran" where it was.
#include "guest.h"

GUEST_DEFINES_HOT

// In the middle of a page, so that what is a little below the stack pointer and what is a little above it share it.
void run_the_stack(void);
__asm__(".text\n"
        "run_the_stack:\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    and $-4096, %rsp\n"
        "    sub $2048, %rsp\n"
        "    call hot\n"
        "    movb $0xc3, 1024(%rsp)\n" // ret
        "    lea 1024(%rsp), %rax\n"
        "    call *%rax\n"
        "    leave\n"
        "    ret\n");

static void on_fault(int number, void* info, void* context) {
    (void)number, (void)info, (void)context;
    put_text("refused\n");
    syscall3(SYS_exit_group, 0, 0, 0);
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGSEGV, on_fault) != 0) return 1;
    run_the_stack();
    put_text("ran\n");
    return 0;
}
