// Makes system calls at random: any number, wild pointers, huge sizes, descriptors of every kind, open or not. Each
// handful is made by a child process, so that whatever a call does to its caller does not end the whole.
//     fuzz-calls SEED CALLS     prints how many calls returned what kind of answer
// The file "kinds" says which arguments make sense, a line for each call with its number and a letter for each argument:
// f descriptor, s string, p pointer, u size, i small number, x flags. Half of the calls are made as it says.
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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kHandful = 250, kNumbers = 470, kPage = 4096, kPages = 8 };

static uint64_t state;
static uint64_t next(void) { // splitmix64
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
static uint64_t below(uint64_t n) { return next() % n; }

struct Counts {
    uint64_t calls, good, bad, killed, stuck, left, last;
    uint64_t good_by_number[kNumbers];
};
static struct Counts* counts; // shared with the children
static char* area;            // readable and writable, the page behind it is not there
static char* constant;        // a page that cannot be written
static pid_t parent;

static const char* const kPaths[] = {
    "f",     "d",       "d/g",     "l",        "loop",          "nowhere/x", ".",    "..",      "/",      "/etc/passwd", "/dev/null",
    "/dev/zero", "/dev/full", "/dev/urandom", "/proc/self/maps", "/proc/self/fd", "/proc/self/exe", "/proc/self/mem", "/tmp",
    "../../../../../../etc/shadow", "fifo", "/dev/shm/x", "/dev/shm", "socket", "", "/proc/self/cwd/f", "/proc/1/root",
    "/proc/self/fd/3", "/dev/tty", "/proc/self/task", "/dev/stdin"};

static char kinds[kNumbers][8];
static unsigned known[kNumbers], known_count;

static void read_kinds(void) {
    FILE* file = fopen("kinds", "r");
    unsigned number;
    char letters[8];
    while (file != NULL && fscanf(file, "%u %7s", &number, letters) == 2)
        if (number < kNumbers) {
            strcpy(kinds[number], letters);
            known[known_count++] = number;
        }
    if (file != NULL) fclose(file);
}

static void fill(void) {
    // Structures that make sense now and then: vectors of pieces, times, addresses, small numbers.
    for (int i = 0; i < kPages * kPage; i += 8) {
        uint64_t v;
        switch (below(8)) {
        case 0: v = (uint64_t)area + below(kPages * kPage); break;
        case 1: v = below(64); break;
        case 2: v = next(); break;
        case 3: v = below(5000); break;
        case 4: v = below(20) | below(20) << 32; break;
        default: v = 0;
        }
        memcpy(area + i, &v, 8);
    }
    const char* path = kPaths[below(sizeof kPaths / sizeof kPaths[0])];
    memcpy(area, path, strlen(path) + 1);
    path = kPaths[below(sizeof kPaths / sizeof kPaths[0])];
    memcpy(area + 512, path, strlen(path) + 1);
    struct sockaddr_un* u = (struct sockaddr_un*)(area + 1024);
    u->sun_family = below(2) ? AF_UNIX : (sa_family_t)below(20);
    strcpy(u->sun_path, "socket");
}

static uint64_t pointer(void) {
    switch (below(16)) {
    case 0: return 0;
    case 1: return next();
    case 2: return (uint64_t)area + kPages * kPage - below(64); // runs off the end
    case 3: return (uint64_t)constant + below(kPage);
    case 4: return 0xffff800000000000 + below(1 << 20); // the kernel's
    case 5: return 0x7ffffffff000 - below(kPage);
    case 6: return 8;
    case 7: return (uint64_t)(uintptr_t)fill; // code
    case 8: return below(32) ? (uint64_t)area : (uint64_t)&counts; // the program's own data
    case 9: return (uint64_t)area + 512;
    case 10: return (uint64_t)area + 1024;
    case 11: return (uint64_t)area;
    default: return (uint64_t)area + below(kPages * kPage) / 8 * 8;
    }
}
static uint64_t size(void) {
    switch (below(10)) {
    case 0: return 0;
    case 1: return ~0ull - below(16);
    case 2: return 1ull << below(64);
    case 3: return (1ull << below(64)) - 1;
    case 4: return next();
    case 5: return kPage;
    case 6: return 1ull << 31;
    default: return below(256);
    }
}
static uint64_t flags(void) {
    switch (below(5)) {
    case 0: return next();
    case 1: return 1ull << below(34);
    case 2: return 1ull << below(20) | 1ull << below(20);
    case 3: return below(16);
    default: return 0;
    }
}
static uint64_t descriptor(void) {
    switch (below(12)) {
    case 0: return (uint64_t)-1;
    case 1: return (uint64_t)AT_FDCWD;
    case 2: return next();
    case 3: return 1000;
    default: return 3 + below(24);
    }
}
static uint64_t argument(void) {
    switch (below(5)) {
    case 0: return descriptor();
    case 1: return size();
    case 2: return flags();
    default: return pointer();
    }
}

static uint64_t argument_as(char kind) {
    switch (kind) {
    case 'f': return below(8) ? 3 + below(24) : descriptor();
    case 's': return (uint64_t)area + below(2) * 512;
    case 'p': return below(4) ? (uint64_t)area + below(kPages * kPage) / 8 * 8 : pointer();
    case 'u': return below(4) ? below(300) : size();
    case 'i': return below(8) ? below(12) : next();
    case 'x': return flags();
    default: return argument();
    }
}

/// What would end the test itself, and not the guest's kernel.
static int harmless(uint64_t n, uint64_t* a) {
    switch (n) {
    case SYS_kill:
    case SYS_tkill:
    case SYS_rt_sigqueueinfo:
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
    case SYS_prlimit64:
    case SYS_pidfd_open:
    case SYS_setpriority:
    case SYS_process_vm_writev:
        // Only itself, a process that is not there, or its own group.
        if (below(8)) return 0;
        a[0] = below(2) ? (uint64_t)getpid() : below(2) ? 30000 + below(1000) : 0;
        return 1;
    case SYS_exit_group:
    case SYS_exit:
    case SYS_rt_sigreturn:
    case SYS_arch_prctl: // it loses its thread pointer
    case 335:            // uretprobe: SIGILL
        return below(20) == 0;
    default:
        return 1;
    }
}

static void on_alarm(int signo) { (void)signo; }

static void open_things(void) {
    int p[2];
    struct epoll_event e = {EPOLLIN, {0}};
    pipe(p);                                              // 3 4
    pipe2(p, O_NONBLOCK);                                 // 5 6
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);               // 7 8
    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p); // 9 10
    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);      // 11
    socket(AF_INET6, SOCK_DGRAM, 0);                      // 12
    eventfd(1, EFD_NONBLOCK);                             // 13
    epoll_create1(0);                                     // 14
    epoll_ctl(14, EPOLL_CTL_ADD, 3, &e);
    timerfd_create(CLOCK_MONOTONIC, 0); // 15
    sigset_t set;
    sigfillset(&set);
    signalfd(-1, &set, SFD_NONBLOCK);          // 16
    open("f", O_RDWR | O_CREAT, 0644);         // 17
    open(".", O_RDONLY | O_DIRECTORY);         // 18
    memfd_create("m", MFD_ALLOW_SEALING);      // 19
    open("/proc/self/maps", O_RDONLY);         // 20
    open("/dev/zero", O_RDWR);                 // 21
    open("f", O_PATH);                         // 22
    (void)syscall(SYS_pidfd_open, getpid(), 0); // 23
    open("/dev/shm/x", O_RDWR | O_CREAT, 0600); // 24
    open("fifo", O_RDWR | O_NONBLOCK);         // 25
    open("/etc/passwd", O_RDONLY);             // 26
    ftruncate(19, 100000);
}

