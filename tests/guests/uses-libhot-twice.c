// Two processes map libhot.so and each call lib_hot three times. The child is
// forked before anything is called, so each counts for itself: prints "child 3",
// then "parent 3", because the parent waits. With an argument, a program, the
// child executes that instead of calling: a mapping of its own, not an inherited one.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

long lib_hot(void);

static int call_three_times(const char* who) {
    long calls = 0;
    for (int i = 0; i < 3; ++i) calls = lib_hot();
    printf("%s %ld\n", who, calls);
    fflush(stdout);
    return calls != 3;
}

int main(int argc, char** argv) {
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0 && argc > 1) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    if (child == 0) _exit(call_three_times("child"));
    int status = -1;
    if (waitpid(child, &status, 0) != child || status != 0) return 1;
    return call_three_times("parent");
}
