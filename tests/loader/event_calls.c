// Asks the kernel about children that stop and go on, and for timers, signals and processes as files, and prints the
// answers: they must be the same natively and emulated. The argument chooses the part.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOW(e)                                                                                                        \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s = %ld %s\n", #e, shown, shown == -1 ? strerrorname_np(errno) : "");                                 \
    } while (0)

static void* const bad = (void*)8;
static volatile int caught, count;
static volatile siginfo_t last;
static void on(int signo) {
    caught = signo;
    ++count;
}
static void on_info(int signo, siginfo_t* info, void* context) {
    (void)context;
    caught = signo;
    ++count;
    last = *info;
}
static void handle(int signo, void (*f)(int), int flags) {
    struct sigaction a = {.sa_handler = f, .sa_flags = flags};
    sigaction(signo, &a, NULL);
}
static void handle_info(int signo, int flags) {
    struct sigaction a = {.sa_sigaction = on_info, .sa_flags = flags | SA_SIGINFO};
    sigaction(signo, &a, NULL);
}
static long ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static long cpu_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void show_status(const char* what, int status) {
    if (WIFEXITED(status))
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: signal %d\n", what, WTERMSIG(status));
    else if (WIFSTOPPED(status))
        printf("%s: stopped by %d\n", what, WSTOPSIG(status));
    else if (WIFCONTINUED(status))
        printf("%s: continued\n", what);
    else
        printf("%s: %x\n", what, status);
}
static void show_info(const siginfo_t* i, pid_t pid) {
    printf("signo %d code %d status %d pid %d\n", i->si_signo, i->si_code, i->si_status, i->si_pid == pid);
}