static void child(uint64_t seed, uint64_t n) {
    state = seed;
    setsid(); // its group is its own: it may be signalled
    open_things();
    struct sigaction nothing = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &nothing, NULL);
    for (uint64_t i = 0; i < n; ++i) {
        if (i % 16 == 0) fill();
        if (i % 8 == 0) alarm(2); // a call that waits for ever ends after two virtual seconds
        uint64_t a[6];
        uint64_t number = below(64) == 0 ? next() : below(8) == 0 || known_count == 0 ? below(kNumbers) : known[below(known_count)];
        const int sensible = number < kNumbers && below(2);
        for (int k = 0; k < 6; ++k) a[k] = sensible ? argument_as(kinds[number][k]) : argument();
        if (number == SYS_mmap && below(2)) a[3] = MAP_ANONYMOUS | MAP_PRIVATE | (a[3] & ~(uint64_t)MAP_FIXED);
        // Its own memory is needed to go on; that it may go is seen now and then.
        if ((number == SYS_munmap || number == SYS_mprotect || number == SYS_mremap || number == SYS_madvise) && below(16) &&
            a[0] - (uint64_t)area >= kPages * kPage)
            a[0] = (uint64_t)area + below(kPages) * kPage, a[1] = kPage;
        if (!harmless(number, a)) continue;
        __atomic_add_fetch(&counts->calls, 1, __ATOMIC_RELAXED);
        counts->last = number;
        long r = syscall((long)number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (getpid() == parent || (r == 0 && (number == SYS_fork || number == SYS_vfork || number == SYS_clone || number == SYS_clone3)))
            _exit(0); // a child of the child
        if (r < 0 && r >= -4095) {
            __atomic_add_fetch(&counts->bad, 1, __ATOMIC_RELAXED);
        } else {
            __atomic_add_fetch(&counts->good, 1, __ATOMIC_RELAXED);
            if (number < kNumbers) __atomic_add_fetch(&counts->good_by_number[number], 1, __ATOMIC_RELAXED);
        }
        if (munmap(area, 0) == 0) break; // never: EINVAL; if the pages are gone, the next fill dies of SIGSEGV
    }
    _exit(0);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const uint64_t seed = strtoull(argv[1], NULL, 10), calls = strtoull(argv[2], NULL, 10);
    parent = getpid();
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    area = mmap(NULL, (kPages + 1) * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + kPages * kPage, kPage);
    constant = mmap(NULL, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_kinds();
    mkdir("d", 0755);
    symlink("f", "l");
    symlink("loop", "loop");
    mkfifo("fifo", 0644);
    uint64_t handfuls = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (; counts->calls < calls; ++handfuls) {
        pid_t pid = fork();
        if (pid < 0) return printf("fork: %s\n", strerrorname_np(errno)), 3;
        if (pid == 0) child(seed * 1000003 + handfuls, kHandful);
        int status, waited = 0;
        while (waitpid(pid, &status, WNOHANG) == 0 && waited++ < 1000) usleep(10000);
        if (waited > 1000) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            ++counts->stuck;
        } else if (WIFSIGNALED(status)) {
            if (getenv("SHOW")) printf("handful %lu: signal %d after call %lu\n", handfuls, WTERMSIG(status), counts->last);
            ++counts->killed;
        }
        kill(-pid, SIGKILL); // what it has left behind
        while (waitpid(-1, &status, WNOHANG) > 0) ++counts->left;
    }
    unsigned answered = 0;
    for (int i = 0; i < kNumbers; ++i) answered += counts->good_by_number[i] != 0;
    printf("%lu calls, %lu good, %lu refused, %u numbers answered; of %lu children %lu killed, %lu stuck\n", counts->calls,
           counts->good, counts->bad, answered, handfuls, counts->killed, counts->stuck);
    return 0;
}
