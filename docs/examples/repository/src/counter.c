/* The program whose probes are watched: two threads count together. */
#include <pthread.h>
#include <stdio.h>

static long total;

/*
 * The probe point. Not inlined, so that it has a name and one address. It begins with a test, not with the atomic
 * addition: kernels refuse to probe an instruction with a lock prefix, and `trapline coverage` would say so.
 */
__attribute__((noinline)) void counted(long amount)
{
    if (amount != 0)
        __atomic_fetch_add(&total, amount, __ATOMIC_RELAXED);
}

static void *count(void *unused)
{
    for (int i = 0; i < 5; i++)
        counted(1);
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_create(&other, NULL, count, NULL);
    count(NULL);
    pthread_join(other, NULL);
    printf("%ld\n", total);
    return 0;
}
