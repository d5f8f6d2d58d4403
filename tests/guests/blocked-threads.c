// blocked-threads [N]: N threads (40 unless given) sleep in one system call, the instruction at `blocks`; when all are
// there, the main thread walks over 32 instructions, r01 to r32, and only then opens the gate. Prints the number of
// threads that came through.
#include "guest.h"

enum { SYS_nanosleep = 35, FUTEX_WAIT = 0, FUTEX_WAKE = 1, MOST = 40 };

static struct thread threads[MOST];
static volatile u32 gate, arrived, through;

long wait_at(volatile u32* word, u64 operation, u64 value);
__asm__(".text\n"
        ".balign 16\n"
        ".global wait_at, blocks\n"
        ".type wait_at, @function\n"
        "wait_at:\n"
        "    xor %r10d, %r10d\n"
        "    mov $202, %eax\n" // futex
        "blocks:\n"
        "    syscall\n"
        "    ret\n"
        ".size wait_at, . - wait_at\n");

// clang-format off
#define POINT(n) ".global r" #n "\nr" #n ": inc %rax\n"
// clang-format on
u64 row(void);
__asm__(".text\n"
        ".balign 16\n"
        ".type row, @function\n"
        "row:\n"
        "    xor %eax, %eax\n" POINT(01) POINT(02) POINT(03) POINT(04) POINT(05) POINT(06) POINT(07) POINT(08) POINT(09)
            POINT(10) POINT(11) POINT(12) POINT(13) POINT(14) POINT(15) POINT(16) POINT(17) POINT(18) POINT(19)
                POINT(20) POINT(21) POINT(22) POINT(23) POINT(24) POINT(25) POINT(26) POINT(27) POINT(28) POINT(29)
                    POINT(30) POINT(31) POINT(32) "    ret\n"
                                                  ".size row, . - row\n");

static void come(void* argument) {
    (void)argument;
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    while (!gate) wait_at(&gate, FUTEX_WAIT, 0);
    __atomic_fetch_add(&through, 1, __ATOMIC_SEQ_CST);
}

int guest_main(int argc, char** argv) {
    const u64 count = argc > 1 ? parse_number(argv[1]) : MOST;
    if (count > MOST) return 2;
    for (u64 i = 0; i < count; ++i)
        if (thread_start(&threads[i], come, 0) < 0) return 1;
    while (arrived != count) syscall3(SYS_sched_yield, 0, 0, 0);
    const u64 ten_milliseconds[2] = {0, 10000000};
    syscall3(SYS_nanosleep, (u64)ten_milliseconds, 0, 0);
    if (row() != 32) return 1;
    gate = 1;
    syscall3(SYS_futex, (u64)&gate, FUTEX_WAKE, MOST);
    for (u64 i = 0; i < count; ++i) thread_join(&threads[i]);
    put_number(through);
    return 0;
}
