// The instruction at `hot` loads from a page that nobody has touched, so that
// stepping it meets a page fault, which holds an inline window open. Each of
// two threads has a page of its own: both faults are real. Prints "2".
#include "guest.h"

u64 calls;
u64 hot(const void* untouched);
__asm__(".text\n"
        ".balign 16\n"
        ".global hot\n"
        ".type hot, @function\n"
        "hot:\n"
        "    mov (%rdi), %rax\n" // three bytes; faults at its first execution
        "    lock incq calls(%rip)\n"
        "    ret\n"
        ".size hot, . - hot\n");

static u8 pages[2][4096] __attribute__((aligned(4096)));
static struct thread second;
static volatile u64 wrong; // bits that a fresh page must not have

static void call_hot(void* page) { wrong |= hot(page); }

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (thread_start(&second, call_hot, pages[1]) < 0) return 1;
    call_hot(pages[0]);
    thread_join(&second);
    put_number(calls);
    return wrong != 0;
}
