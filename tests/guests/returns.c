// What functions do besides returning to where they were called: argv[1] chooses. A return probe on `leaf`, `jumper`,
// `tail1`, `tail2` or `deep` sees it, and must not change what is printed: one number for each mode.
#include "guest.h"

// u64 deep(u64 n): n nested calls of itself, n + 1 returns.
// u64 leaf(u64 x): x + 1.
// u64 tail1(u64 x), tail2(u64 x): the first ends in a jump to the second; x + 1.
// u64 return_address(void): the word that its ret will take.
// u64 save(u64 *): remembers the caller's stack and place and returns 0, or 1 when `jump` has come there.
// void jump(u64 *): goes where `save` returned.
// u64 on_stack(u64 x, u64 *top): leaf(x), called on another stack.
// void swap(u64 *save, u64 *load): saves this context and goes on with the other (stack pointer only).
u64 deep(u64 n);
u64 leaf(u64 x);
u64 tail1(u64 x);
u64 tail2(u64 x);
u64 return_address(void);
u64 save(u64* context);
__attribute__((noreturn)) void jump(u64* context);
void swap(u64* from, const u64* to);
__asm__(".text\n"
        ".macro function name\n"
        ".balign 16\n"
        ".global \\name\n"
        ".type \\name, @function\n"
        "\\name:\n"
        ".endm\n"
        "function leaf\n"
        "    lea 1(%rdi), %rax\n"
        "    ret\n"
        "function deep\n"
        "    mov %rdi, %rax\n"
        "    test %rdi, %rdi\n"
        "    jz 1f\n"
        "    dec %rdi\n"
        "    call deep\n"
        "    inc %rax\n"
        "1:  ret\n"
        "function tail1\n"
        "    mov %rdi, %rax\n"
        "    jmp tail2\n"
        "function tail2\n"
        "    lea 1(%rdi), %rax\n"
        "    ret\n"
        "function return_address\n"
        "    mov (%rsp), %rax\n"
        "    ret\n"
        "function save\n"
        "    mov (%rsp), %rax\n"
        "    mov %rax, (%rdi)\n"
        "    lea 8(%rsp), %rax\n"
        "    mov %rax, 8(%rdi)\n"
        "    mov %rbp, 16(%rdi)\n"
        "    mov %rbx, 24(%rdi)\n"
        "    xor %eax, %eax\n"
        "    ret\n"
        "function jump\n"
        "    mov 8(%rdi), %rsp\n"
        "    mov 16(%rdi), %rbp\n"
        "    mov 24(%rdi), %rbx\n"
        "    mov $1, %eax\n"
        "    jmp *(%rdi)\n"
        "function swap\n"
        "    push %rbp\n"
        "    push %rbx\n"
        "    push %r12\n"
        "    mov %rsp, (%rdi)\n"
        "    mov (%rsi), %rsp\n"
        "    pop %r12\n"
        "    pop %rbx\n"
        "    pop %rbp\n"
        "    ret\n");

static u64 context[4];

// Leaves by longjmp when told to, from `levels` calls further down.
u64 jumper(u64 leave);
__attribute__((noinline, noclone)) u64 jumper(u64 leave) {
    __asm__ volatile("" : "+r"(leave));
    if (leave) jump(context);
    return 5;
}
// It looks endless to the compiler, which knows that `jump` does not return.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winfinite-recursion"
u64 down(u64 levels);
__attribute__((noinline, noclone)) u64 down(u64 levels) {
    if (levels == 1) jump(context);
    const u64 result = down(levels - 1);
    __asm__ volatile("");
    return result + 1;
}
#pragma GCC diagnostic pop

// Two coroutines, each in a call of `half` while the other runs.
static u64 stacks[2][1024] __attribute__((aligned(16)));
static u64 main_sp, coroutine_sp[2];
static u64 order[8];
static u32 events;
u64 half(u64 which);
__attribute__((noinline, noclone)) u64 half(u64 which) {
    order[events++] = which;
    swap(&coroutine_sp[which], &main_sp);
    order[events++] = which + 2;
    return which;
}
static void body(u64 which) {
    half(which);
    swap(&coroutine_sp[which], &main_sp);
}
static void first_body(void) { body(0); }
static void second_body(void) { body(1); }
static void make(u32 which, void (*function)(void)) {
    u64* sp = &stacks[which][1020];
    *--sp = 0;
    *--sp = (u64)function;
    sp -= 3; // rbp, rbx, r12
    coroutine_sp[which] = (u64)sp;
}
static void resume(u32 which) { swap(&main_sp, &coroutine_sp[which]); }

// A coroutine that another thread takes over in the middle of `half`.
static struct thread second;
static void take_over(void* argument) {
    (void)argument;
    resume(0);
}

