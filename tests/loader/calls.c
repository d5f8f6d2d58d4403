// Asks the kernel for what programs ask it for, and prints the answers: they must be the same natively and emulated, so
// nothing is printed that depends on the machine, the time or a process number. One argument runs one part only.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SHOW(e)                                                                                                        \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s = %ld %s\n", #e, shown, shown < 0 ? strerrorname_np(errno) : "");                                   \
    } while (0)

static volatile int caught, value;
static void on(int signo) { caught += signo; }
static void on_info(int signo, siginfo_t* info, void* context) {
    (void)context;
    caught = signo;
    value = info->si_value.sival_int;
    printf("signal %d code %d value %d\n", signo, info->si_code, value);
}
static void handle(int signo, void (*f)(int), int flags) {
    struct sigaction a = {.sa_handler = f, .sa_flags = flags};
    SHOW(sigaction(signo, &a, NULL));
}
static long ms(const struct timespec* t) { return t->tv_sec * 1000 + t->tv_nsec / 1000000; }
static struct timespec now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t;
}
static long futex(void* word, int op, unsigned v, void* timeout, void* word2, unsigned v3) {
    return syscall(SYS_futex, word, op, v, timeout, word2, v3);
}

static void processes(void) {
    int status = 0;
    struct rusage usage;
    pid_t pid = fork();
    if (pid == 0) _exit(42);
    SHOW(waitpid(pid, &status, 0) == pid);
    printf("status %x\n", status);
    SHOW(waitpid(-1, &status, 0));
    pid = fork();
    if (pid == 0) raise(SIGKILL);
    SHOW(wait4(pid, &status, 0, &usage) == pid);
    printf("status %x\n", status & 0x7f);
    pid = vfork();
    if (pid == 0) {
        value = 77; // the parent's memory
        _exit(5);
    }
    printf("vfork %d\n", value);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    printf("%d %d %d %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == pid);
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED));
    SHOW(waitid(P_PID, (id_t)pid, &info, WEXITED));
    SHOW(waitid(P_ALL, 0, &info, 0));
    char* args[] = {(char*)"sh", (char*)"-c", (char*)"exit 9", NULL};
    char* none[] = {NULL};
    SHOW(posix_spawn(&pid, "/no/such/file", NULL, NULL, args, none));
    SHOW(posix_spawn(&pid, "/bin/sh", NULL, NULL, args, none));
    SHOW(waitpid(pid, &status, 0) == pid);
    printf("status %x\n", status);
    SHOW(execve("/", args, none));
    SHOW(execve("/no/such/file", args, none));
    SHOW(execve("/etc/passwd", args, none));
    char** volatile nowhere = (char**)8;
    SHOW(execve((char*)nowhere, args, none));
    SHOW(execve("/bin/sh", nowhere, none));
    char* longest = malloc(200000);
    memset(longest, 'x', 199999);
    longest[199999] = 0;
    char* too_long[] = {longest, NULL};
    SHOW(execve("/bin/sh", too_long, none));
    pid = fork();
    if (pid == 0) {
        SHOW(setsid() == getpid());
        SHOW(getpgrp() == getpid());
        SHOW(getsid(0) == getpid());
        SHOW(setpgid(0, 0));
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    pid = fork();
    if (pid == 0) {
        SHOW(setpgid(0, 0));
        SHOW(getpgid(0) == getpid());
        fflush(stdout);
        _exit(1);
    }
    SHOW(waitpid(-pid, &status, 0) == pid || errno == ECHILD);
    while (wait(NULL) > 0) {
    }
    SHOW(setpgid(0, -1));
    SHOW(kill(999999, 0));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 65));
    SHOW(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
    SHOW(syscall(SYS_clone3, NULL, 8));
    SHOW(syscall(SYS_rseq, 0, 0, 0, 0) < 0);
}

