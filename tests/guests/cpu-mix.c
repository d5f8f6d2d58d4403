// Work for the CPU alone, without system calls until the end: a heap sort, table
// look-ups, a byte loop and indirect calls. Prints a checksum. The machine and
// the bare engine run the same file, so that the benchmark's ratio is between
// two ways to run one code. The argument is the number of rounds (default 8).
#include "guest.h"

enum { COUNT = 1 << 14 };
static u32 numbers[COUNT];
static u8 bytes[1 << 16];
static u32 state = 12345;

static u32 draw(void) { return state = state * 1103515245u + 12345u; }

static void sift(u32* heap, u32 at, u32 count) {
    for (;;) {
        u32 child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && heap[child] < heap[child + 1]) ++child;
        if (heap[at] >= heap[child]) return;
        u32 t = heap[at];
        heap[at] = heap[child];
        heap[child] = t;
        at = child;
    }
}

static void heap_sort(u32* heap, u32 count) {
    for (u32 i = count / 2; i-- > 0;) sift(heap, i, count);
    for (u32 end = count; end-- > 1;) {
        u32 t = heap[0];
        heap[0] = heap[end];
        heap[end] = t;
        sift(heap, 0, end);
    }
}

static u32 add(u32 a, u32 b) { return a + b; }
static u32 xor(u32 a, u32 b) { return a ^ b; }
static u32 turn(u32 a, u32 b) { return (a << 5 | a >> 27) + b; }
static u32 (*const volatile operations[4])(u32, u32) = {add, xor, turn, add};

// Never called: where a benchmark puts probes that must cost nothing.
void unused(void);
__asm__(".text\n"
        ".global unused\n"
        ".type unused, @function\n"
        "unused: nop; nop; nop; nop; nop; nop; nop; nop; ret\n"
        ".size unused, . - unused\n");

int guest_main(int argc, char** argv) {
    const u64 rounds = argc > 1 ? parse_number(argv[1]) : 8;
    u32 sum = 0;
    for (u64 r = 0; r < rounds; ++r) {
        for (u32 i = 0; i < COUNT; ++i) numbers[i] = draw();
        heap_sort(numbers, COUNT);
        for (u32 i = 0; i < sizeof bytes; ++i) bytes[i] = (u8)(bytes[i] * 31 + numbers[i & (COUNT - 1)]);
        for (u32 i = 0; i < 4 * COUNT; ++i) sum = operations[i & 3](sum, bytes[numbers[i & (COUNT - 1)] & 0xffff]);
    }
    put_number(sum);
    return 0;
}
