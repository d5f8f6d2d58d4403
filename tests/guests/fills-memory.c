// Takes all address space that there is, then calls `hot`: the class of program that seed 001 says might suffer from
// the XOL VMA, because it needs every single ounce of it. Prints the number of calls, "1", or as many as the argument
// says.
#include "maps.h"

GUEST_DEFINES_HOT

enum { MAP_NORESERVE = 0x4000, MAP_FIXED_NOREPLACE = 0x100000 };
enum { LOWEST = 0x10000 }; // vm.mmap_min_addr
static const u64 end_of_user = 0x7ffffffff000;

static int take(u64 from, u64 to) {
    const u64 flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    return from == to || syscall6(SYS_mmap, from, to - from, 0, flags, (u64)-1, 0) == (long)from;
}

int guest_main(int argc, char** argv) {
    const u64 times = argc > 1 ? parse_number(argv[1]) : 1;
    const char* line = read_maps();
    if (!line) return 1;
    u64 free = LOWEST;
    while (*line) {
        struct area area;
        line = take_area(line, &area);
        if (area.start >= end_of_user) break; // the vsyscall page
        if (!take(free, area.start)) return 1;
        free = area.end;
    }
    if (!take(free, end_of_user)) return 1;
    for (u64 i = 0; i < times; ++i) hot(0);
    put_number(calls);
    return 0;
}