static uint32_t word;
static void* waker(void* unused) {
    usleep(2000);
    word = 1;
    SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    return unused;
}
static pthread_mutex_t robust;
static void* dies_holding(void* unused) {
    pthread_mutex_lock(&robust);
    return unused;
}
static pthread_mutex_t inherits;
static int shared_count;
static void* adds(void* unused) {
    for (int i = 0; i < 200; ++i) {
        pthread_mutex_lock(&inherits);
        ++shared_count;
        if (i % 16 == 0) sched_yield();
        pthread_mutex_unlock(&inherits);
    }
    return unused;
}
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;
static void* takes_turns(void* number) {
    for (int i = 0; i < 5; ++i) {
        pthread_mutex_lock(&lock);
        while (turn % 3 != (int)(intptr_t)number) pthread_cond_wait(&condition, &lock);
        ++turn;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void threads(void) {
    struct timespec soon = {0, 2000000}, bad = {0, 2000000000}, past = {1, 0};
    SHOW(futex(&word, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_PRIVATE, 0, &bad, NULL, 0));
    SHOW(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &past, NULL, 1));
    SHOW(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));
    SHOW(futex((char*)&word + 1, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
    SHOW(futex((void*)8, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
    SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    SHOW(futex(&word, 99, 1, NULL, NULL, 0));
    uint32_t other = 0;
    SHOW(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void*)1, &other, 5));
    SHOW(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void*)1, &other, FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0)));
    printf("other %u\n", other);
    pthread_t t[8];
    pthread_create(&t[0], NULL, waker, NULL);
    while (word == 0) futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    pthread_join(t[0], NULL);

    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    pthread_create(&t[0], NULL, dies_holding, NULL);
    pthread_join(t[0], NULL);
    SHOW(pthread_mutex_lock(&robust) == EOWNERDEAD);
    SHOW(pthread_mutex_consistent(&robust));
    SHOW(pthread_mutex_unlock(&robust));
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    SHOW(pthread_mutex_init(&inherits, &attributes));
    for (int i = 0; i < 8; ++i) pthread_create(&t[i], NULL, adds, NULL);
    for (int i = 0; i < 8; ++i) pthread_join(t[i], NULL);
    printf("added %d\n", shared_count);
    for (int i = 0; i < 3; ++i) pthread_create(&t[i], NULL, takes_turns, (void*)(intptr_t)i);
    for (int i = 0; i < 3; ++i) pthread_join(t[i], NULL);
    printf("turns %d\n", turn);
    char name[16];
    SHOW(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
    SHOW(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SHOW(syscall(SYS_gettid) == getpid());
    SHOW(syscall(SYS_set_robust_list, 0, 5));
    SHOW(sched_getscheduler(0));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_yield());
    cpu_set_t cpus;
    SHOW(sched_getaffinity(0, sizeof cpus, &cpus));
    SHOW(CPU_COUNT(&cpus) > 0);
    SHOW(syscall(SYS_sched_getaffinity, 0, 4, &cpus));
}

static jmp_buf back;
static void jumps(int signo) {
    (void)signo;
    siglongjmp(back, 1);
}
static void nothing(int signo) { (void)signo; }
static pthread_t main_thread;
static int sleep_ms_signal = SIGUSR1;
static void* signals_main(void* unused) {
    usleep(3000);
    pthread_kill(main_thread, sleep_ms_signal);
    return unused;
}

