// A second thread calls `hot` and is sent a signal meanwhile; its handler waits until the main thread has called `hot`
// twice. Prints what the second thread's call returned, "12".
#include "jump.h"

static struct thread second;
static volatile u64 interrupted, done, result;

static void on_user_signal(int number, void* info, void* context) {
    (void)number, (void)info, (void)context;
    interrupted = 1;
    while (!done) syscall3(SYS_sched_yield, 0, 0, 0);
}

static void call_hot(void* argument) { result = hot((u64)argument); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    enum { SYS_tkill = 200, SIGUSR1 = 10 };
    if (on_signal(SIGUSR1, on_user_signal) != 0) return 1;
    if (thread_start(&second, call_hot, (void*)7) < 0) return 1;
    syscall3(SYS_tkill, (u64)second.tid, SIGUSR1, 0);
    while (!interrupted && second.tid != 0) syscall3(SYS_sched_yield, 0, 0, 0);
    hot(1);
    hot(2);
    done = 1;
    thread_join(&second);
    put_number(result);
    return 0;
}
