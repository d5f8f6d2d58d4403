// Calls `gone`, which has a page of text to itself, unmaps that page, and maps
// an anonymous page in its place: a probe on `gone` loses its place while the
// program lives. Prints "7", the result of the call, and "0" from the new page.
#include "gone.h"

int guest_main(int argc, char** argv) {
    (void)argc, (void)argv;
    put_number(gone());
    if (syscall3(SYS_munmap, (u64)gone, 4096, 0) != 0) return 1;
    const long page = syscall6(SYS_mmap, (u64)gone, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, (u64)-1, 0);
    if (page != (long)gone) return 1;
    put_number(*(const volatile u8*)page);
    return 0;
}