static void signals(void) {
    sigset_t set, old, pending;
    pthread_t t;
    main_thread = pthread_self();
    handle(SIGUSR1, on, 0);
    SHOW(raise(SIGUSR1));
    printf("caught %d\n", caught);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SHOW(sigprocmask(SIG_BLOCK, &set, &old));
    SHOW(raise(SIGUSR1));
    SHOW(sigpending(&pending));
    SHOW(sigismember(&pending, SIGUSR1));
    printf("caught %d\n", caught);
    SHOW(sigsuspend(&old));
    printf("caught %d\n", caught);
    SHOW(sigpending(&pending));
    SHOW(sigismember(&pending, SIGUSR1));
    SHOW(sigprocmask(SIG_BLOCK, NULL, &old));
    SHOW(sigismember(&old, SIGUSR1));
    // Waiting for a blocked signal, with its value.
    siginfo_t info;
    union sigval v = {.sival_int = 1234};
    SHOW(sigqueue(getpid(), SIGUSR1, v));
    SHOW(sigtimedwait(&set, &info, &(struct timespec){0, 0}));
    printf("%d %d %d\n", info.si_signo, info.si_code, info.si_value.sival_int);
    SHOW(sigtimedwait(&set, &info, &(struct timespec){0, 1000000}));
    pthread_create(&t, NULL, signals_main, NULL);
    SHOW(sigwaitinfo(&set, &info));
    pthread_join(t, NULL);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(3);
    do {
        SHOW(sigwaitinfo(&set, &info));
    } while (info.si_signo != SIGCHLD);
    printf("%d %d %d\n", info.si_code, info.si_status, info.si_pid == pid);
    waitpid(pid, NULL, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    // Real-time signals queue and come lowest number first.
    struct sigaction a = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 1, &a, NULL);
    sigaction(SIGRTMIN, &a, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 3; ++i) {
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10 + i});
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    // Interrupted calls.
    struct timespec left = {0, 0}, half = {0, 500000000};
    handle(SIGUSR1, nothing, SA_RESTART);
    pthread_create(&t, NULL, signals_main, NULL);
    SHOW(nanosleep(&half, &left));
    SHOW(ms(&left) > 200 && ms(&left) < 500);
    pthread_join(t, NULL);
    // A wait that starts again.
    pid = fork();
    if (pid == 0) {
        usleep(10000);
        _exit(0);
    }
    pthread_create(&t, NULL, signals_main, NULL);
    SHOW(waitpid(pid, NULL, 0) == pid);
    pthread_join(t, NULL);
    // And one that does not.
    handle(SIGUSR1, nothing, 0);
    pid = fork();
    if (pid == 0) {
        usleep(200000); // long after the signal, however busy the machine is
        _exit(0);
    }
    pthread_create(&t, NULL, signals_main, NULL);
    SHOW(waitpid(pid, NULL, 0));
    pthread_join(t, NULL);
    waitpid(pid, NULL, 0);
    // Faults.
    handle(SIGSEGV, jumps, SA_NODEFER);
    for (int i = 0; i < 3; ++i)
        if (sigsetjmp(back, 1) == 0) {
            *(volatile int*)(intptr_t)(16 * i) = 1;
        } else {
            printf("fault %d\n", i);
        }
    handle(SIGFPE, jumps, 0);
    volatile int zero = 0;
    if (sigsetjmp(back, 1) == 0)
        printf("%d\n", 1 / zero);
    else
        printf("division\n");
    // The alternate stack.
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536}, seen;
    SHOW(sigaltstack(&(stack_t){.ss_size = 100}, NULL));
    SHOW(sigaltstack(&stack, NULL));
    handle(SIGUSR2, on, SA_ONSTACK | SA_RESETHAND);
    raise(SIGUSR2);
    SHOW(sigaltstack(NULL, &seen));
    printf("%d %d\n", seen.ss_sp == stack.ss_sp, seen.ss_flags);
    sigaction(SIGUSR2, NULL, &a);
    SHOW(a.sa_handler == SIG_DFL);
    SHOW(sigaction(SIGKILL, &(struct sigaction){.sa_handler = on}, NULL));
    SHOW(sigaction(65, NULL, NULL));
    SHOW(tgkill(getpid(), 999999, 0));
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        raise(SIGPIPE);
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    int status;
    waitpid(pid, &status, 0);
    SHOW(WTERMSIG(status));
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    if (pid == 0) _exit(0);
    SHOW(waitpid(pid, &status, 0));
    signal(SIGCHLD, SIG_DFL);
}

