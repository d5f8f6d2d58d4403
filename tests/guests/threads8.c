// Eight pthreads add to one counter under a mutex, each through `work`, which
// is called exactly once per thread, and `add`, 1000 times per thread or as
// often as the argument says. Prints the counter, "8000".
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8 };
static int rounds = 1000;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;

__attribute__((noinline)) void add(long amount) {
    pthread_mutex_lock(&lock);
    counter += amount;
    pthread_mutex_unlock(&lock);
}

__attribute__((noinline)) void* work(void* argument) {
    for (int i = 0; i < rounds; ++i) add(1);
    return argument;
}

int main(int argc, char** argv) {
    if (argc > 1) rounds = atoi(argv[1]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) return 1;
    for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
    printf("%ld\n", counter);
    return counter != THREADS * rounds;
}
