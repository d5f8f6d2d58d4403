// Three threads call `hot` three times each. Prints the sum of what it returned and how often it was called: "63 9".
#include "jump.h"

static struct thread others[2];
static u64 sum;

static void pass(void* argument) {
    (void)argument;
    for (u64 i = 1; i <= 3; ++i) __atomic_fetch_add(&sum, hot(i), __ATOMIC_SEQ_CST);
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    for (u64 i = 0; i < 2; ++i)
        if (thread_start(&others[i], pass, 0) < 0) return 1;
    pass(0);
    for (u64 i = 0; i < 2; ++i) thread_join(&others[i]);
    put_digits(sum, 10, ' ');
    put_number(calls);
    return 0;
}
