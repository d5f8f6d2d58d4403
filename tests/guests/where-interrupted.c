// A second thread passes both nops until it is told to stop, and the main thread sends it a signal once. The handler
// looks where the thread was. Prints "program" if that was in the program's own text, else "elsewhere".
#include "nops.h"

extern u8 __executable_start[], etext[];
static struct thread second;
static volatile u64 stop, interrupted;

static void on_user_signal(int number, void* info, void* context) {
    (void)number, (void)info;
    interrupted = *context_register(context, CONTEXT_RIP);
}

static void pass_until_told(void* argument) {
    (void)argument;
    while (!stop) {
        pass5();
        pass10();
    }
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    enum { SYS_tkill = 200, SIGUSR1 = 10 };
    if (on_signal(SIGUSR1, on_user_signal) != 0) return 1;
    if (thread_start(&second, pass_until_told, 0) < 0) return 1;
    syscall3(SYS_tkill, (u64)second.tid, SIGUSR1, 0);
    while (!interrupted) syscall3(SYS_sched_yield, 0, 0, 0);
    stop = 1;
    thread_join(&second);
    put_text(interrupted >= (u64)__executable_start && interrupted < (u64)etext ? "program\n" : "elsewhere\n");
    return 0;
}
