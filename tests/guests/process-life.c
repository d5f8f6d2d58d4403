// What a probe meets in the life of a process: forks, threads, other mappings of the text, the program's own changes
// to it, what it can do to the mappings of uprobes. One mode each, and what the program sees is printed. The
// conformance tests probe `stepped`, `emulated`, `nop5` and others below and ask the live kernel the same.
//
//     process-life MODE [FUNCTION] [N]
//
// `ask` is where a test may register and unregister: it yields, writes a byte to standard input and reads one.
#include "report.h"

enum { SYS_lseek = 8, SYS_mremap = 25, SYS_madvise = 28, SYS_getpid = 39, SYS_vfork = 58, SYS_kill = 62 };
enum { MAP_SHARED = 1, MAP_FIXED = 0x10, SIGILL = 4, SIGBUS = 7, SIGUSR1 = 10, SIGCHLD = 17, CLONE_VM = 0x100 };

// Every function returns its argument + 1. `outer` calls ask(), so a test can come while it is open; `tail` ends in a
// jump to `emulated`.
typedef u64 function(u64);
u64 stepped(u64), emulated(u64), nop5(u64), pushes(u64), calls(u64), tail(u64), outer(u64), red_zone(u64),
    own_int3(u64), faults(u64);
u64 behind_call(void);
void ask(void);
__asm__(".text\n.balign 4096\n"
        "stepped:  lea 1(%rdi), %rax\n    ret\n.balign 16\n"
        "emulated: nop\n    lea 1(%rdi), %rax\n    ret\n.balign 16\n"
        "nop5:     .byte 0x0f, 0x1f, 0x44, 0, 0\n    lea 1(%rdi), %rax\n    ret\n.balign 16\n"
        "pushes:   push %rbp\n    lea 1(%rdi), %rax\n    pop %rbp\n    ret\n.balign 16\n"
        "calls:    call emulated\n    ret\n.balign 16\n"
        "tail:     jmp emulated\n.balign 16\n"
        "outer:    push %rdi\n    call ask\n    pop %rax\n    inc %rax\n    ret\n.balign 16\n"
        "own_int3: int3\n    lea 1(%rdi), %rax\n    ret\n.balign 16\n"
        "faults:   mov (%rdi), %rax\n    ret\n.balign 16\n"
        // Four words of the red zone, the call of a probe between.
        "red_zone: mov %rdi, -8(%rsp)\n    mov %rdi, -16(%rsp)\n    mov %rdi, -24(%rsp)\n    mov %rdi, -32(%rsp)\n"
        "red_nop:  .byte 0x0f, 0x1f, 0x44, 0, 0\n"
        "    xor %eax, %eax\n    cmp %rdi, -8(%rsp)\n    setne %al\n    cmp %rdi, -16(%rsp)\n    setne %cl\n"
        "    add %cl, %al\n    cmp %rdi, -24(%rsp)\n    setne %cl\n    add %cl, %al\n    cmp %rdi, -32(%rsp)\n"
        "    setne %cl\n    add %cl, %al\n    ret\n.balign 16\n"
        // A system call leaves in RCX where it returns to.
        "behind_call: mov $39, %eax\n"
        "probed_call: syscall\n    nop\n    mov %rcx, %rax\n    ret\n"
        ".balign 4096\n"
        ".global behind_call, probed_call, stepped, emulated, nop5, pushes, calls, tail, outer, red_zone, red_nop, own_int3, faults\n");
#define TEXT_PAGE ((u64)stepped)

static const struct {
    const char* name;
    function* call;
} functions[] = {{"stepped", stepped}, {"emulated", emulated}, {"nop5", nop5},   {"pushes", pushes},
                 {"calls", calls},     {"tail", tail},         {"outer", outer}, {"red_zone", red_zone},
                 {"faults", faults},   {"own_int3", own_int3}};
static function* chosen = stepped;

