// Three threads that each call `hot` exactly once: one thread's window can be
// walked through by two others. Prints the number of calls, "3".
#include "guest.h"

GUEST_DEFINES_HOT

static struct thread second, third;

static void call_hot(void* argument) { hot(argument); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, 0) < 0 || thread_start(&third, call_hot, 0) < 0) return 1;
    call_hot(0);
    thread_join(&second);
    thread_join(&third);
    put_number(calls);
    return 0;
}
