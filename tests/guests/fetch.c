// Calls `seen` with arguments of many kinds, bad pointers among them, so that fetch arguments have something to read.
// The third call's strings and structures are where nothing is mapped.
#include "guest.h"

struct inner {
    u8 bytes[4];
    int number;
    const char* name;
};

struct outer {
    struct inner* inner;
    u32 words[4];
    unsigned low : 3, middle : 7, high : 22;
};

u64 table[3] = {0x1122334455667788, 7, ~0ul};

// u64 seen(long, struct outer *, const char *, long, long, long, long on the stack): its sum of longs
u64 seen(long a, const struct outer* b, const char* c, long d, long e, long f, long g);
__asm__(".text\n"
        ".balign 16\n"
        ".global seen\n"
        ".type seen, @function\n"
        "seen:\n"
        "    lea (%rdi, %rcx), %rax\n"
        "    add %r8, %rax\n"
        "    add %r9, %rax\n"
        "    add 8(%rsp), %rax\n"
        "    ret\n"
        ".size seen, . - seen\n");

static char long_string[5000];

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    struct inner inner = {{1, 2, 254, 255}, -5, "a name"};
    struct outer outer = {&inner, {10, 20, 30, 40}, 5, 100, 3000000};
    for (u32 i = 0; i < sizeof long_string - 1; ++i) long_string[i] = (char)('a' + i % 26);
    u64 sum = seen(-2, &outer, "text with \"quotes\"", 300, 0x7fffffff, -1, 0xabcd);
    outer.inner = (struct inner*)0x10;
    sum += seen('q', &outer, "", 0, 1, 2, 3);
    sum += seen(0, (const struct outer*)0x20, (const char*)0x30, 0, 0, 0, 0);
    sum += seen(1, &outer, long_string, 0, 0, 0, 0);
    put_number(sum);
    return 0;
}
