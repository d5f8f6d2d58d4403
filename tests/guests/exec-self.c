// Calls `hot`, prints "1", and executes itself with an argument; the second
// image calls `hot` again and prints "2". Needs a path in argv[0].
#include "guest.h"

GUEST_DEFINES_HOT

int guest_main(int argc, char** argv) {
    hot(0);
    if (argc > 1) {
        put_number(2);
        return calls != 1;
    }
    put_number(1);
    char* arguments[] = {argv[0], "again", 0};
    char* environment[] = {0};
    syscall3(SYS_execve, (u64)argv[0], (u64)arguments, (u64)environment);
    return 1;
}
