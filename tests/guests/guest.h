// What a freestanding guest needs: an entry point, raw system calls, threads
// and numbers in decimal. The guests have no libc, so that every instruction
// they execute is in their own source and their contents do not depend on the
// machine that built them. A guest includes this once and defines guest_main.
// Read two-threads.c next for the smallest use of it.
#ifndef TRAPLINE_TESTS_GUESTS_GUEST_H
#define TRAPLINE_TESTS_GUESTS_GUEST_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

enum {
    SYS_write = 1,
    SYS_mmap = 9,
    SYS_mprotect = 10,
    SYS_munmap = 11,
    SYS_rt_sigaction = 13,
    SYS_sched_yield = 24,
    SYS_clone = 56,
    SYS_fork = 57,
    SYS_execve = 59,
    SYS_exit = 60,
    SYS_wait4 = 61,
    SYS_futex = 202,
    SYS_exit_group = 231,
};

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 };
enum { SIGTRAP = 5, SIGSEGV = 11, SA_SIGINFO = 4, SA_RESTORER = 0x04000000 };

int guest_main(int argc, char** argv);

// The stack pointer is aligned for the call; the result is the exit code.
__asm__(".text\n"
        ".global _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov (%rsp), %edi\n"
        "    lea 8(%rsp), %rsi\n"
        "    and $-16, %rsp\n"
        "    call guest_main\n"
        "    mov %eax, %edi\n"
        "    mov $231, %eax\n" // exit_group
        "    syscall\n"
        ".size _start, . - _start\n");

static inline long syscall6(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
    register u64 r10 __asm__("r10") = d;
    register u64 r8 __asm__("r8") = e;
    register u64 r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long syscall3(long number, u64 a, u64 b, u64 c) { return syscall6(number, a, b, c, 0, 0, 0); }

static inline void put_text(const char* text) {
    u64 length = 0;
    while (text[length]) ++length;
    syscall3(SYS_write, 1, (u64)text, length);
}

static inline void put_digits(u64 value, u32 base, char end) {
    char digits[24];
    u32 at = sizeof digits;
    digits[--at] = end;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    syscall3(SYS_write, 1, (u64)(digits + at), sizeof digits - at);
}

// One number and a newline, in one write.
static inline void put_number(u64 value) { put_digits(value, 10, '\n'); }
static inline void put_hex(u64 value) { put_digits(value, 16, '\n'); }

static inline u64 parse_number(const char* text) {
    u64 value = 0;
    for (; *text >= '0' && *text <= '9'; ++text) value = value * 10 + (u64)(*text - '0');
    return value;
}

// A thread and its stack. The kernel clears `tid` and wakes the futex on it
// when the thread has ended, which is all that joining needs.
struct thread {
    volatile int tid;
    u8 stack[16384] __attribute__((aligned(16)));
};

// long guest_clone(flags, stack top, &tid for the parent, &tid to clear): the
// child pops its function and its argument from the new stack.
long guest_clone(u64 flags, void* stack, volatile int* parent_tid, volatile int* child_tid);
__asm__(".text\n"
        ".global guest_clone\n"
        ".type guest_clone, @function\n"
        "guest_clone:\n"
        "    mov %rcx, %r10\n"
        "    xor %r8d, %r8d\n"
        "    mov $56, %eax\n" // clone
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:  xor %ebp, %ebp\n"
        "    pop %rax\n"
        "    pop %rdi\n"
        "    call *%rax\n"
        "    xor %edi, %edi\n"
        "    mov $60, %eax\n" // exit: this thread only
        "    syscall\n"
        ".size guest_clone, . - guest_clone\n");

static inline long thread_start(struct thread* thread, void (*function)(void*), void* argument) {
    // VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID
    const u64 flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x100000 | 0x200000;
    u64* top = (u64*)(thread->stack + sizeof thread->stack) - 2;
    top[0] = (u64)function;
    top[1] = (u64)argument;
    return guest_clone(flags, top, &thread->tid, &thread->tid);
}

static inline void thread_join(struct thread* thread) {
    int tid;
    while ((tid = thread->tid) != 0) syscall6(SYS_futex, (u64)&thread->tid, 0 /* FUTEX_WAIT */, (u64)tid, 0, 0, 0);
}

// Signal handlers. The kernel insists on a restorer of the program's own.
typedef void (*signal_handler)(int number, void* info, void* context);

void guest_restorer(void);
__asm__(".text\n"
        ".global guest_restorer\n"
        ".type guest_restorer, @function\n"
        "guest_restorer:\n"
        "    mov $15, %eax\n" // rt_sigreturn
        "    syscall\n"
        ".size guest_restorer, . - guest_restorer\n");

static inline long on_signal(int number, signal_handler handler) {
    const struct {
        signal_handler handler;
        u64 flags;
        void (*restorer)(void);
        u64 mask;
    } action = {handler, SA_SIGINFO | SA_RESTORER, guest_restorer, 0};
    return syscall6(SYS_rt_sigaction, (u64)number, (u64)&action, 0, sizeof action.mask, 0, 0);
}

// Where the registers are in the context of a signal: after uc_flags, uc_link
// and the 24 bytes of uc_stack, in the order of <asm/sigcontext.h>.
enum { CONTEXT_RDI = 8, CONTEXT_RIP = 16 };
static inline u64* context_register(void* context, int index) { return (u64*)((u8*)context + 40) + index; }

// The address of a fault: si_addr follows signo, errno, code and padding.
static inline u64 fault_address(void* info) { return *(u64*)((u8*)info + 16); }

// u64 hot(void *): counts one call in `calls` and returns its argument. Its first
// instruction is three bytes and has no effect outside rax, so that a probe on
// `hot` and a place `hot+3` mean the same for every strategy.
#define GUEST_DEFINES_HOT                                                                                              \
    u64 calls;                                                                                                         \
    u64 hot(void* argument);                                                                                           \
    __asm__(".text\n"                                                                                                  \
            ".balign 16\n"                                                                                             \
            ".global hot\n"                                                                                            \
            ".type hot, @function\n"                                                                                   \
            "hot:\n"                                                                                                   \
            "    mov %rdi, %rax\n"                                                                                     \
            "    lock incq calls(%rip)\n"                                                                              \
            "    ret\n"                                                                                                \
            ".size hot, . - hot\n");

#endif
