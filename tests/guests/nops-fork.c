// Passes both nops twice and forks; parent and child pass both once more. Prints the child's wait status and how often
// the parent passed: "0 6".
#include "nops.h"

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    for (u64 i = 0; i < 2; ++i) {
        pass5();
        pass10();
    }
    const long pid = syscall3(SYS_fork, 0, 0, 0);
    if (pid < 0) return 1;
    pass5();
    pass10();
    if (pid == 0) return 0;
    int status = -1;
    if (syscall6(SYS_wait4, (u64)pid, (u64)&status, 0, 0, 0, 0) != pid) return 1;
    put_number((u64)status);
    put_number(calls);
    return 0;
}
