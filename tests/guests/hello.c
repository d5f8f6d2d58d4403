// Prints one line with its arguments counted: built statically, dynamically and
// with musl, for start-up by each kind of loader.
#include <stdio.h>

int main(int argc, char** argv) {
    (void)argv;
    printf("hello, world (%d)\n", argc);
    return 0;
}
