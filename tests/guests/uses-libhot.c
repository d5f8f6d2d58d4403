// Calls lib_hot from libhot.so as often as the first argument says (default 3)
// and prints how often that was.
#include <stdio.h>
#include <stdlib.h>

long lib_hot(void);

int main(int argc, char** argv) {
    const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 3;
    long calls = 0;
    for (long i = 0; i < count; ++i) calls = lib_hot();
    printf("%ld\n", calls);
    return calls != count;
}