static void value(u64 v) {
    const struct place places[] = {{"text", TEXT_PAGE, 4096}};
    if (value_in(places, 1, v)) return;
    if (v - 0x400000 < 0x100000) return text("the program"); // where exactly is the compiler's business
    hex(v, 1);
}
static void say(const char* what, u64 v) {
    text(what);
    text(" ");
    value(v);
    text("\n");
}
static void result(const char* what, long v) {
    text(what);
    text(v < 0 ? " -" : " ");
    value((u64)(v < 0 ? -v : v));
    text("\n");
}

static void on_any(int number, void* info, void* context) {
    u64* rip = context_register(context, CONTEXT_RIP);
    text("signal ");
    hex((u64)number, 1);
    text(" code ");
    hex(((u32*)info)[2], 1);
    if (((int*)info)[2] > 0 && ((int*)info)[2] != 0x80) {
        text(" addr ");
        value(fault_address(info));
    }
    say(" at", *rip);
    flush();
    if (number == SIGTRAP || number == SIGUSR1) return;
    syscall3(SYS_exit_group, 97, 0, 0); // what faults would fault again
}
static void handle_signals(void) {
    on_signal(SIGILL, on_any);
    on_signal(SIGTRAP, on_any);
    on_signal(SIGBUS, on_any);
    on_signal(SIGUSR1, on_any);
    on_signal(SIGSEGV, on_any);
}

void ask(void) {
    char byte = '?';
    flush();
    syscall3(SYS_sched_yield, 0, 0, 0);
    syscall3(SYS_write, 0, (u64)&byte, 1);
    syscall3(SYS_read, 0, (u64)&byte, 1);
}

static void call(void) { say("call", chosen(1)); }
static void bytes(void) { show_text((const u8*)chosen, 5); }
static void end_child(void) {
    flush();
    syscall3(SYS_exit_group, 7, 0, 0);
}
static void wait_for(long pid) {
    u32 status = 0;
    flush();
    syscall6(SYS_wait4, (u64)pid, (u64)&status, 0x40000000 /* __WALL */, 0, 0, 0);
    say("child ended", status);
}

static u64 own_file(void) { return (u64)syscall3(SYS_open, (u64) "/proc/self/exe", 0, 0); }
// Another mapping of the page of functions, and where `chosen` is in it.
static u64 map_text(u64 prot, u64 flags) {
    extern const u8 __ehdr_start[];
    const u64 fd = own_file();
    const long at = syscall6(SYS_mmap, 0, 4096, prot, flags, fd, TEXT_PAGE - (u64)__ehdr_start);
    syscall3(SYS_close, fd, 0, 0);
    if (at < 0) result("mmap", at);
    return (u64)at;
}
static u64 there(u64 page) { return page + ((u64)chosen - TEXT_PAGE); }
static u64 prot_of(const char* t) {
    u64 prot = 0;
    for (; *t; ++t) prot |= *t == 'r' ? PROT_READ : *t == 'w' ? PROT_WRITE : *t == 'x' ? PROT_EXEC : 0;
    return prot;
}

// --- modes; `a` is the second argument or "" -------------------------------------------------------------------------

