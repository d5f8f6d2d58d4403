// Two functions of one instruction and `ret` each, for probes whose copies might get mixed up. The main thread calls
// `hot` once, starts a second thread that calls `hot` again, and calls `cold` twice meanwhile. `hot` returns its first
// argument; `cold` loads through its second, which is a bad pointer whenever `hot` is called. Prints what the second
// thread's `hot` and the last `cold` returned: "5 9". Both instructions are in the list of seed 002: no REX prefix.
// With an argument, the second thread is sent SIGUSR1 before `cold` is called.
#include "guest.h"

u64 hot(u64 value, const u64* pointer);
u64 cold(u64 value, const u64* pointer);
__asm__(".text\n"
        ".balign 16\n"
        ".global hot, cold\n"
        ".type hot, @function\n"
        "hot:\n"
        "    mov %edi, %eax\n"
        "    ret\n"
        ".size hot, . - hot\n"
        ".balign 16\n"
        ".type cold, @function\n"
        "cold:\n"
        "    mov (%rsi), %eax\n"
        "    ret\n"
        ".size cold, . - cold\n");

static struct thread second;
static volatile u64 from_hot, from_cold;
static const u64 nine = 9;

static void on_user_signal(int number, void* info, void* context) { (void)number, (void)info, (void)context; }

static void call_hot(void* argument) { from_hot = hot((u64)argument, 0); }

int guest_main(int argc, char** argv) {
    (void)argv;
    enum { SYS_tkill = 200, SIGUSR1 = 10 };
    if (on_signal(SIGUSR1, on_user_signal) != 0) return 1;
    hot(1, 0);
    if (thread_start(&second, call_hot, (void*)5) < 0) return 1;
    if (argc > 1) syscall3(SYS_tkill, (u64)second.tid, SIGUSR1, 0);
    cold(0, &nine);
    from_cold = cold(0, &nine);
    thread_join(&second);
    put_number(from_hot);
    put_number(from_cold);
    return 0;
}