static void timers(void) {
    struct timespec before = now(CLOCK_MONOTONIC), after;
    struct timespec ten = {0, 10000000};
    SHOW(nanosleep(&ten, NULL));
    after = now(CLOCK_MONOTONIC);
    SHOW(ms(&after) - ms(&before) >= 9);
    SHOW(nanosleep(&(struct timespec){0, 1000000000}, NULL));
    SHOW(nanosleep((void*)8, NULL));
    after = now(CLOCK_REALTIME);
    after.tv_sec += after.tv_nsec + 5000000 >= 1000000000;
    after.tv_nsec = (after.tv_nsec + 5000000) % 1000000000;
    SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &after, NULL));
    SHOW(ms(&(struct timespec){now(CLOCK_REALTIME).tv_sec, 0}) >= after.tv_sec * 1000);
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &before, NULL));
    SHOW(clock_gettime(99, &after));
    SHOW(clock_getres(CLOCK_MONOTONIC, &after));
    printf("%ld\n", after.tv_nsec);
    SHOW(time(NULL) == now(CLOCK_REALTIME).tv_sec);
    caught = 0;
    handle(SIGALRM, on, 0);
    struct itimerval every = {{0, 3000}, {0, 2000}}, seen;
    SHOW(setitimer(ITIMER_REAL, &every, NULL));
    for (int i = 0; i < 3; ++i) SHOW(pause());
    SHOW(getitimer(ITIMER_REAL, &seen));
    printf("%d %ld\n", caught >= 3 * SIGALRM, (long)seen.it_interval.tv_usec);
    memset(&every, 0, sizeof every);
    SHOW(setitimer(ITIMER_REAL, &every, NULL));
    SHOW(alarm(5));
    SHOW(alarm(0));
    SHOW(setitimer(7, &every, NULL));
    timer_t timer;
    struct sigaction a = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &a, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 55};
    SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec once = {{0, 0}, {0, 2000000}};
    sigset_t blocked, before_timer;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &blocked, &before_timer);
    SHOW(timer_settime(timer, 0, &once, NULL));
    SHOW(sigsuspend(&before_timer));
    SHOW(timer_gettime(timer, &once));
    printf("%ld\n", once.it_value.tv_nsec);
    SHOW(timer_delete(timer));
    SHOW(timer_delete(timer) != 0);
    // A program that computes has used time.
    for (volatile int i = 0; i < 3000000; ++i) {
    }
    after = now(CLOCK_PROCESS_CPUTIME_ID);
    SHOW(after.tv_sec > 0 || after.tv_nsec > 100000);
    struct rusage usage;
    SHOW(getrusage(RUSAGE_SELF, &usage));
    // Natively a tick says which of the two it was; only the sum is exact.
    struct timeval used;
    timeradd(&usage.ru_utime, &usage.ru_stime, &used);
    SHOW(used.tv_sec * 1000000 + used.tv_usec > 100);
    SHOW(getrusage(7, &usage));
}

static void machine(void) {
    struct utsname name;
    SHOW(uname(&name));
    printf("%s %s\n", name.sysname, name.machine);
    unsigned char a[40] = {0}, b[40] = {0};
    SHOW(syscall(SYS_getrandom, a, sizeof a, 0));
    SHOW(syscall(SYS_getrandom, b, sizeof b, 1));
    SHOW(memcmp(a, b, sizeof a) != 0);
    SHOW(syscall(SYS_getrandom, a, 1, 64));
    SHOW(syscall(SYS_getrandom, 8, 8, 0));
    SHOW(getauxval(AT_PAGESZ));
    SHOW(getauxval(AT_CLKTCK));
    SHOW(getauxval(AT_SECURE));
    SHOW(getauxval(AT_RANDOM) != 0);
    printf("%s\n", (const char*)getauxval(AT_PLATFORM));
    struct rlimit limit;
    SHOW(getrlimit(RLIMIT_STACK, &limit));
    SHOW(getrlimit(99, &limit));
    limit.rlim_cur = 10;
    limit.rlim_max = 5;
    SHOW(setrlimit(RLIMIT_CPU, &limit));
    limit.rlim_cur = limit.rlim_max = 1000;
    SHOW(setrlimit(RLIMIT_NPROC, &limit));
    SHOW(getrlimit(RLIMIT_NPROC, &limit));
    printf("%lu\n", limit.rlim_cur);
    SHOW(syscall(SYS_arch_prctl, 0x1003, 8));
    SHOW(syscall(SYS_arch_prctl, 0x9999, 8));
    SHOW(prctl(-1));
    SHOW(getpid() == syscall(SYS_getpid));
    SHOW(getppid() > 0);
}

int main(int argc, char** argv) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    const struct {
        const char* name;
        void (*run)(void);
    } parts[] = {
        {"machine", machine}, {"processes", processes}, {"threads", threads}, {"signals", signals}, {"timers", timers}};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; ++i)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0) {
            printf("-- %s\n", parts[i].name);
            fflush(stdout);
            parts[i].run();
            fflush(stdout);
        }
    return 0;
}
