// debugs-itself WHAT: writes into its own text, as a debugger does or a program that rewrites itself, and passes `spot`
// twice. WHAT is
//   int3      a breakpoint at `spot`, whose traps it serves
//   writable  the same, in text that stays writable
//   operand   another number for the instruction at `spot` to load
// If a trap does not reach it, or another number comes out, it ends with SIGILL. Prints how often it was served as it
// should be, "2".
#include "guest.h"

enum { LENGTH = 5, CONTEXT_RAX = 13 };

u64 spot(void);
__asm__(".section .text.spot, \"ax\", @progbits\n"
        ".balign 4096\n"
        ".global spot\n"
        ".type spot, @function\n"
        "spot:\n"
        "    mov $7, %eax\n"
        "    ret\n"
        ".size spot, . - spot\n"
        ".balign 4096\n"
        ".text\n");

GUEST_DEFINES_HOT

static volatile u64 traps;

static void on_trap(int number, void* info, void* context) {
    (void)number, (void)info;
    u64* rip = context_register(context, CONTEXT_RIP);
    if (*rip != (u64)spot + 1) return;
    *rip = (u64)spot + LENGTH; // what the instruction would have done
    *context_register(context, CONTEXT_RAX) = 7;
    traps = traps + 1;
}

int guest_main(int argc, char** argv) {
    const char what = argc > 1 ? argv[1][0] : 0;
    u8* const text = (u8*)(u64)spot;
    if (what != 'i' && what != 'w' && what != 'o') return 2;
    if (on_signal(SIGTRAP, on_trap) != 0) return 1;
    hot(0);
    const u64 writable = what == 'w' ? PROT_READ | PROT_WRITE | PROT_EXEC : PROT_READ | PROT_WRITE;
    if (syscall3(SYS_mprotect, (u64)text, 4096, writable) != 0) return 1;
    if (what == 'o')
        *(volatile u8*)(text + 1) = 9;
    else
        *(volatile u8*)text = 0xcc;
    if (what != 'w' && syscall3(SYS_mprotect, (u64)text, 4096, PROT_READ | PROT_EXEC) != 0) return 1;
    for (u64 i = 1; i <= 2; ++i) {
        const u64 number = spot();
        if (what == 'o' ? number != 9 : traps != i) __builtin_trap();
    }
    put_number(2);
    return 0;
}
