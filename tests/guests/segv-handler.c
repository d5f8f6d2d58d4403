// Loads through a bad pointer at `hot`; its SIGSEGV handler sees the address of
// the fault, mends the pointer in the saved registers, and the load is done
// again. Prints the address in hex, "10", and the value that was read, "42".
#include "guest.h"

u64 load(const void* address);
__asm__(".text\n"
        ".global load, hot\n"
        ".type load, @function\n"
        "load:\n"
        "hot:\n"
        "    mov (%rdi), %rax\n"
        "    ret\n"
        ".size load, . - load\n");

static const u64 answer = 42;
static volatile u64 faults;

static void on_fault(int number, void* info, void* context) {
    (void)number;
    faults = faults + 1;
    put_hex(fault_address(info));
    if (*context_register(context, CONTEXT_RIP) != (u64)load) syscall3(SYS_exit_group, 2, 0, 0);
    *context_register(context, CONTEXT_RDI) = (u64)&answer;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGSEGV, on_fault) != 0) return 1;
    put_number(load((const void*)0x10));
    return faults != 1;
}
