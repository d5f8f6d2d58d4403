// Three threads pass the same probe points of many kinds at the same time, a few times each, and leave a sum that does
// not depend on who came first. What a probe disturbs (a register, the flags, the stack, the order of two instructions)
// changes the sum. Prints it: "954".
#include "guest.h"

// u64 work(u64 n): p_* are the probe points.
u64 work(u64 n);
u64 twice(u64 n);
__asm__(".text\n"
        ".balign 16\n"
        ".global work, twice, p_mov, p_lea, p_rip, p_call, p_test, p_jump, p_nop5, p_nop10, p_push, p_entry, p_store,\n"
        ".global p_pop, p_pair, p_ret\n"
        ".type work, @function\n"
        "work:\n"
        "p_mov:   mov %edi, %eax\n"
        "p_nop5:  .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
        "p_push:  push %rbx\n"
        "p_lea:   lea 1(%rax), %ebx\n"
        "p_rip:   add step(%rip), %rbx\n"          // +10
        "p_call:  call twice\n"                    // rax = 2 * rdi
        "p_nop10: .byte 0x66, 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00\n"
        "p_pair:  add %rbx, %rax\n"                // two instructions that a jump of five bytes covers
        "         add $2, %rax\n"
        "p_test:  test $1, %dil\n"
        "p_jump:  jz 1f\n"
        "         add $100, %rax\n"
        "1:\n"
        "p_pop:   pop %rbx\n"
        "p_ret:   ret\n"
        ".size work, . - work\n"
        ".balign 16\n"
        ".type twice, @function\n"
        "twice:\n"
        "p_entry: mov %rdi, %rdx\n"
        "p_store: mov %rdx, -8(%rsp)\n"            // below the stack pointer, in the red zone
        "         add -8(%rsp), %rdx\n"
        "         mov %rdx, %rax\n"
        "         ret\n"
        ".size twice, . - twice\n");

const u64 step = 10;

enum { THREADS = 3, ROUNDS = 4 };
static struct thread threads[THREADS - 1];
static u64 sums[THREADS];

static void rounds(void* argument) {
    const u64 me = (u64)argument;
    u64 sum = 0;
    for (u64 i = 0; i < ROUNDS; ++i) sum += work(3 * i + me);
    sums[me] = sum;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    for (u64 i = 1; i < THREADS; ++i)
        if (thread_start(&threads[i - 1], rounds, (void*)i) < 0) return 1;
    rounds((void*)0);
    u64 sum = 0;
    for (u64 i = 1; i < THREADS; ++i) thread_join(&threads[i - 1]);
    for (u64 i = 0; i < THREADS; ++i) sum += sums[i];
    put_number(sum);
    return 0;
}
