// Prints which variant of each of libc's functions was chosen for this processor, as an offset into libc: two runs that
// print the same run the same code.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

static const char* const names[] = {"memcpy",  "memmove", "memset",   "memchr",  "memcmp",     "memrchr",     "rawmemchr", "strlen",
                                    "strnlen", "strchr",  "strrchr",  "strcpy",  "strncpy",    "stpcpy",      "strcat",    "strcmp",
                                    "strncmp", "strstr",  "strspn",   "strcspn", "strcasecmp", "strncasecmp", "strpbrk",   "wcslen",
                                    "wmemset", "wmemchr", "wmemcmp",  "wcschr",  "mempcpy",    "strchrnul",   "wcsnlen",   "time",
                                    "malloc",  "gettimeofday"};

int main(void) {
    for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) {
        void* const function = dlsym(RTLD_DEFAULT, names[i]);
        Dl_info where;
        if (!function || !dladdr(function, &where)) continue;
        printf("%s %s+%#lx\n", names[i], where.dli_fname, (unsigned long)((char*)function - (char*)where.dli_fbase));
    }
}
