// Reads /proc/self/maps after a first call of `hot`, as programs do that check or restore themselves, and decides by
// what it finds. Prints "alone" when every mapping is one that it knows (its own file, stack, heap, vdso and the like),
// else the name of the stranger. With the argument "munmap" it unmaps the stranger. Then it calls `hot` again, and
// prints the number of calls, "2".
#include "maps.h"

GUEST_DEFINES_HOT

static int starts(const char* at, const char* with) {
    while (*with)
        if (*at++ != *with++) return 0;
    return 1;
}

static int is_known(const char* name) {
    static const char* const known[] = {"/", "[heap]", "[stack]", "[vdso]", "[vvar", "[vsyscall]", "\n"};
    for (u64 i = 0; i < sizeof known / sizeof known[0]; ++i)
        if (starts(name, known[i])) return 1;
    return 0;
}

int guest_main(int argc, char** argv) {
    hot(0);
    const char* line = read_maps();
    if (!line) return 1;
    struct area area = {0, 0, 0}, stranger = area;
    while (*line) {
        line = take_area(line, &area);
        if (!is_known(area.name)) stranger = area;
    }
    if (!stranger.name) {
        put_text("alone\n");
    } else {
        u64 bytes = 0;
        while (stranger.name[bytes] != '\n') ++bytes;
        syscall3(SYS_write, 1, (u64)stranger.name, bytes + 1);
        if (argc > 1 && starts(argv[1], "munmap") &&
            syscall3(SYS_munmap, stranger.start, stranger.end - stranger.start, 0) != 0)
            return 1;
    }
    hot(0);
    put_number(calls);
    return 0;
}
