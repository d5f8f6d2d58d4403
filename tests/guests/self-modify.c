// Writes a function into a page that is writable and executable, runs it,
// rewrites it and runs it again, first whole and then one byte at a time, ten
// times over. Prints "1", "2" and the sum, "55": stale code shows at once.
#include "guest.h"

static u64 run(const volatile u8* code) { return ((u64(*)(void))(u64)code)(); }

// mov $value, %eax; ret
static void write_function(volatile u8* code, u8 value) {
    const u8 bytes[] = {0xb8, value, 0, 0, 0, 0xc3};
    for (u32 i = 0; i < sizeof bytes; ++i) code[i] = bytes[i];
}

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    const long page =
        syscall6(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (u64)-1, 0);
    if (page < 0) return 1;
    volatile u8* code = (volatile u8*)page;
    write_function(code, 1);
    put_number(run(code));
    write_function(code, 2);
    put_number(run(code));
    u64 sum = 0;
    for (u8 value = 1; value <= 10; ++value) {
        code[1] = value;
        sum += run(code);
    }
    put_number(sum);
    return sum != 55;
}
