// Two threads that each call `hot` exactly once: the smallest program in which
// a probe on `hot` can be missed. Prints the number of calls, "2".
#include "guest.h"

GUEST_DEFINES_HOT

static struct thread second;

static void call_hot(void* argument) { hot(argument); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, 0) < 0) return 1;
    call_hot(0);
    thread_join(&second);
    put_number(calls);
    return 0;
}
