// Each way in which threads wait for each other, on its own: `sync KIND` does it with a few threads and prints one
// line, the same natively, with glibc, with musl, and under every schedule. sync.py says which lines are right.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 25 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static volatile long first, second; // what the locks protect: both move together
static long wrong;                  // how often somebody saw what nobody may see

static void add_to_both(void) {
    first = first + 1;
    if (second != first - 1) ++wrong;
    second = second + 1;
}

static void run_threads(int count, void* (*body)(void*)) {
    pthread_t threads[16];
    for (long i = 0; i < count; ++i)
        if (pthread_create(&threads[i], NULL, body, (void*)i) != 0) ++wrong;
    for (int i = 0; i < count; ++i)
        if (pthread_join(threads[i], NULL) != 0) ++wrong;
}

static void* add_locked(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        pthread_mutex_lock(&lock);
        add_to_both();
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void mutex(void) { run_threads(THREADS, add_locked); }

static void* add_tried(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        while (pthread_mutex_trylock(&lock) != 0) sched_yield();
        add_to_both();
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void trylock(void) { run_threads(THREADS, add_tried); }

static struct timespec after(long nanoseconds) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += nanoseconds;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void* add_timed(void* unused) {
    for (int i = 0; i < ROUNDS;) {
        const struct timespec t = after(2000);
        if (pthread_mutex_timedlock(&lock, &t) != 0) continue;
        add_to_both();
        ++i;
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void timedlock(void) { run_threads(THREADS, add_timed); }

static void with_mutex(int type, int protocol, void* (*body)(void*)) {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_settype(&how, type);
    if (pthread_mutexattr_setprotocol(&how, protocol) != 0) ++wrong;
    pthread_mutex_init(&lock, &how);
    run_threads(THREADS, body);
}

static void* add_nested(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        for (int depth = 0; depth < 3; ++depth) pthread_mutex_lock(&lock);
        add_to_both();
        for (int depth = 0; depth < 3; ++depth) pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void recursive(void) { with_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, add_nested); }

static void* add_checked(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        if (pthread_mutex_unlock(&lock) != EPERM) ++wrong;
        pthread_mutex_lock(&lock);
        if (pthread_mutex_lock(&lock) != EDEADLK) ++wrong;
        add_to_both();
        pthread_mutex_unlock(&lock);
    }
    return unused;
}
static void errorcheck(void) { with_mutex(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, add_checked); }
static void inherit(void) { with_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, add_locked); }
static void inherit_recursive(void) { with_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT, add_nested); }

static void* die_holding(void* unused) {
    const int error = pthread_mutex_lock(&lock);
    if (error == EOWNERDEAD)
        pthread_mutex_consistent(&lock);
    else if (error != 0)
        ++wrong;
    add_to_both();
    return unused; // without unlocking
}
static void robust(void) {
    pthread_mutexattr_t how;
    pthread_mutexattr_init(&how);
    pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &how);
    run_threads(12, die_holding);
    if (pthread_mutex_lock(&lock) != EOWNERDEAD) ++wrong;
}

