// nops-threads [OTHERS [CALLS]]: the main thread and OTHERS (two unless given) pass both nops CALLS times each (three).
// Prints how often that was, "18".
#include "nops.h"

static struct thread others[2];

static u64 most = 3;

static void pass(void* argument) {
    (void)argument;
    for (u64 i = 0; i < most; ++i) {
        pass5();
        pass10();
    }
}

int guest_main(int argc, char** argv) {
    const u64 count = argc > 1 ? parse_number(argv[1]) : 2;
    if (argc > 2) most = parse_number(argv[2]);
    if (count > 2) return 2;
    for (u64 i = 0; i < count; ++i)
        if (thread_start(&others[i], pass, 0) < 0) return 1;
    pass(0);
    for (u64 i = 0; i < count; ++i) thread_join(&others[i]);
    put_number(calls);
    return 0;
}
