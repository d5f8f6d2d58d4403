// Three threads pass both nops three times each. Prints how often that was, "18".
#include "nops.h"

static struct thread others[2];

static void pass(void* argument) {
    (void)argument;
    for (u64 i = 0; i < 3; ++i) {
        pass5();
        pass10();
    }
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    for (u64 i = 0; i < 2; ++i)
        if (thread_start(&others[i], pass, 0) < 0) return 1;
    pass(0);
    for (u64 i = 0; i < 2; ++i) thread_join(&others[i]);
    put_number(calls);
    return 0;
}
