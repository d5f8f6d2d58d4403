// jump-threads [OTHERS [CALLS]]: the main thread and OTHERS (two unless given) call `hot` CALLS times each (three).
// Prints the sum of what it returned and how often it was called: "63 9".
#include "jump.h"

static struct thread others[2];
static u64 sum;

static u64 most = 3;

static void pass(void* argument) {
    (void)argument;
    for (u64 i = 1; i <= most; ++i) __atomic_fetch_add(&sum, hot(i), __ATOMIC_SEQ_CST);
}

int guest_main(int argc, char** argv) {
    const u64 count = argc > 1 ? parse_number(argv[1]) : 2;
    if (argc > 2) most = parse_number(argv[2]);
    if (count > 2) return 2;
    for (u64 i = 0; i < count; ++i)
        if (thread_start(&others[i], pass, 0) < 0) return 1;
    pass(0);
    for (u64 i = 0; i < count; ++i) thread_join(&others[i]);
    put_digits(sum, 10, ' ');
    put_number(calls);
    return 0;
}
