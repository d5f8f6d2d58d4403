// Runs the instructions that somebody has written into `code`, two pages of this file, between known registers and
// memory, and prints everything that they changed, and every signal. The conformance tests put the instructions there
// and probe them; what the program prints is what a probe must not, or on some kernel does, change.
//
//     subject [REGISTER=[BASE+]HEX]... [at=HEX] [times=N] [text=HEX:N] [maps=1] [bare=1]
//
// BASE is data, stack or code. `at`: where in `code` to start. `times`: how often. `text`: shows N bytes at code+HEX
// before and after each time. `maps`: shows the mappings of uprobes after each time. `bare`: no signal handlers.
#include "report.h"

enum { SYS_sigaltstack = 131 };
enum { SIGILL = 4, SIGBUS = 7, SIGFPE = 8, SIGUSR1 = 10, SA_ONSTACK = 0x08000000 };
enum { RSP = 4, FLAGS = 16, REGISTERS = 17, STACK_WORDS = 512, TOP = 256, TF = 0x100, SHOWN_SIGNALS = 40 };
static const char* const names[REGISTERS] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",  "r8",
                                             "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "flags"};
// In the order of <asm/sigcontext.h>.
static const char order[] = {8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4};

u64 before[REGISTERS], after[REGISTERS];
extern u64 data[512], enter_at;
extern u8 code[8192], leave[], run_end[];
void run(void);

static u64 stack[STACK_WORDS] __attribute__((aligned(4096)));
static u8 signal_stack[16384];
static u32 signals;

static void value(u64 v) {
    const struct place places[] = {{"code", (u64)code, sizeof code},
                                   {"data", (u64)data, sizeof data},
                                   {"stack", (u64)(stack + TOP), sizeof stack / 2}};
    if (value_in(places, sizeof places / sizeof places[0], v)) return;
    if ((u64)(stack + TOP) - v <= sizeof stack / 2) {
        text("stack-");
        v = (u64)(stack + TOP) - v;
    }
    hex(v, 1);
}

static u64* context_word(void* context, u32 reg) {
    for (int i = 0; i < 16; ++i)
        if (order[i] == (char)reg) return context_register(context, i);
    return context_register(context, 17); // flags
}

static void on_any(int number, void* info, void* context) {
    u64* rip = context_register(context, CONTEXT_RIP);
    const int si_code = ((int*)info)[2];
    // Steps of what is around the instructions are of no interest.
    if (number == SIGTRAP && *rip - (u64)run <= (u64)run_end - (u64)run) return;
    if (++signals > SHOWN_SIGNALS) syscall3(SYS_exit_group, 99, 0, 0);
    text("signal ");
    hex((u64)number, 1);
    text(" code ");
    hex((u32)si_code, 1);
    if (si_code > 0 && si_code != 0x80) {
        text(" addr ");
        value(fault_address(info));
    }
    text(" at ");
    value(*rip);
    if (*context_word(context, FLAGS) & TF) text(" with TF");
    text("\n");
    flush();
    // What faults would fault again: whatever comes next does not run.
    if (number != SIGTRAP && number != SIGUSR1) *rip = (u64)leave;
}

static void handle_signals(void) {
    static const int numbers[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV};
    const struct {
        void* stack;
        u64 flags, size;
    } alternative = {signal_stack, 0, sizeof signal_stack};
    syscall3(SYS_sigaltstack, (u64)&alternative, 0, 0);
    for (u32 i = 0; i < sizeof numbers / sizeof numbers[0]; ++i) {
        const struct {
            signal_handler handler;
            u64 flags;
            void (*restorer)(void);
            u64 mask;
        } action = {on_any, SA_SIGINFO | SA_RESTORER | SA_ONSTACK, guest_restorer, 0};
        syscall6(SYS_rt_sigaction, (u64)numbers[i], (u64)&action, 0, sizeof action.mask, 0, 0);
    }
}

static u64 parse_hex(const char** at) {
    u64 v = 0;
    for (;; ++*at) {
        const char c = **at;
        if (c >= '0' && c <= '9')
            v = v * 16 + (u64)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (u64)(c - 'a' + 10);
        else
            return v;
    }
}
static u64 times = 1, text_at, text_length, maps, bare;
static int option(const char* at) {
    for (u32 i = 0; i < REGISTERS; ++i) {
        const char* v = at;
        if (!skip(&v, names[i]) || !skip(&v, "=")) continue;
        const u64 base = skip(&v, "data+")    ? (u64)data
                         : skip(&v, "stack+") ? (u64)(stack + TOP)
                         : skip(&v, "code+")  ? (u64)code
                                              : 0;
        before[i] = base + parse_hex(&v);
        return *v == 0;
    }
    if (skip(&at, "at=")) {
        enter_at = (u64)code + parse_hex(&at);
    } else if (skip(&at, "times=")) {
        times = parse_hex(&at);
    } else if (skip(&at, "maps=")) {
        maps = parse_hex(&at);
    } else if (skip(&at, "bare=")) {
        bare = parse_hex(&at);
    } else if (skip(&at, "text=")) {
        text_at = parse_hex(&at);
        if (skip(&at, ":")) text_length = parse_hex(&at);
    }
    return *at == 0;
}

static void show_changes(void) {
    for (u32 i = 0; i < REGISTERS; ++i) {
        if (after[i] == before[i]) continue;
        text(names[i]);
        text(" ");
        value(after[i]);
        text("\n");
    }
    for (u32 i = 0; i < 512; ++i) {
        if (data[i] == 0xd0d0000000000000 + i * 8) continue;
        text("data+");
        hex(i * 8, 1);
        text(": ");
        value(data[i]);
        text("\n");
        data[i] = 0xd0d0000000000000 + i * 8;
    }
    for (u32 i = 0; i < STACK_WORDS; ++i) {
        if (stack[i] == i) continue;
        value((u64)(stack + i));
        text(": ");
        value(stack[i]);
        text("\n");
        stack[i] = i;
    }
}

int guest_main(int argc, char** argv) {
    // Register n is 0x0n0n...0n, rax as if it were number 16; the stack pointer is in the middle of `stack`.
    for (u64 i = 1; i < 16; ++i) before[i] = 0x0101010101010101 * i;
    before[0] = 0x1010101010101010;
    before[RSP] = (u64)(stack + TOP);
    before[FLAGS] = 0x202;
    for (u32 i = 0; i < STACK_WORDS; ++i) stack[i] = i;
    for (int i = 1; i < argc; ++i)
        if (!option(argv[i])) return 98;
    if (!bare) handle_signals();
    if (text_length) show_text(code + text_at, text_length);
    for (u64 i = 0; i < times; ++i) {
        run();
        show_changes();
        if (text_length) show_text(code + text_at, text_length);
        if (maps) show_maps();
    }
    flush();
    return 0;
}