// N rounds of: what stands there, a call, what is mapped.
static void rounds(const char* a) {
    for (u64 n = parse_number(a) + !*a; n--;) {
        bytes();
        call();
        show_maps();
    }
    bytes();
}
// N times: a question, what stands there, a call.
static void asks(const char* a) {
    for (u64 n = parse_number(a); n--;) {
        ask();
        bytes();
        call();
    }
}
// N times: a question, and what the counters say that tell a program who probes it.
volatile unsigned short semaphores[2] __attribute__((section(".data"))) = {0, 0};
static void counts(const char* a) {
    for (u64 n = parse_number(a); n--;) {
        say("semaphore", semaphores[0]);
        say("semaphore", semaphores[1]);
        call();
        ask();
    }
    flush();
    const long child = syscall3(SYS_fork, 0, 0, 0);
    if (child == 0) {
        say("semaphore of the child", semaphores[0]);
        end_child();
    }
    wait_for(child);
    say("semaphore", semaphores[0]);
}
// What a probe changes where nothing is executed: the start of the file, constants, variables.
const volatile u8 constants[4] __attribute__((aligned(16))) = {0x90, 0x90, 0x90, 0x90};
volatile u8 variables[4] __attribute__((aligned(16))) = {0x90, 0x90, 0x90, 0x90};
static void looks(const char* a) {
    extern const u8 __ehdr_start[];
    (void)a;
    show_text(__ehdr_start, 4);
    show_text((const u8*)constants, 4);
    show_text((const u8*)variables, 4);
    call();
}
static void forks(const char* a) {
    if (*a != '0') call();
    flush();
    const long child = syscall3(SYS_fork, 0, 0, 0);
    if (child == 0) {
        bytes();
        show_maps();
        call();
        bytes();
        show_maps();
        end_child();
    }
    wait_for(child);
    call();
    bytes();
}
// The child never calls it; something happens to the probe meanwhile.
static void forks_and_asks(const char* a) {
    (void)a;
    call();
    flush();
    const long child = syscall3(SYS_fork, 0, 0, 0);
    if (child == 0) {
        ask();
        bytes();
        end_child();
    }
    wait_for(child);
    bytes();
}
static void vforks(const char* a) {
    (void)a;
    flush();
    const long child = syscall3(SYS_vfork, 0, 0, 0);
    if (child == 0) {
        call();
        bytes();
        end_child();
    }
    wait_for(child);
    call();
}
static void in_thread(void* argument) {
    (void)argument;
    call();
}
static void threads(const char* a) {
    static struct thread t;
    for (u64 n = parse_number(a) + !*a; n--;) {
        thread_start(&t, in_thread, 0);
        thread_join(&t);
    }
    call();
    show_maps();
}
// argv[3] threads at once, argv[4] calls each; none of them prints.
enum { MOST_THREADS = 100 };
static struct thread crowd_threads[MOST_THREADS];
static u64 crowd_rounds, crowd_sum;
static void in_crowd(void* argument) {
    (void)argument;
    for (u64 i = 0; i < crowd_rounds; ++i) __atomic_fetch_add(&crowd_sum, chosen(1) - 1, __ATOMIC_RELAXED);
}
static char** arguments;
static void crowd(const char* a) {
    const u64 count = parse_number(a);
    crowd_rounds = parse_number(arguments[4]);
    for (u64 i = 0; i < count && i < MOST_THREADS; ++i) thread_start(&crowd_threads[i], in_crowd, 0);
    for (u64 i = 0; i < count && i < MOST_THREADS; ++i) thread_join(&crowd_threads[i]);
    say("calls", crowd_sum);
}
// Threads come and go, and the last one dies of a fault that nobody handles.
static void in_dying(void* argument) {
    (void)argument;
    static const struct {
        u64 handler, flags, restorer, mask;
    } by_default = {0, 0, 0, 0};
    syscall6(SYS_rt_sigaction, SIGSEGV, (u64)&by_default, 0, sizeof by_default.mask, 0, 0);
    *(volatile u8*)16 = 0;
}
static void dies(const char* a) {
    static struct thread last;
    crowd(a);
    flush();
    thread_start(&last, in_dying, 0);
    thread_join(&last);
}
static void shares_memory(const char* a) {
    static u8 stack[16384] __attribute__((aligned(16)));
    static volatile int tid;
    u64* top = (u64*)(stack + sizeof stack) - 2;
    (void)a;
    top[0] = (u64)in_thread;
    flush();
    wait_for(guest_clone(CLONE_VM | SIGCHLD, top, &tid, &tid));
    call();
}
static void executes(const char* a) {
    char* again[] = {arguments[0], "rounds", arguments[2], "2", 0};
    char* no_environment[] = {0};
    (void)a;
    call();
    flush();
    syscall3(SYS_execve, (u64) "/proc/self/exe", (u64)again, (u64)no_environment);
}
// A thread that is not the first one executes another program; the others are no more.
static void in_executing(void* argument) { executes(argument); }
static void thread_executes(const char* a) {
    static struct thread t;
    crowd(a);
    flush();
    thread_start(&t, in_executing, "");
    for (;;) syscall3(SYS_sched_yield, 0, 0, 0);
}
static void maps_again(const char* a) {
    const u64 shared = *a == 's';
    const u64 prot = prot_of(a + shared);
    const u64 page = map_text(prot, shared ? MAP_SHARED : MAP_PRIVATE);
    if ((long)page < 0) return;
    if (!(prot & PROT_READ)) result("mprotect", syscall3(SYS_mprotect, page, 4096, prot | PROT_READ));
    show_text((const u8*)there(page), 5);
    if (!(prot & PROT_EXEC)) result("mprotect", syscall3(SYS_mprotect, page, 4096, prot | PROT_READ | PROT_EXEC));
    say("call there", ((function*)there(page))(1));
    show_text((const u8*)there(page), 5);
    result("munmap", syscall3(SYS_munmap, page, 4096, 0));
    call();
}
// Mapped writable, then not, then called.
static void maps_writable_first(const char* a) {
    const u64 page = map_text(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
    if (*a == 'w') *(volatile u8*)(page + 4095) = 1;
    result("mprotect", syscall3(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC));
    show_text((const u8*)there(page), 5);
    say("call there", ((function*)there(page))(1));
}
static void moves(const char* a) {
    u64 page = map_text(PROT_READ | PROT_EXEC, MAP_PRIVATE);
    (void)a;
    show_text((const u8*)there(page), 5);
    const u64 hole = (u64)syscall6(SYS_mmap, 0, 4096, 0, MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0);
    page = (u64)syscall6(SYS_mremap, page, 4096, 4096, 3 /* MAYMOVE | FIXED */, hole, 0);
    say("moved", page == hole);
    show_text((const u8*)there(page), 5);
    say("call there", ((function*)there(page))(1));
}
static void discards(const char* a) {
    (void)a;
    call();
    result("madvise", syscall3(SYS_madvise, TEXT_PAGE, 4096, 4 /* DONTNEED */));
    bytes();
    call();
}
// Makes its text writable and writes to the byte: an int3 of its own, or what the file has.
static void writes(const char* a) {
    volatile u8* at = (volatile u8*)chosen;
    if (*a == 'a') call();
    result("mprotect", syscall3(SYS_mprotect, TEXT_PAGE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    bytes();
    *at = *a == 'n' ? 0x90 : 0xcc;
    bytes();
    ask();
    bytes();
    call();
    ask();
    bytes();
    if (*at != 0xcc) call();
}
static void own_breakpoint(const char* a) {
    (void)a;
    call();
    bytes();
    call();
}
static void reads_itself(const char* a) {
    u8 found[8] = {0};
    (void)a;
    const u64 fd = (u64)syscall3(SYS_open, (u64) "/proc/self/mem", 0, 0);
    syscall3(SYS_lseek, fd, (u64)chosen, 0);
    result("read", syscall3(SYS_read, fd, (u64)found, 5));
    show_text(found, 5);
    const u64 file = own_file();
    syscall3(SYS_lseek, file, (u64)chosen - 0x400000, 0);
    result("read file", syscall3(SYS_read, file, (u64)found, 5));
    show_text(found, 5);
}
static u64 uprobes_area(int trampoline) {
    struct mapping all[4];
    const u32 n = find_mappings(all, 4);
    for (u32 i = 0; i < n; ++i)
        if (all[i].trampoline == trampoline) return all[i].start;
    return 0;
}

// What can be done to the XOL area, the trampoline of nop5, or the page behind all that a program can map.
static void abuses(const char* a) {
    const char what = a[1];
    call();
    call();
    const u64 page = a[0] == 'x' ? 0x7ffffffff000 : uprobes_area(a[0] == 't');
    show_maps();
    if (what == 'r') show_text((const u8*)page + (a[2] == '1' ? 128 : 0), 18);
    if (what == 'p') result("mprotect", syscall3(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    if (what == 'm') result("mremap", syscall6(SYS_mremap, page, 4096, 8192, 1, 0, 0));
    if (what == 'd') result("madvise", syscall3(SYS_madvise, page, 4096, 4));
    if (what == 'f') {
        u8 found[18] = {0};
        const u64 fd = (u64)syscall3(SYS_open, (u64) "/proc/self/mem", 2, 0);
        syscall3(SYS_lseek, fd, page, 0);
        result("read", syscall3(SYS_read, fd, (u64)found, 18));
        syscall3(SYS_lseek, fd, page, 0);
        result("write", syscall3(SYS_write, fd, (u64)found, 18));
    }
    if (what == 'u' || what == 'o') result("munmap", syscall3(SYS_munmap, page, 4096, 0));
    if (what == 'o') // a page of nops of its own in its place
        for (u8 *p = (u8*)syscall6(SYS_mmap, page, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ul, 0), *q = p;
             q < p + 4096;)
            *q++ = 0x90;
    if (what == 'j') ((void (*)(void))(page + parse_number(a + 2)))();
    flush();
    show_maps();
    call();
    bytes();
    show_maps();
}
// The system calls of the trampolines, from where they do not belong.
static void trampoline_call(const char* a) {
    call();
    result("system call", syscall3((long)parse_number(a), 0, 0, 0));
    call();
}
static void shows_call(const char* a) {
    (void)a;
    say("rcx", behind_call());
}
static void signals_itself(const char* a) {
    (void)a;
    syscall3(SYS_kill, (u64)syscall3(SYS_getpid, 0, 0, 0), SIGUSR1, 0);
    call();
}
// A question while the function is open; and again after a call that began without a probe.
static void open_call(const char* a) {
    (void)a;
    say("outer", outer(1));
    ask();
    say("outer", outer(1));
    show_maps();
}
static void bad_pointer(const char* a) {
    chosen = faults;
    say("faults", faults(a[0] ? TEXT_PAGE : 0x10));
}

static const struct {
    const char* name;
    void (*run)(const char*);
} modes[] = {{"rounds", rounds},
             {"asks", asks},
             {"forks", forks},
             {"forks-and-asks", forks_and_asks},
             {"vforks", vforks},
             {"threads", threads},
             {"looks", looks},
             {"counts", counts},
             {"crowd", crowd},
             {"dies", dies},
             {"thread-executes", thread_executes},
             {"shares-memory", shares_memory},
             {"executes", executes},
             {"maps-again", maps_again},
             {"maps-writable-first", maps_writable_first},
             {"moves", moves},
             {"discards", discards},
             {"writes", writes},
             {"own-breakpoint", own_breakpoint},
             {"reads-itself", reads_itself},
             {"abuses", abuses},
             {"trampoline-call", trampoline_call},
             {"shows-call", shows_call},
             {"signals-itself", signals_itself},
             {"open-call", open_call},
             {"bad-pointer", bad_pointer}};

int guest_main(int argc, char** argv) {
    arguments = argv;
    handle_signals();
    for (u32 i = 0; argc > 2 && i < sizeof functions / sizeof functions[0]; ++i) {
        const char* given = argv[2];
        if (skip(&given, functions[i].name) && *given == 0) chosen = functions[i].call;
    }
    for (u32 i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; ++i) {
        const char* given = argv[1];
        if (!skip(&given, modes[i].name) || *given != 0) continue;
        modes[i].run(argc > 3 ? argv[3] : "");
        flush();
        return 0;
    }
    return 98;
}
