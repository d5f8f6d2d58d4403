// One thread calls `hot`, the other kills the process with SIGKILL: wherever the first one is then, it is over.
#include "guest.h"

GUEST_DEFINES_HOT

enum { SYS_getpid = 39, SYS_kill = 62, SIGKILL = 9 };
static struct thread second;

static void call_hot(void* argument) { hot(argument); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, 0) < 0) return 1;
    syscall3(SYS_kill, (u64)syscall3(SYS_getpid, 0, 0, 0), SIGKILL, 0);
    return 1;
}
