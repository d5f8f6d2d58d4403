// A second thread and a vfork child, both in the same memory, call `hot` 100 times each at the same time. Prints the
// number of calls, "200".
#include "guest.h"

GUEST_DEFINES_HOT

enum { ROUNDS = 100 };

static struct thread second;
volatile u32 begun;

static void call_hot(void* argument) {
    begun = 1;
    for (int i = 0; i < ROUNDS; ++i) hot(argument);
}

// The child runs on the parent's stack, so it must not return through it: all that it does is one piece.
long vfork_and_call(void);
__asm__(".text\n"
        ".global vfork_and_call\n"
        ".type vfork_and_call, @function\n"
        "vfork_and_call:\n"
        "    mov $58, %eax\n" // vfork
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jnz 3f\n"
        "1:  cmpl $0, begun(%rip)\n"
        "    je 1b\n"
        "    mov $100, %r12d\n"
        "2:  call hot\n"
        "    dec %r12d\n"
        "    jnz 2b\n"
        "    xor %edi, %edi\n"
        "    mov $231, %eax\n" // exit_group
        "    syscall\n"
        "3:  ret\n"
        ".size vfork_and_call, . - vfork_and_call\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, 0) < 0) return 1;
    const long pid = vfork_and_call();
    int status = -1;
    if (pid < 0 || syscall6(SYS_wait4, (u64)pid, (u64)&status, 0, 0, 0, 0) != pid || status != 0) return 1;
    thread_join(&second);
    put_number(calls);
    return 0;
}
