// five-points [ROUNDS [row]]: five functions of one instruction (three bytes) and `ret`, p1 to p5. Five threads call
// one of them each, once; a sixth calls all of them in turn, ROUNDS times (1 unless given). Prints the number of calls.
// With `row` the main thread walks over 32 instructions, r01 to r32, before it waits for them.
#include "guest.h"

// clang-format off
#define POINT(n)                                                                                                       \
    u64 p##n(u64 value);                                                                                               \
    __asm__(".text\n.balign 16\n.global p" #n "\n.type p" #n ", @function\n"                                           \
            "p" #n ":\n    mov %rdi, %rax\n    ret\n.size p" #n ", . - p" #n "\n");
// clang-format on
POINT(1)
POINT(2)
POINT(3) POINT(4) POINT(5)

// clang-format off
#define STEP(n) ".global r" #n "\nr" #n ": inc %rax\n"
    // clang-format on
    u64 row(void);
__asm__(".text\n.balign 16\n.type row, @function\n"
        "row:\n    xor %eax, %eax\n" STEP(01) STEP(02) STEP(03) STEP(04) STEP(05) STEP(06) STEP(07) STEP(08) STEP(09)
            STEP(10) STEP(11) STEP(12) STEP(13) STEP(14) STEP(15) STEP(16) STEP(17) STEP(18) STEP(19) STEP(20) STEP(21)
                STEP(22) STEP(23) STEP(24) STEP(25) STEP(26) STEP(27) STEP(28) STEP(29) STEP(30) STEP(31)
                    STEP(32) "    ret\n.size row, . - row\n");

typedef u64 (*point)(u64);
static const point points[] = {p1, p2, p3, p4, p5};
enum { POINTS = sizeof points / sizeof points[0] };

static struct thread threads[POINTS + 1];
static volatile u64 calls;
static u64 rounds = 1;

static void one(void* argument) { __atomic_fetch_add(&calls, points[(u64)argument](1), __ATOMIC_SEQ_CST); }

static void all(void* argument) {
    for (u64 i = 0; i < rounds; ++i)
        for (u64 n = 0; n < POINTS; ++n) one((void*)n);
    (void)argument;
}

int guest_main(int argc, char** argv) {
    if (argc > 1) rounds = parse_number(argv[1]);
    for (u64 n = 0; n < POINTS; ++n)
        if (thread_start(&threads[n], one, (void*)n) < 0) return 1;
    if (thread_start(&threads[POINTS], all, 0) < 0) return 1;
    if (argc > 2 && row() != 32) return 1;
    for (u64 n = 0; n <= POINTS; ++n) thread_join(&threads[n]);
    put_number(calls);
    return 0;
}
