// Calls `hot` with a stack pointer that has 160 bytes below it, as coroutines with tight stacks do, while a second
// thread calls it on a stack of its own. Below the 160 bytes there is no memory, or, with the argument `data`, data of
// the program. Prints how often `hot` was called and how many words of the data have changed: "2 0".
#include "guest.h"

GUEST_DEFINES_HOT

// void call_hot_on(stack pointer)
void call_hot_on(void* stack);
__asm__(".text\n"
        "call_hot_on:\n"
        "    push %rbp\n"
        "    mov %rsp, %rbp\n"
        "    mov %rdi, %rsp\n"
        "    call hot\n"
        "    leave\n"
        "    ret\n");

enum { ROOM = 160, WORDS = 64 };
static struct {
    u64 data[WORDS];
    u8 stack[ROOM + 16];
} neighbours __attribute__((aligned(4096)));
static struct thread second;

static void call_hot(void* argument) { hot(argument); }

int guest_main(int argc, char** argv) {
    (void)argv;
    u8* bottom = neighbours.stack;
    if (argc < 2) {
        u8* pages =
            (u8*)syscall6(SYS_mmap, 0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (u64)-1, 0);
        if (syscall3(SYS_munmap, (u64)pages, 4096, 0) != 0) return 1;
        bottom = pages + 4096;
    }
    for (u64 i = 0; i < WORDS; ++i) neighbours.data[i] = i + 1;
    if (thread_start(&second, call_hot, 0) < 0) return 1;
    call_hot_on(bottom + ROOM);
    thread_join(&second);
    u64 changed = 0;
    for (u64 i = 0; i < WORDS; ++i) changed += neighbours.data[i] != i + 1;
    put_number(calls);
    put_number(changed);
    return 0;
}
