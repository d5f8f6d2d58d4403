// A parent and its forked child each call `hot` once, at the same time. Prints
// what each counted: "child 1" always comes first, because the parent waits.
#include "guest.h"

GUEST_DEFINES_HOT

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    const long pid = syscall3(SYS_fork, 0, 0, 0);
    if (pid < 0) return 1;
    hot(0);
    if (pid == 0) {
        put_text("child ");
        put_number(calls);
        return calls != 1;
    }
    int status = -1;
    if (syscall6(SYS_wait4, (u64)pid, (u64)&status, 0, 0, 0, 0) != pid || status != 0) return 1;
    put_text("parent ");
    put_number(calls);
    return calls != 1;
}
