// A second thread calls `hot` without end; the main thread yields once and ends the process under it.
#include "guest.h"

GUEST_DEFINES_HOT

static struct thread second;

static void call_hot(void* argument) {
    for (;;) hot(argument);
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, 0) < 0) return 1;
    syscall3(SYS_sched_yield, 0, 0, 0);
    return 0;
}
