// A second thread calls `gone`, which has a page of text to itself, as often as it can; the main thread yields and
// unmaps that page. The second thread dies of it: its SIGSEGV handler prints how far behind `gone` it was, and ends the
// program. "0" unless it was stopped between the two instructions, which is "5".
#include "gone.h"

static struct thread second;

static void on_fault(int number, void* info, void* context) {
    (void)number, (void)info;
    put_number(*context_register(context, CONTEXT_RIP) - (u64)gone);
    syscall3(SYS_exit_group, 0, 0, 0);
}

static void call_gone(void* argument) {
    (void)argument;
    for (;;) gone();
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGSEGV, on_fault) != 0 || thread_start(&second, call_gone, 0) < 0) return 1;
    syscall3(SYS_sched_yield, 0, 0, 0);
    if (syscall3(SYS_munmap, (u64)gone, 4096, 0) != 0) return 1;
    thread_join(&second);
    return 1;
}
