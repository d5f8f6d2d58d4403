// The probed instruction is the one that forks: every system call goes through the `syscall` at `gate`. The child says
// so and ends, the parent waits and says so. Prints "child" and "parent"; parent and child pass the gate 2 times each
// after the fork.
#include "guest.h"

long gate_call(u64 a, u64 b, u64 c, u64 d, u64 number);
__asm__(".text\n"
        ".balign 16\n"
        ".global gate_call, gate\n"
        ".type gate_call, @function\n"
        "gate_call:\n"
        "    mov %rcx, %r10\n"
        "    mov %r8, %rax\n"
        "gate:\n"
        "    syscall\n"
        "    ret\n"
        ".size gate_call, . - gate_call\n");

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    const long pid = gate_call(0, 0, 0, 0, SYS_fork);
    if (pid < 0) return 1;
    if (pid == 0) {
        gate_call(1, (u64) "child\n", 6, 0, SYS_write);
        gate_call(0, 0, 0, 0, SYS_exit_group);
    }
    int status = -1;
    if (gate_call((u64)pid, (u64)&status, 0, 0, SYS_wait4) != pid) return 1;
    if (status != 0) {
        gate_call(1, (u64) "no child\n", 9, 0, SYS_write);
        return 1;
    }
    gate_call(1, (u64) "parent\n", 7, 0, SYS_write);
    return 0;
}