static void stops(void) {
    int status, p[2], to[2];
    char c;
    pipe(p);
    pipe(to);
    handle_info(SIGCHLD, SA_RESTART);
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0); // a group that is not orphaned, however this program was started
        raise(SIGSTOP);
        write(p[1], "1", 1);
        read(to[0], &c, 1);
        raise(SIGTSTP);
        write(p[1], "2", 1);
        pause();
    }
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    show_status("first", status);
    printf("signal %d code %d status %d\n", caught, last.si_code, last.si_status);
    SHOW(waitpid(pid, &status, WUNTRACED | WNOHANG));
    SHOW(kill(pid, SIGCONT));
    SHOW(waitpid(pid, &status, WCONTINUED) == pid);
    show_status("continued", status);
    SHOW(waitpid(pid, &status, WCONTINUED | WNOHANG));
    SHOW(read(p[0], &c, 1));
    write(to[1], "x", 1);
    siginfo_t info;
    SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT));
    show_info(&info, pid);
    SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
    show_info(&info, pid);
    memset(&info, 0, sizeof info);
    SHOW(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG));
    show_info(&info, pid);
    SHOW(kill(pid, SIGUSR1)); // it waits until the child goes on
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(kill(pid, SIGCONT));
    SHOW(waitid(P_ALL, 0, &info, WCONTINUED | WEXITED | WNOWAIT));
    printf("%d\n", info.si_code == CLD_CONTINUED || info.si_code == CLD_KILLED);
    while (waitpid(pid, &status, 0) != pid) {
    }
    show_status("end", status);
    // A stopped child is killed.
    if ((pid = fork()) == 0) {
        raise(SIGSTOP);
        _exit(1);
    }
    waitpid(pid, &status, WUNTRACED);
    SHOW(kill(pid, SIGTERM));
    SHOW(waitpid(pid, &status, WNOHANG));
    SHOW(kill(pid, SIGKILL));
    SHOW(waitpid(pid, &status, WCONTINUED) == pid);
    show_status("killed", status);
    // A call goes on where it was.
    if ((pid = fork()) == 0) {
        long start = ms();
        struct timespec t = {0, 100000000}, left = {9, 9};
        int r = nanosleep(&t, &left);
        _exit(r == 0 && ms() - start >= 100 ? 7 : 8);
    }
    usleep(20000);
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, 0) == pid);
    show_status("slept", status);
    // With SA_NOCLDSTOP the parent is not told.
    handle_info(SIGCHLD, SA_RESTART | SA_NOCLDSTOP);
    count = 0;
    if ((pid = fork()) == 0) {
        raise(SIGSTOP);
        _exit(3);
    }
    waitpid(pid, &status, WUNTRACED);
    printf("told %d times\n", count);
    // Stop and continuation undo each other while they are blocked.
    kill(pid, SIGCONT);
    waitpid(pid, &status, 0);
    show_status("went on", status);
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTSTP);
    sigpending(&pending);
    printf("%d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    handle(SIGCONT, on, 0);
    raise(SIGCONT);
    sigpending(&pending);
    printf("%d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    raise(SIGTSTP);
    sigpending(&pending);
    printf("%d %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
    raise(SIGCONT);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("caught %d\n", caught);
    // An orphaned group is not stopped by a terminal's signals.
    if ((pid = fork()) == 0) {
        setsid();
        raise(SIGTSTP);
        raise(SIGTTIN);
        _exit(4);
    }
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    show_status("orphan", status);
    // A group whose last link goes is told, and goes on.
    int q[2];
    pipe(q);
    if ((pid = fork()) == 0) {
        setsid();
        pid_t child = fork();
        if (child == 0) {
            handle(SIGHUP, on, 0);
            setpgid(0, 0);
            raise(SIGTSTP);
            char out = (char)('0' + caught);
            write(q[1], &out, 1);
            _exit(0);
        }
        waitpid(child, &status, WUNTRACED);
        _exit(5);
    }
    SHOW(waitpid(pid, &status, 0) == pid);
    SHOW(read(q[0], &c, 1));
    printf("%c\n", c);
    signal(SIGCHLD, SIG_DFL);
}

static void* counts(void* to) {
    for (volatile long* n = to;;) {
        ++*n;
        sched_yield();
    }
    return NULL;
}

// All threads of a process stop.
static void stopped_threads(void) {
    int p[2], status;
    long before, after;
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        static volatile long n[3];
        pthread_t t;
        for (int i = 0; i < 3; ++i) pthread_create(&t, NULL, counts, (void*)&n[i]);
        for (;;) {
            long sum = n[0] + n[1] + n[2];
            write(p[1], &sum, sizeof sum);
            usleep(5000);
        }
    }
    read(p[0], &before, sizeof before);
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    while (read(p[0], &before, sizeof before) > 0) {
    }
    usleep(50000);
    SHOW(read(p[0], &after, sizeof after));
    kill(pid, SIGCONT);
    fcntl(p[0], F_SETFL, 0);
    SHOW(read(p[0], &after, sizeof after));
    kill(pid, SIGKILL);
    SHOW(waitpid(pid, &status, 0) == pid);
    show_status("end", status);
}

static void timer_files(void) {
    uint64_t n = 0;
    struct itimerspec s = {{0, 0}, {0, 20000000}}, old;
    SHOW(timerfd_create(99, 0));
    SHOW(timerfd_create(CLOCK_MONOTONIC, 0x1234));
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct pollfd p = {t, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    SHOW(timerfd_gettime(t, &old));
    printf("%ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
    long start = ms();
    SHOW(timerfd_settime(t, 0, &s, &old));
    SHOW(timerfd_gettime(t, &old));
    printf("%d\n", old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 20000000);
    SHOW(read(t, &n, 8));
    printf("%lu after 20 ms: %d\n", n, ms() - start >= 20);
    SHOW(timerfd_gettime(t, &old));
    printf("%ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
    s.it_interval.tv_nsec = 10000000;
    SHOW(timerfd_settime(t, 0, &s, NULL));
    usleep(75000);
    SHOW(poll(&p, 1, 0));
    SHOW(read(t, &n, 8));
    printf("several: %d\n", n >= 5 && n < 100);
    SHOW(read(t, &n, 8));
    printf("%d\n", n >= 1);
    fcntl(t, F_SETFL, O_NONBLOCK);
    while (read(t, &n, 8) == 8) {
    }
    SHOW(read(t, &n, 8));
    SHOW(read(t, &n, 4));
    SHOW(write(t, &n, 8));
    SHOW(lseek(t, 0, SEEK_SET));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int r = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    struct itimerspec at = {{0, 0}, {now.tv_sec - 10, 0}};
    SHOW(timerfd_settime(r, TFD_TIMER_ABSTIME, &at, NULL));
    SHOW(read(r, &n, 8));
    at.it_value.tv_sec = now.tv_sec + 1000;
    SHOW(timerfd_settime(r, TFD_TIMER_ABSTIME, &at, NULL));
    SHOW(read(r, &n, 8));
    SHOW(timerfd_gettime(r, &old));
    printf("%d\n", old.it_value.tv_sec > 990 && old.it_value.tv_sec <= 1000);
    memset(&at, 0, sizeof at);
    SHOW(timerfd_settime(r, 0, &at, &old));
    SHOW(timerfd_gettime(r, &old));
    printf("%ld\n", old.it_value.tv_sec);
    at.it_value.tv_nsec = 1000000000;
    SHOW(timerfd_settime(r, 0, &at, NULL));
    SHOW(timerfd_settime(r, 0, bad, NULL));
    SHOW(timerfd_settime(0, 0, &s, NULL));
    SHOW(timerfd_settime(999, 0, &s, NULL));
    // With epoll.
    int ep = epoll_create1(0), ticks = 0;
    struct epoll_event e = {EPOLLIN, {.fd = t}};
    fcntl(t, F_SETFL, O_NONBLOCK);
    timerfd_settime(t, 0, &s, NULL);
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, t, &e));
    while (ticks < 5 && epoll_wait(ep, &e, 1, 1000) == 1 && read(t, &n, 8) == 8) ticks += (int)n;
    printf("%d\n", ticks >= 5);
    struct itimerspec often = {{0, 1}, {0, 1}}; // each nanosecond
    SHOW(timerfd_settime(t, 0, &often, NULL));
    usleep(10000);
    SHOW(read(t, &n, 8));
    printf("%d\n", n > 1000000);
}

static void signal_files(void) {
    sigset_t set;
    struct signalfd_siginfo i[4];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int s = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct pollfd p = {s, POLLIN, 0};
    SHOW(poll(&p, 1, 0));
    SHOW(read(s, i, sizeof i));
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    union sigval v = {.sival_int = 42};
    sigqueue(getpid(), SIGRTMIN, v);
    v.sival_int = 43;
    sigqueue(getpid(), SIGRTMIN, v);
    SHOW(poll(&p, 1, 0));
    SHOW(read(s, i, 10));
    SHOW(read(s, i, sizeof i) / sizeof i[0]);
    for (int k = 0; k < 4; ++k)
        printf("signal %u code %d pid %d value %d\n", i[k].ssi_signo == (unsigned)SIGRTMIN ? 64 : i[k].ssi_signo,
               i[k].ssi_code, i[k].ssi_pid == (unsigned)getpid(), i[k].ssi_int);
    SHOW(read(s, i, sizeof i));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) _exit(9);
    SHOW(poll(&p, 1, 10000));
    SHOW(read(s, i, sizeof i) / sizeof i[0]);
    printf("%u %d %u %d\n", i[0].ssi_signo, i[0].ssi_code, (unsigned)i[0].ssi_status, i[0].ssi_pid == (unsigned)pid);
    wait(NULL);
    fcntl(s, F_SETFL, 0);
    alarm(0);
    ualarm(20000, 0);
    SHOW(read(s, i, sizeof i) / sizeof i[0]);
    printf("%u %d\n", i[0].ssi_signo, i[0].ssi_code);
    // A child reads its own signals from its parent's descriptor.
    fflush(stdout);
    if (fork() == 0) {
        raise(SIGUSR2);
        SHOW(read(s, i, sizeof i) / sizeof i[0]);
        printf("%u\n", i[0].ssi_signo);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    SHOW(read(s, i, sizeof i) / sizeof i[0]); // SIGCHLD
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    SHOW(signalfd(s, &set, 0) == s);
    raise(SIGUSR1);
    SHOW(poll(&p, 1, 0));
    raise(SIGUSR2);
    SHOW(poll(&p, 1, 0));
    SHOW(signalfd(0, &set, 0));
    SHOW(signalfd(999, &set, 0));
    SHOW(signalfd(-1, &set, 0x99));
    SHOW(syscall(SYS_signalfd4, -1, bad, 8, 0));
    SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
}

static int pidfd_open_(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

static void process_files(void) {
    int p[2], status;
    pipe(p);
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        read(p[0], &c, 1);
        _exit(11);
    }
    int fd = pidfd_open_(pid, 0);
    SHOW(fcntl(fd, F_GETFD));
    struct pollfd f = {fd, POLLIN, 0};
    SHOW(poll(&f, 1, 0));
    siginfo_t info;
    int nonblocking = pidfd_open_(pid, O_NONBLOCK);
    SHOW(waitid(P_PIDFD, (id_t)nonblocking, &info, WEXITED));
    write(p[1], "x", 1);
    SHOW(poll(&f, 1, 10000));
    SHOW(f.revents);
    SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    show_info(&info, pid);
    SHOW(waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
    SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    SHOW(poll(&f, 1, 0));
    SHOW(pidfd_open_(-1, 0));
    SHOW(pidfd_open_(0x3ffffff, 0));
    SHOW(pidfd_open_(getpid(), 0x1234));
    SHOW(waitid(P_PIDFD, 0, &info, WEXITED));
    SHOW(waitid(P_PIDFD, 999, &info, WEXITED));
    // From clone, and a signal through it.
    int from_clone = -1;
    pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &from_clone, 0, 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    printf("%d\n", from_clone > 2);
    SHOW(fcntl(from_clone, F_GETFD));
    SHOW(syscall(SYS_pidfd_send_signal, from_clone, SIGTERM, NULL, 0));
    SHOW(waitpid(pid, &status, 0) == pid);
    show_status("child", status);
    SHOW(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
    // Somebody else's file.
    int self = pidfd_open_(getpid(), 0);
    int copy = (int)syscall(SYS_pidfd_getfd, self, p[1], 0);
    SHOW(write(copy, "y", 1));
    char c;
    SHOW(read(p[0], &c, 1));
    SHOW(syscall(SYS_pidfd_getfd, self, 999, 0));
}

static void spin(long milliseconds, clockid_t clock) {
    for (long until = cpu_ms(clock) + milliseconds; cpu_ms(clock) < until;)
        for (volatile int i = 0; i < 100000; ++i) {
        }
}

static void interval_timers(void) {
    struct itimerval v = {{0, 10000}, {0, 10000}}, old;
    handle(SIGVTALRM, on, SA_RESTART);
    handle(SIGPROF, on, SA_RESTART);
    handle(SIGALRM, on, SA_RESTART);
    SHOW(setitimer(ITIMER_VIRTUAL, &v, NULL));
    SHOW(getitimer(ITIMER_VIRTUAL, &old));
    printf("%ld %d\n", old.it_interval.tv_usec, old.it_value.tv_usec > 0);
    usleep(60000);
    printf("while it sleeps: %d\n", count);
    spin(100, CLOCK_PROCESS_CPUTIME_ID);
    printf("signal %d, several: %d\n", caught, count > 3);
    memset(&v.it_value, 0, sizeof v.it_value);
    SHOW(setitimer(ITIMER_VIRTUAL, &v, &old));
    count = 0;
    spin(30, CLOCK_PROCESS_CPUTIME_ID);
    printf("after: %d\n", count);
    v.it_value.tv_usec = 10000;
    SHOW(setitimer(ITIMER_PROF, &v, NULL));
    spin(50, CLOCK_PROCESS_CPUTIME_ID);
    printf("signal %d, several: %d\n", caught, count > 1);
    memset(&v, 0, sizeof v);
    setitimer(ITIMER_PROF, &v, NULL);
    SHOW(setitimer(3, &v, NULL));
    SHOW(setitimer(ITIMER_REAL, bad, NULL));
    v.it_value.tv_usec = 1000000;
    SHOW(setitimer(ITIMER_REAL, &v, NULL));
    SHOW(getitimer(99, &old));
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
    struct itimerspec s = {{0, 100000}, {0, 100000}}, none = {{0, 0}, {0, 0}};
    handle_info(SIGRTMIN, 0);
    count = 0;
    SHOW(timer_create(CLOCK_MONOTONIC, &e, &t));
    SHOW(timer_settime(t, 0, &s, NULL));
    spin(10, CLOCK_PROCESS_CPUTIME_ID);
    SHOW(timer_settime(t, 0, &none, NULL));
    printf("signal %d, code %d, value %d, %d\n", caught == SIGRTMIN, last.si_code, last.si_value.sival_int, count > 0);
    // What expires while the signal is blocked is counted.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s.it_value.tv_nsec = s.it_interval.tv_nsec = 10000000;
    timer_settime(t, 0, &s, NULL);
    usleep(75000);
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("once: %d, the others counted: %d %d\n", count >= 1 && count <= 2,
           last.si_overrun >= 4 && last.si_overrun < 100, timer_getoverrun(t) == last.si_overrun);
    SHOW(timer_delete(t));
    // CPU time.
    SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &e, &t));
    s.it_interval.tv_nsec = 0;
    timer_settime(t, 0, &s, NULL);
    count = 0;
    usleep(30000);
    printf("%d\n", count);
    spin(30, CLOCK_PROCESS_CPUTIME_ID);
    printf("%d\n", count);
    SHOW(timer_delete(t));
    SHOW(timer_create(CLOCK_THREAD_CPUTIME_ID, &e, &t));
    timer_settime(t, 0, &s, NULL);
    spin(30, CLOCK_THREAD_CPUTIME_ID);
    printf("%d\n", count);
    SHOW(timer_delete(t));
    // A timer whose signal is ignored goes on.
    signal(SIGRTMIN, SIG_IGN);
    timer_create(CLOCK_MONOTONIC, &e, &t);
    s.it_interval.tv_nsec = 5000000;
    timer_settime(t, 0, &s, NULL);
    usleep(30000);
    count = 0;
    handle_info(SIGRTMIN, 0);
    usleep(30000);
    printf("%d\n", count > 0);
    timer_delete(t);
    fflush(stdout);
    if (fork() == 0) {
        struct rlimit l = {1, 2};
        setrlimit(RLIMIT_CPU, &l);
        handle(SIGXCPU, on, 0);
        caught = 0;
        spin(1100, CLOCK_PROCESS_CPUTIME_ID);
        printf("SIGXCPU: %d\n", caught == SIGXCPU);
        fflush(stdout);
        spin(5000, CLOCK_PROCESS_CPUTIME_ID);
        _exit(0);
    }
    int status;
    wait(&status);
    show_status("beyond the limit", status);
}

/// Shared memory of System V, as programs of the eighties use it.
static void segments(void) {
    struct shmid_ds d;
    const key_t key = 0x54520000 + getpid();
    SHOW(shmget(key, 5000, 0600));
    SHOW(shmget(IPC_PRIVATE, 0, 0600));
    const int id = shmget(key, 5000, IPC_CREAT | 0640);
    SHOW(shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0600));
    SHOW(shmget(key, 6000, 0600));
    printf("%d\n", shmget(key, 100, 0600) == id);
    SHOW(shmctl(id, IPC_STAT, &d));
    printf("%zu %o %lu %d %ld\n", d.shm_segsz, d.shm_perm.mode, d.shm_nattch, d.shm_cpid == getpid(), d.shm_atime);
    char* at = shmat(id, NULL, 0);
    char* again = shmat(id, NULL, SHM_RDONLY);
    SHOW((long)shmat(id, at, 0));
    SHOW((long)shmat(id, at + 1, 0));
    SHOW((long)shmat(id + 1000, NULL, 0));
    strcpy(at, "parent");
    printf("%s %d\n", again, mprotect(again, 4096, PROT_READ | PROT_WRITE));
    if (fork() == 0) {
        shmctl(id, IPC_STAT, &d);
        printf("%s %lu\n", again, d.shm_nattch);
        strcpy(at, "child");
        SHOW(shmdt(at));
        SHOW(shmdt(at));
        shmctl(id, IPC_STAT, &d);
        printf("%lu %d\n", d.shm_nattch, d.shm_lpid == getpid());
        _exit(0);
    }
    wait(NULL);
    shmctl(id, IPC_STAT, &d);
    printf("%s %lu %d\n", again, d.shm_nattch, d.shm_dtime >= d.shm_atime);
    d.shm_perm.mode = 0600;
    SHOW(shmctl(id, IPC_SET, &d));
    SHOW(shmctl(id, IPC_RMID, NULL));
    SHOW(shmget(key, 5000, 0600));
    SHOW(shmctl(id, IPC_STAT, &d));
    printf("%o %lu\n", d.shm_perm.mode, d.shm_nattch);
    printf("%d\n", (char*)shmat(id, NULL, 0) != (char*)-1); // what is left of it can be attached
    SHOW(shmdt(at));
    SHOW(shmdt(at + 4096));
    munmap(again, 8192);
    shmctl(id, IPC_STAT, &d);
    printf("%lu\n", d.shm_nattch);
    execl("/bin/true", "true", NULL); // and with the last mapping it goes
}

int main(int argc, char** argv) {
    const struct {
        const char* name;
        void (*run)(void);
    } parts[] = {{"stops", stops},          {"threads", stopped_threads}, {"timers", timer_files},
                 {"signals", signal_files}, {"processes", process_files}, {"intervals", interval_timers},
                 {"segments", segments}};
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0) parts[i].run();
    return 0;
}
