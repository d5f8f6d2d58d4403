// A program that looks for probes. It runs probed instructions and says what it finds different from an unprobed run,
// one line for each thing that it can look at:
//
//   text    its own instructions at the probe points, after they have run
//   maps    mappings that it did not make
//   stack   the 512 bytes below the stack pointer, over a probed instruction that does not touch them
//   call    the return address that a probed call has pushed
//   flags   what a probed pushf stores
//   fault   where the context of a SIGSEGV handler says that a probed load has faulted
//   rip     the address that a probed lea computes from RIP
//
// "as it was" is all that an unprobed program prints. Probe points: plain, calls, stores_flags, faults, and the lea.
#include "maps.h"

enum { LOOKED_AT = 512 };

// look_below(stack bytes that changed) and the others: one probed instruction each, at its own label.
u64 look_below(void);
u64 look_call(void);
u64 look_flags(void);
u64 look_rip(void);
void look_fault(const volatile u8* where);
extern const u8 plain[], calls[], behind_calls[], stores_flags[], faults[], behind_faults[], computes[],
    behind_computes[];
__asm__(".text\n"
        ".balign 16\n"
        ".type look_below, @function\n"
        "look_below:\n"
        "    lea -8(%rsp), %rdi\n"
        "    mov $64, %ecx\n"
        "    mov $0x5a5a5a5a5a5a5a5a, %rax\n"
        "    std\n"
        "    rep stosq\n"
        "    cld\n"
        ".global plain\n"
        "plain:\n"
        "    .byte 0x0f, 0x1f, 0x44, 0, 0\n" // nopl
        "    lea -8(%rsp), %rdi\n"
        "    mov $64, %ecx\n"
        "    xor %edx, %edx\n"
        "1:  cmp %rax, (%rdi)\n"
        "    je 2f\n"
        "    inc %edx\n"
        "2:  sub $8, %rdi\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "    mov %edx, %eax\n"
        "    ret\n"
        ".size look_below, . - look_below\n"
        ".type look_call, @function\n"
        "look_call:\n"
        ".global calls\n"
        "calls:\n"
        "    call 3f\n"
        ".global behind_calls\n"
        "behind_calls:\n"
        "    ret\n"
        "3:  mov (%rsp), %rax\n"
        "    ret\n"
        ".size look_call, . - look_call\n"
        ".type look_flags, @function\n"
        "look_flags:\n"
        ".global stores_flags\n"
        "stores_flags:\n"
        "    pushf\n"
        "    pop %rax\n"
        "    ret\n"
        ".size look_flags, . - look_flags\n"
        ".type look_rip, @function\n"
        "look_rip:\n"
        ".global computes\n"
        "computes:\n"
        "    lea 0(%rip), %rax\n"
        ".global behind_computes\n"
        "behind_computes:\n"
        "    ret\n"
        ".size look_rip, . - look_rip\n"
        ".type look_fault, @function\n"
        "look_fault:\n"
        ".global faults\n"
        "faults:\n"
        "    mov (%rdi), %al\n"
        ".global behind_faults\n"
        "behind_faults:\n"
        "    ret\n"
        ".size look_fault, . - look_fault\n");

// The same bytes where no probe point is: of the five instructions, in the order of their labels.
static const struct place {
    const u8* at;
    u8 length, bytes[7];
} places[] = {{plain, 5, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
              {calls, 1, {0xe8}},
              {stores_flags, 1, {0x9c}},
              {computes, 7, {0x48, 0x8d, 0x05, 0, 0, 0, 0}},
              {faults, 2, {0x8a, 0x07}}};

static u64 fault_at;
static void on_fault(int number, void* info, void* context) {
    (void)number, (void)info;
    u64* rip = context_register(context, CONTEXT_RIP);
    fault_at = *rip;
    *rip = (u64)behind_faults;
}

static void say(const char* what, int same, const char* otherwise) {
    put_text(what);
    put_text(same ? "as it was\n" : otherwise);
}

static u64 count_mappings(void) {
    u64 count = 0;
    struct area area = {0, 0, 0};
    for (const char* line = read_maps(); line && *line; line = take_area(line, &area)) count += 1;
    return count;
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    if (on_signal(SIGSEGV, on_fault) != 0) return 1;
    const u64 mappings = count_mappings();
    look_below(); // once to be noticed, and optimised where that is done at the first hit
    const u64 below = look_below();
    const u64 pushed = look_call(), flags = look_flags(), address = look_rip();
    look_fault(0);
    u64 changed = 0;
    for (u64 i = 0; i < sizeof places / sizeof places[0]; ++i)
        for (u64 b = 0; b < places[i].length; ++b)
            if (((const volatile u8*)places[i].at)[b] != places[i].bytes[b]) {
                changed += 1;
                break;
            }
    say("text   ", changed == 0, changed == sizeof places / sizeof places[0] ? "changed\n" : "changed in places\n");
    say("maps   ", count_mappings() == mappings, "a mapping more\n");
    say("stack  ", below == 0, "overwritten\n");
    say("call   ", pushed == (u64)behind_calls, "another return address\n");
    say("flags  ", (flags & 0x100) == 0, "TF\n");
    say("fault  ", fault_at == (u64)faults, "elsewhere\n");
    say("rip    ", address == (u64)behind_computes, "another address\n");
    return 0;
}