// A signal in the middle of `interrupted`, whose handler has a stack of its own and calls `leaf` there.
enum { SYS_sigaltstack = 131, SYS_gettid = 186, SYS_tkill = 200, SIGUSR1 = 10, SA_ONSTACK = 0x08000000 };
static u64 first_thread, sends_to_itself;
static volatile u64 handled, went_on;
static void send(void* argument) {
    (void)argument;
    syscall3(SYS_tkill, first_thread, SIGUSR1, 0);
}
static void on_usr1(int number, void* info, void* ucontext) {
    (void)number, (void)info, (void)ucontext;
    handled += leaf(0);
}
u64 interrupted(u64 x);
__attribute__((noinline, noclone)) u64 interrupted(u64 x) {
    if (sends_to_itself) send(0);
    __asm__ volatile("" : "+r"(x));
    return x + 1;
}
static void third_body(void) {
    went_on = interrupted(2);
    swap(&coroutine_sp[0], &main_sp);
}
static void fourth_body(void) {
    went_on = interrupted(2);
    swap(&coroutine_sp[1], &main_sp);
}
// On stack number `on`; the handler is on the other one.
static void run_interrupted(u32 on) {
    const struct {
        u64* base;
        u64 flags, size;
    } stack = {stacks[1 - on], 0, sizeof stacks[0]};
    const struct {
        signal_handler handler;
        u64 flags;
        void (*restorer)(void);
        u64 mask;
    } action = {on_usr1, SA_SIGINFO | SA_RESTORER | SA_ONSTACK, guest_restorer, 0};
    first_thread = (u64)syscall3(SYS_gettid, 0, 0, 0);
    syscall3(SYS_sigaltstack, (u64)&stack, 0, 0);
    syscall6(SYS_rt_sigaction, SIGUSR1, (u64)&action, 0, sizeof action.mask, 0, 0);
    make(on, on ? fourth_body : third_body);
    if (!sends_to_itself) thread_start(&second, send, 0);
    resume(on);
    if (!sends_to_itself) thread_join(&second);
}

u64 forks(void);
__attribute__((noinline, noclone)) u64 forks(void) { return (u64)syscall3(SYS_fork, 0, 0, 0); }

static int is(const char* a, const char* b) {
    while (*a && *a == *b) ++a, ++b;
    return *a == *b;
}

int guest_main(int argc, char** argv) {
    if (argc < 2) return 2;
    const char* mode = argv[1];
    const u64 n = argc > 2 ? parse_number(argv[2]) : 1;
    u64 result = 0;
    if (is(mode, "leaf")) {
        for (u64 i = 0; i < n; ++i) result += leaf(i);
    } else if (is(mode, "deep")) {
        result = deep(n - 1) + 1;
    } else if (is(mode, "tail")) {
        for (u64 i = 0; i < n; ++i) result += tail1(i);
    } else if (is(mode, "jump")) { // n times out of `jumper`, then one return
        volatile u64 left = n;
        if (save(context)) --left;
        if (left) jumper(1);
        result = jumper(0);
    } else if (is(mode, "down")) { // out of n calls of `down`, then ten leaves
        if (!save(context)) down(n);
        for (u64 i = 0; i < 10; ++i) result += leaf(i);
    } else if (is(mode, "stacks") || is(mode, "stacks-down")) { // the second stack above the first, or below
        const u32 low = mode[6] == '-';
        make(0, first_body);
        make(1, second_body);
        resume(low), resume(1 - low), resume(low), resume(1 - low);
        for (u32 i = 0; i < events; ++i) result = result * 10 + order[i] + 1;
    } else if (is(mode, "migrate")) {
        make(0, first_body);
        resume(0);
        if (thread_start(&second, take_over, 0) < 0) return 1;
        thread_join(&second);
        result = order[1] + 1;
    } else if (is(mode, "signal-above") || is(mode, "signal-below")) { // the handler's stack, seen from the other
        sends_to_itself = 1;
        run_interrupted(mode[7] == 'b');
        result = went_on * 10 + handled;
    } else if (is(mode, "signal-any-time")) { // above, and another thread sends it
        run_interrupted(0);
        result = went_on;
    } else if (is(mode, "fork")) {
        const u64 pid = forks();
        if (pid == 0) return (int)leaf(6);
        int status = -1;
        syscall6(SYS_wait4, pid, (u64)&status, 0, 0, 0, 0);
        result = (u64)(u32)status >> 8;
    } else if (is(mode, "address")) {
        const u64 address = return_address();
        result = address - (u64)guest_main < 4096;
    } else if (is(mode, "direct")) {
        return (int)syscall3(335, 0, 0, 0);
    } else {
        return 2;
    }
    put_number(result);
    return 0;
}