// Two producers, two consumers, three places.
static int queue[3], queued;
static void* produce_or_consume(void* number) {
    const int produces = (long)number % 2;
    for (int i = 0; i < ROUNDS; ++i) {
        pthread_mutex_lock(&lock);
        while (queued == (produces ? 3 : 0)) pthread_cond_wait(&changed, &lock);
        if (produces)
            queue[queued++] = i;
        else
            first += queue[--queued];
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void condvar(void) { run_threads(THREADS, produce_or_consume); }

// Each waits for its turn; one signal wakes somebody, who passes it on if the turn is not its own.
static void* take_turns(void* number) {
    for (int i = 0; i < ROUNDS; ++i) {
        pthread_mutex_lock(&lock);
        while (first % THREADS != (long)number) {
            const struct timespec t = after(50000);
            const int error = pthread_cond_timedwait(&changed, &lock, &t);
            if (error != 0 && error != ETIMEDOUT) ++wrong;
            if (first % THREADS != (long)number) pthread_cond_signal(&changed);
        }
        add_to_both();
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void timedwait(void) { run_threads(THREADS, take_turns); }

static pthread_barrier_t meeting;
static volatile long arrived[THREADS];
static void* meet(void* number) {
    for (int i = 0; i < ROUNDS; ++i) {
        arrived[(long)number] = i + 1;
        if (pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD) add_to_both();
        for (int other = 0; other < THREADS; ++other)
            if (arrived[other] != i + 1) ++wrong;
        pthread_barrier_wait(&meeting);
    }
    return NULL;
}
static void barrier(void) {
    pthread_barrier_init(&meeting, NULL, THREADS);
    run_threads(THREADS, meet);
}

static sem_t filled, empty, guard;
static void* pass_on(void* number) {
    const int produces = (long)number % 2;
    for (int i = 0; i < ROUNDS; ++i) {
        const struct timespec t = after(1000000000);
        if (produces)
            sem_wait(&empty);
        else
            while (sem_timedwait(&filled, &t) != 0) {
                if (errno != ETIMEDOUT) ++wrong;
            }
        while (sem_trywait(&guard) != 0) sched_yield();
        if (produces)
            queue[queued++] = i;
        else
            first += queue[--queued];
        sem_post(&guard);
        sem_post(produces ? &filled : &empty);
    }
    return NULL;
}
static void semaphore(void) {
    sem_init(&filled, 0, 0);
    sem_init(&empty, 0, 3);
    sem_init(&guard, 0, 1);
    run_threads(THREADS, pass_on);
}

static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static void* read_or_write(void* number) {
    for (int i = 0; i < ROUNDS; ++i) {
        if ((long)number == 0) {
            pthread_rwlock_wrlock(&shared);
            add_to_both();
        } else {
            pthread_rwlock_rdlock(&shared);
            if (first != second) ++wrong;
        }
        pthread_rwlock_unlock(&shared);
    }
    return NULL;
}
static void rwlock(void) { run_threads(THREADS, read_or_write); }

static pthread_spinlock_t busy;
static void* add_spinning(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        pthread_spin_lock(&busy);
        add_to_both();
        pthread_spin_unlock(&busy);
    }
    return unused;
}
static void spin(void) {
    pthread_spin_init(&busy, 0);
    run_threads(THREADS, add_spinning);
}

static pthread_once_t times[ROUNDS];
static void* want_all(void* unused) {
    for (int i = 0; i < ROUNDS; ++i) {
        pthread_once(&times[i], add_to_both);
        if (first < i + 1 || second < i + 1) ++wrong;
    }
    return unused;
}
static void once(void) {
    for (int i = 0; i < ROUNDS; ++i) times[i] = (pthread_once_t)PTHREAD_ONCE_INIT;
    run_threads(THREADS, want_all);
}

static void unlock_and_count(void* unused) {
    (void)unused;
    ++first;
    pthread_mutex_unlock(&lock);
}
static void* wait_for_ever(void* number) {
    if ((long)number % 3 == 2) { // asynchronously: wherever it is
        pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
        for (;;) {
        }
    }
    if ((long)number % 3 == 1) {
        char byte;
        int nobody_writes[2];
        if (pipe(nobody_writes) != 0 || read(nobody_writes[0], &byte, 1) != 1) ++wrong;
        return NULL;
    }
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(unlock_and_count, NULL);
    for (;;) pthread_cond_wait(&changed, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}
static void cancel(void) {
    pthread_t threads[9];
    for (long i = 0; i < 9; ++i) pthread_create(&threads[i], NULL, wait_for_ever, (void*)i);
    for (int i = 0; i < 9; ++i) pthread_cancel(threads[i]);
    for (int i = 0; i < 9; ++i) {
        void* result = NULL;
        if (pthread_join(threads[i], &result) != 0 || result != PTHREAD_CANCELED) ++wrong;
        ++second;
    }
    // A thread that is cancelled before it has come to the clean-up has nothing to clean up.
    if (first > 3) ++wrong;
    first = 0;
    if (pthread_mutex_trylock(&lock) != 0) ++wrong;
}

// Each creates the next and waits for it.
static void* chain(void* left) {
    pthread_t next;
    void* from_next = NULL;
    if ((long)left == 0) return NULL;
    pthread_create(&next, NULL, chain, (void*)((long)left - 1));
    pthread_join(next, &from_next);
    return (void*)((long)from_next + 1);
}
static void join(void) { first = (long)chain((void*)12); }

static pthread_key_t key;
static void count_key(void* value) {
    pthread_mutex_lock(&lock);
    first += (long)value;
    pthread_mutex_unlock(&lock);
}
static void* set_key(void* number) {
    pthread_setspecific(key, (void*)((long)number + 1));
    sched_yield();
    if (pthread_getspecific(key) != (void*)((long)number + 1)) ++wrong;
    return NULL;
}
static void keys(void) {
    pthread_key_create(&key, count_key);
    run_threads(12, set_key);
}

static const struct {
    const char* name;
    void (*run)(void);
} kinds[] = {
    {"mutex", mutex},
    {"trylock", trylock},
    {"timedlock", timedlock},
    {"recursive", recursive},
    {"errorcheck", errorcheck},
    {"inherit", inherit},
    {"inherit-recursive", inherit_recursive},
    {"robust", robust},
    {"condvar", condvar},
    {"timedwait", timedwait},
    {"barrier", barrier},
    {"semaphore", semaphore},
    {"rwlock", rwlock},
    {"spin", spin},
    {"once", once},
    {"cancel", cancel},
    {"join", join},
    {"keys", keys},
};

int main(int count, char** words) {
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        if (count < 2) puts(kinds[i].name);
        if (count != 2 || strcmp(words[1], kinds[i].name) != 0) continue;
        kinds[i].run();
        printf("%s %ld %ld %ld\n", words[1], first, second, wrong);
    }
    return 0;
}
