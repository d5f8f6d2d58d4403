// A program that single-steps itself, as debuggers and some protections do: it sets TF, runs over a few instructions,
// the one at `stepped` among them, and clears TF again. The handler of SIGTRAP notes where each trap came. Prints how
// many there were, and how many of them at an address outside the stretch.
#include "guest.h"

extern const u8 first_stepped[], last_stepped[];
void stretch(void);
__asm__(".text\n"
        ".global stretch, first_stepped, stepped, jumps, last_stepped\n"
        ".type stretch, @function\n"
        "stretch:\n"
        "    pushf\n"
        "    orq $0x100, (%rsp)\n"
        "    popf\n"
        "    nop\n"
        "first_stepped:\n"
        "    mov %rdi, %rax\n"
        "stepped:\n"
        "    lea 1(%rax), %rax\n"
        "    push %rbx\n"
        "jumps:\n"
        "    jmp 1f\n"
        "    nop\n"
        "1:  pop %rbx\n"
        "    pushf\n"
        "    andq $~0x100, (%rsp)\n"
        "    popf\n"
        "last_stepped:\n"
        "    ret\n"
        ".size stretch, . - stretch\n");

static volatile u64 traps, elsewhere;

static void on_trap(int number, void* info, void* context) {
    (void)number, (void)info;
    const u64 at = *context_register(context, CONTEXT_RIP);
    traps = traps + 1;
    if (at < (u64)first_stepped || at > (u64)last_stepped) elsewhere = elsewhere + 1;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGTRAP, on_trap) != 0) return 1;
    stretch();
    put_number(traps);
    put_number(elsewhere);
    return elsewhere != 0;
}
