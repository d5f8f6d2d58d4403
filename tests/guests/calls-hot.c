// calls-hot THREADS CALLS: so many threads, the main one among them, call `hot` so often each. Prints the number of calls.
#include "guest.h"

GUEST_DEFINES_HOT

enum { MOST = 8 };
static struct thread others[MOST];
static u64 most;

static void call_hot(void* argument) {
    for (u64 i = 0; i < most; ++i) hot(argument);
}

int guest_main(int argc, char** argv) {
    const u64 count = argc > 2 ? parse_number(argv[1]) : 0;
    if (count < 1 || count > MOST) return 2;
    most = parse_number(argv[2]);
    for (u64 i = 1; i < count; ++i)
        if (thread_start(&others[i], call_hot, 0) < 0) return 1;
    call_hot(0);
    for (u64 i = 1; i < count; ++i) thread_join(&others[i]);
    put_number(calls);
    return 0;
}
