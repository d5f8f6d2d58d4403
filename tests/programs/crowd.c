// Many at once: `crowd threads N` has N threads waiting on one condition variable before it lets them go, `crowd
// processes N` N children reading one pipe. A further argument says how often; each time, memory is what it was.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER, go = PTHREAD_COND_INITIALIZER;
static int here, wanted, opened;

static void* stand(void* number) {
    pthread_mutex_lock(&lock);
    if (++here == wanted) pthread_cond_signal(&all_here);
    while (!opened) pthread_cond_wait(&go, &lock);
    --here;
    pthread_mutex_unlock(&lock);
    return number;
}

static int fails(const char* what, int number, int error) {
    printf("%s %d: %s\n", what, number, strerror(error));
    return 1;
}

static int threads(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_t* crowd = calloc(wanted, sizeof *crowd);
    opened = 0;
    for (long i = 0; i < wanted; ++i) {
        const int error = pthread_create(&crowd[i], &small, stand, (void*)i);
        if (error != 0) return fails("thread", i, error);
    }
    pthread_mutex_lock(&lock);
    while (here < wanted) pthread_cond_wait(&all_here, &lock);
    printf("%d threads at once\n", here);
    opened = 1;
    pthread_cond_broadcast(&go);
    pthread_mutex_unlock(&lock);
    long sum = 0;
    for (int i = 0; i < wanted; ++i) {
        void* number;
        pthread_join(crowd[i], &number);
        sum += (long)number;
    }
    printf("%d are left, the sum of the others is %ld\n", here, sum);
    free(crowd);
    return 0;
}

static int processes(void) {
    int gate[2], seen[2];
    char byte = 'x';
    if (pipe(gate) != 0 || pipe(seen) != 0) return fails("pipe", 0, errno);
    for (int i = 0; i < wanted; ++i) {
        const pid_t child = fork();
        if (child < 0) return fails("process", i, errno);
        if (child > 0) continue;
        close(gate[1]);
        if (write(seen[1], &byte, 1) != 1 || read(gate[0], &byte, 1) != 0) _exit(100);
        _exit(i % 100);
    }
    for (int i = 0; i < wanted; ++i)
        if (read(seen[0], &byte, 1) != 1) return fails("read", i, errno);
    printf("%d processes at once\n", wanted);
    for (int i = 0; i < 2; ++i) {
        close(gate[i]);
        close(seen[i]);
    }
    int gone = 0, status;
    for (; wait(&status) > 0; ++gone) here += WEXITSTATUS(status);
    printf("%d are gone, the sum of their statuses is %d\n", gone, here);
    here = 0;
    return 0;
}

int main(int count, char** words) {
    if (count < 3) return 2;
    wanted = atoi(words[2]);
    for (int times = count > 3 ? atoi(words[3]) : 1; times > 0; --times) {
        fflush(stdout); // before there are children who would write it, too
        if ((strcmp(words[1], "threads") == 0 ? threads() : processes()) != 0) return 1;
    }
    return 0;
}
