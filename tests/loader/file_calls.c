// Asks the kernel for files, memory and pipes as programs do, and prints the answers: they must be the same natively
// and emulated, so nothing is printed that depends on the machine. Runs in an empty directory that it may change. The
// argument chooses the part.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHOW(e)                                                                                                        \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s = %ld %s\n", #e, shown, shown == -1 ? strerrorname_np(errno) : "");                                 \
    } while (0)
// For what returns a number that may differ: whether it worked, and if not, why.
#define WORKS(e)                                                                                                       \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s: %s\n", #e, shown == -1 ? strerrorname_np(errno) : "works");                                        \
    } while (0)

static char buffer[200000];
static void* const bad = (void*)8;
static volatile int caught;
static void on(int signo) { caught = signo; }

static void files(void) {
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0640);
    SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(write(fd, "hello world", 11));
    SHOW(lseek(fd, -5, SEEK_CUR));
    SHOW(read(fd, buffer, 100));
    SHOW(read(fd, buffer, 100));
    SHOW(pread(fd, buffer, 5, 6));
    printf("%.5s\n", buffer);
    SHOW(pwrite(fd, "J", 1, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, 100, SEEK_END));
    SHOW(write(fd, "x", 1));
    SHOW(lseek(fd, -1000, SEEK_CUR));
    SHOW(lseek(fd, 0, 99));
    SHOW(pread(fd, buffer, 1, -1));
    struct stat st;
    SHOW(fstat(fd, &st));
    printf("%o %ld %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
    struct iovec v[3] = {{buffer, 3}, {buffer + 10, 0}, {buffer + 20, 4}};
    SHOW(preadv(fd, v, 3, 0));
    printf("%.3s %.4s\n", buffer, buffer + 20);
    SHOW(ftruncate(fd, 5));
    SHOW(fstat(fd, &st));
    printf("%ld\n", (long)st.st_size);
    int appending = open("a", O_WRONLY | O_APPEND);
    SHOW(write(appending, "++", 2));
    SHOW(pread(fd, buffer, 100, 0));
    printf("%.7s\n", buffer);
    SHOW(read(appending, buffer, 1));
    SHOW(fcntl(appending, F_GETFL) & (O_ACCMODE | O_APPEND));
    int copy = dup(fd);
    SHOW(lseek(copy, 2, SEEK_SET));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(fcntl(copy, F_GETFD));
    SHOW(fcntl(copy, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(copy, F_GETFD));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_DUPFD, 100));
    SHOW(dup2(fd, 101));
    SHOW(dup2(fd, fd) == fd);
    SHOW(dup3(fd, fd, 0));
    SHOW(dup2(fd, 1 << 30));
    SHOW(dup2(fd, -1));
    SHOW(close_range(100, 101, 0));
    SHOW(close(100));
    SHOW(close(-1));
    SHOW(open("missing", O_RDONLY));
    SHOW(open("a/b", O_RDONLY));
    SHOW(open("", O_RDONLY));
    SHOW(open("a", O_DIRECTORY));
    SHOW(open(".", O_WRONLY));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("m/n", 0755));
    SHOW(rename("a", "d/b"));
    SHOW(access("a", F_OK));
    SHOW(access("d/b", R_OK | W_OK));
    SHOW(link("d/b", "c"));
    SHOW(stat("c", &st));
    printf("%ld\n", (long)st.st_nlink);
    SHOW(symlink("d/b", "s"));
    SHOW(lstat("s", &st));
    printf("%d %ld\n", S_ISLNK(st.st_mode), (long)st.st_size);
    SHOW(readlink("s", buffer, 2));
    SHOW(readlink("c", buffer, 2));
    SHOW(open("s", O_NOFOLLOW | O_RDONLY));
    SHOW(rmdir("d"));
    SHOW(unlink("d"));
    int dir = open("d", O_RDONLY | O_DIRECTORY);
    SHOW(unlinkat(dir, "b", 0));
    SHOW(unlinkat(dir, "b", 0));
    SHOW(read(dir, buffer, 10));
    SHOW(fchdir(dir));
    SHOW(access("../c", F_OK));
    SHOW(chdir(".."));
    SHOW(chdir("c"));
    SHOW(close(open("d/1", O_CREAT | O_WRONLY, 0600)));
    SHOW(close(open("d/2", O_CREAT | O_WRONLY, 0600)));
    DIR* all = fdopendir(dir);
    int entries = 0;
    while (readdir(all) != NULL) ++entries;
    printf("%d entries\n", entries);
    SHOW(syscall(SYS_getdents64, dirfd(all), buffer, 1));
    rewinddir(all);
    SHOW(syscall(SYS_getdents64, dirfd(all), buffer, 1));
    SHOW(chmod("c", 0600));
    SHOW(stat("c", &st));
    printf("%o\n", st.st_mode);
    struct timespec times[2] = {{1, 0}, {1234567, 89}};
    SHOW(utimensat(AT_FDCWD, "c", times, 0));
    SHOW(stat("c", &st));
    printf("%ld %ld %ld\n", (long)st.st_atim.tv_sec, (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    times[1].tv_nsec = 2000000000;
    SHOW(utimensat(AT_FDCWD, "c", times, 0));
    SHOW(umask(027) != 0777);
    SHOW(close(open("u", O_CREAT | O_WRONLY, 0666)));
    SHOW(stat("u", &st));
    printf("%o\n", st.st_mode);
    int out = open("u", O_WRONLY);
    SHOW(sendfile(out, fd, &(off_t){1}, 3));
    SHOW(flock(fd, LOCK_EX));
    SHOW(flock(fd, 77));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    SHOW(fcntl(fd, F_SETLK, &lock));
    SHOW(fcntl(fd, F_GETLK, &lock));
    SHOW(lock.l_type == F_UNLCK);
    SHOW(fsync(fd));
    SHOW(posix_fallocate(fd, 0, 10000));
    SHOW(fstat(fd, &st));
    printf("%ld\n", (long)st.st_size);
    SHOW(pwrite(fd, "0123456789", 10, 9996));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 9997, 2));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9997, 2));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10005, 5000));
    SHOW(fstat(fd, &st));
    SHOW(pread(fd, buffer, 10, 9996));
    printf("%ld %.1s%d%d%.6s%d\n", (long)st.st_size, buffer, buffer[1], buffer[2], buffer + 3, buffer[9]);
    // A file that may not become larger.
    signal(SIGXFSZ, on);
    struct rlimit usual, small = {11000, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &usual);
    setrlimit(RLIMIT_FSIZE, &small);
    SHOW(pwrite(fd, buffer, 2000, 10000));
    SHOW(caught);
    SHOW(pwrite(fd, buffer, 1, 11000));
    SHOW(caught == SIGXFSZ);
    caught = 0;
    SHOW(ftruncate(fd, 12000));
    SHOW(caught == SIGXFSZ);
    SHOW(ftruncate(fd, 10006));
    SHOW(pwrite(fd, buffer, 0, 20000));
    small.rlim_cur = usual.rlim_cur;
    setrlimit(RLIMIT_FSIZE, &small);
    SHOW(ioctl(fd, TIOCGWINSZ, buffer));
    SHOW(syscall(SYS_fcntl, fd, 12345, 0));
    // Deleted and still open; and what an O_PATH descriptor can do.
    SHOW(unlink("u"));
    SHOW(write(out, "gone", 4));
    int path = open("c", O_PATH);
    SHOW(read(path, buffer, 1));
    SHOW(fstat(path, &st));
    SHOW(ftruncate(path, 0));
    SHOW(fcntl(path, F_GETFL) == O_PATH);
    struct statx stx;
    SHOW(statx(path, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
    printf("%o %ld\n", stx.stx_mode, (long)stx.stx_size);
    SHOW(rename("d", "c"));
    SHOW(rename("c", "c/c"));
    SHOW(rename("nothing", "c"));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "d", 1));
    SHOW(truncate("c", -1));
    SHOW(truncate(".", 0));
}

static void memory(void) {
    const long page = 4096;
    int fd = open("m", O_RDWR | O_CREAT, 0600), reading = open("m", O_RDONLY);
    memset(buffer, 'a', 3 * page);
    SHOW(write(fd, buffer, 2 * page + 100));
    char* shared = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char* private = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, reading, 0);
    char* again = mmap(NULL, page, PROT_READ, MAP_SHARED, reading, page);
    shared[page] = 'S';
    printf("%c %c\n", private[page], again[0]);
    private[page] = 'P';
    printf("%c %c\n", shared[page], again[0]);
    SHOW(pread(fd, buffer, 2, page));
    printf("%.2s\n", buffer);
    SHOW(pwrite(fd, "WW", 2, page - 1));
    printf("%c%c %c%c\n", shared[page - 1], shared[page], private[page - 1], private[page]);
    shared[2 * page + 99] = 'E';
    shared[2 * page + 100] = 'X'; // behind the end: not part of the file
    SHOW(msync(shared, 3 * page, MS_SYNC));
    SHOW(munmap(shared, 3 * page));
    SHOW(pread(reading, buffer, 200, 2 * page));
    printf("%c\n", buffer[99]);
    // A mapping that is made after another was unmapped still sees the stores.
    shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char* second = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    second[1] = '1';
    munmap(shared, page);
    second[2] = '2';
    munmap(second, page);
    SHOW(pread(fd, buffer, 4, 0));
    printf("%.4s\n", buffer);
    // fork: shared stays shared, private does not.
    int* both = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int* own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fflush(stdout), fork() == 0) {
        *both = *own = 7;
        _exit(0);
    }
    wait(NULL);
    printf("%d %d\n", *both, *own);
    // Errors.
    SHOW(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(NULL, page, PROT_READ, MAP_ANONYMOUS, -1, 0));
    SHOW(syscall(SYS_mmap, 0, page, PROT_READ, MAP_PRIVATE, fd, 1));
    SHOW(mmap(NULL, page, PROT_READ, MAP_PRIVATE, -1, 0));
    SHOW(mmap(NULL, page, PROT_WRITE, MAP_SHARED, reading, 0));
    SHOW(mmap(NULL, page, PROT_READ, MAP_PRIVATE, open("m", O_WRONLY), 0));
    SHOW(mmap(NULL, page, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
    SHOW(mmap((void*)1, page, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(own, page, PROT_READ, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap((void*)0x7ffffffff000, page, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(NULL, 1ul << 47, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    SHOW(mmap(NULL, -1ul, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    WORKS(mmap(NULL, 1ul << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    SHOW(munmap((void*)1, page));
    SHOW(munmap(own, 0));
    SHOW(mprotect(own, page, 64));
    SHOW(mprotect((char*)own + 1, page, PROT_READ));
    SHOW(mprotect((void*)0x10000, page, PROT_READ));
    SHOW(mprotect(again, page, PROT_READ | PROT_WRITE));
    SHOW(mprotect(private, page, PROT_READ | PROT_WRITE | PROT_EXEC));
    // mremap keeps what is there.
    own[5] = 55;
    int* larger = mremap(own, page, 16 * page, MREMAP_MAYMOVE);
    printf("%d %d\n", larger[5], larger[8 * 1024]);
    SHOW(mremap(larger, 16 * page, page, 0) == larger);
    SHOW(mremap(larger, page, 0, 0));
    SHOW(mremap((void*)0x10000, page, page, 0));
    SHOW(mremap(larger, page, page, 1234));
    SHOW(mremap(larger, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, (char*)larger + 1));
    int* moved = mremap(larger, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, (char*)larger + 8 * page);
    printf("%d\n", moved[5]);
    SHOW(madvise(moved, page, MADV_DONTNEED));
    printf("%d\n", moved[5]);
    SHOW(madvise((char*)moved + 1, page, MADV_DONTNEED));
    SHOW(madvise((void*)0x10000, page, MADV_DONTNEED));
    SHOW(madvise(moved, page, 12345));
    private[0] = 'Z';
    SHOW(madvise(private, page, MADV_DONTNEED));
    printf("%c\n", private[0]);
    SHOW(msync((void*)0x10000, page, MS_SYNC));
    SHOW(mincore(moved, page, (void*)buffer));
    SHOW(mlock(moved, page));
    SHOW(mlock(bad, page));
    SHOW(mlock(moved, -1));
    SHOW(munlock(bad, 1));
    SHOW(mlockall(0));
    SHOW(mlockall(77));
    SHOW(mlockall(MCL_ONFAULT));
    char* end = sbrk(0);
    SHOW((char*)sbrk(10000) == end);
    end[9999] = 1;
    SHOW((char*)sbrk(-10000) == end + 10000);
    SHOW(brk((void*)1));
    int mem = memfd_create("name", MFD_ALLOW_SEALING);
    SHOW(ftruncate(mem, 10000));
    char* view = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
    strcpy(view + 5000, "in memory");
    SHOW(pread(mem, buffer, 9, 5000));
    printf("%.9s\n", buffer);
    SHOW(pwrite(mem, "IN", 2, 5000));
    printf("%s\n", view + 5000);
    SHOW(fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK));
    SHOW(ftruncate(mem, 5));
    SHOW(fcntl(mem, F_GET_SEALS));
    int shm = open("/dev/shm/trapline-file-calls", O_RDWR | O_CREAT | O_EXCL, 0600);
    WORKS(shm);
    SHOW(write(shm, "abc", 3));
    SHOW(open("/dev/shm/trapline-file-calls", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(read(open("/dev/shm/trapline-file-calls", O_RDONLY), buffer, 10));
    SHOW(unlink("/dev/shm/trapline-file-calls"));
    SHOW(open("/dev/shm/trapline-file-calls", O_RDWR));
}

static void* reader(void* fd) {
    char one[10];
    long n = read(*(int*)fd, one, sizeof one);
    return (void*)n;
}

static void channels(void) {
    int p[2];
    SHOW(pipe2(p, O_NONBLOCK));
    SHOW(read(p[0], buffer, 10));
    SHOW(write(p[1], "abc", 3));
    SHOW(read(p[0], buffer, 2));
    SHOW(ioctl(p[0], FIONREAD, &(int){0}));
    SHOW(read(p[0], buffer, 2));
    SHOW(write(p[1], buffer, 100000));
    SHOW(write(p[1], buffer, 1));
    SHOW(read(p[0], buffer, 4095));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    SHOW(lseek(p[0], 0, SEEK_SET));
    SHOW(pread(p[0], buffer, 1, 0));
    SHOW(write(p[0], "x", 1));
    SHOW(read(p[1], buffer, 1));
    close(p[0]);
    signal(SIGPIPE, on);
    SHOW(write(p[1], "x", 1));
    printf("signal %d\n", caught);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(p[1], "x", 1));
    close(p[1]);
    SHOW(pipe2(p, 12345));
    // A write of more than fits waits for the reader, and a reader sees the end.
    SHOW(pipe(p));
    if (fflush(stdout), fork() == 0) {
        close(p[0]);
        memset(buffer, 'q', sizeof buffer);
        _exit(write(p[1], buffer, sizeof buffer) == sizeof buffer ? 5 : 6);
    }
    close(p[1]);
    long total = 0, n;
    while ((n = read(p[0], buffer, 5000)) > 0) total += n;
    int status;
    wait(&status);
    printf("%ld %ld %d\n", total, n, WEXITSTATUS(status));
    close(p[0]);
    // A thread that waits is woken by a write and by the last close.
    for (int i = 0; i < 2; ++i) {
        pipe(p);
        pthread_t t;
        pthread_create(&t, NULL, reader, &p[0]);
        usleep(1000);
        if (i == 0) write(p[1], "hello", 5);
        close(p[1]);
        void* got;
        pthread_join(t, &got);
        printf("got %ld\n", (long)got);
        close(p[0]);
    }
    // A signal ends a read without SA_RESTART.
    pipe(p);
    struct sigaction sa = {.sa_handler = on};
    sigaction(SIGALRM, &sa, NULL);
    ualarm(1000, 0);
    SHOW(read(p[0], buffer, 1));
    int e = eventfd(3, EFD_NONBLOCK);
    SHOW(read(e, buffer, 8));
    printf("%ld\n", *(long*)buffer);
    SHOW(read(e, buffer, 8));
    SHOW(read(e, buffer, 7));
    SHOW(write(e, &(uint64_t){5}, 8));
    SHOW(write(e, &(uint64_t){-1}, 8));
    SHOW(write(e, &(uint64_t){-3}, 8));
    e = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    SHOW(read(e, buffer, 8));
    SHOW(read(e, buffer, 8));
    SHOW(read(e, buffer, 8));
    // exec closes what is marked, and only that.
    pipe(p);
    fcntl(p[1], F_SETFD, FD_CLOEXEC);
    fflush(stdout);
    if (fork() == 0) {
        char numbers[2][20];
        for (int i = 0; i < 2; ++i) sprintf(numbers[i], "%d", p[i]);
        execl("/proc/self/exe", "file-calls", "inherited", numbers[0], numbers[1], NULL);
        _exit(1);
    }
    wait(NULL);
    // /proc/self/fd/N of a pipe is the pipe.
    char name[50];
    pipe(p);
    sprintf(name, "/proc/self/fd/%d", p[1]);
    int w = open(name, O_WRONLY);
    SHOW(write(w, "via proc", 8));
    SHOW(read(p[0], buffer, 20));
    SHOW(strncmp(buffer, "via proc", 8));
    n = readlink(name, buffer, 100);
    printf("%.5s\n", buffer);
}

static long milliseconds(struct timespec from) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000;
}

static void waiting(void) {
    int p[2], q[2];
    pipe(p);
    pipe(q);
    struct pollfd f[4] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {-1, POLLIN, 9}, {999, POLLIN, 0}};
    SHOW(poll(f, 4, 0));
    printf("%d %d %d %d\n", f[0].revents, f[1].revents, f[2].revents, f[3].revents);
    SHOW(poll(f, 1, 0));
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    SHOW(poll(f, 1, 30));
    long took = milliseconds(start);
    printf("%s\n", took >= 30 && took < 5000 ? "waited" : "did not wait");
    write(p[1], "x", 1);
    SHOW(poll(f, 1, -1));
    printf("%d\n", f[0].revents);
    read(p[0], buffer, 1);
    if (fflush(stdout), fork() == 0) {
        usleep(2000);
        write(p[1], "y", 1);
        _exit(0);
    }
    SHOW(poll(f, 1, 10000));
    wait(NULL);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(p[0], &in);
    FD_SET(q[0], &in);
    FD_SET(q[1], &out);
    SHOW(select(q[1] + 1, &in, &out, NULL, NULL));
    printf("%d %d %d\n", FD_ISSET(p[0], &in), FD_ISSET(q[0], &in), FD_ISSET(q[1], &out));
    struct timeval none = {0, 1000};
    FD_ZERO(&in);
    FD_SET(q[0], &in);
    SHOW(select(q[0] + 1, &in, NULL, NULL, &none));
    printf("%d %ld %ld\n", FD_ISSET(q[0], &in), (long)none.tv_sec, (long)none.tv_usec);
    FD_ZERO(&in);
    FD_SET(500, &in);
    SHOW(select(501, &in, NULL, NULL, &none));
    SHOW(select(-1, NULL, NULL, NULL, &none));
    none.tv_sec = -1;
    SHOW(select(0, NULL, NULL, NULL, &none));
    close(p[1]);
    SHOW(poll(f, 1, 0));
    printf("%d\n", f[0].revents);
    read(p[0], buffer, 10);
    SHOW(poll(f, 1, 0));
    printf("%d\n", f[0].revents);
    close(q[0]);
    f[1].fd = q[1];
    SHOW(poll(f + 1, 1, 0));
    printf("%d\n", f[1].revents);
    // A signal that only ppoll lets through.
    sigset_t block, open_mask;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL);
    raise(SIGUSR1);
    printf("caught %d\n", caught);
    sigemptyset(&open_mask);
    SHOW(ppoll(NULL, 0, NULL, &open_mask));
    printf("caught %d\n", caught);
    sigprocmask(SIG_SETMASK, NULL, &open_mask);
    SHOW(sigismember(&open_mask, SIGUSR1));
    SHOW(ppoll(NULL, 0, &(struct timespec){0, 1000000000}, NULL));
    // epoll
    pipe(p);
    int ep = epoll_create1(EPOLL_CLOEXEC), file = open("e", O_RDWR | O_CREAT, 0600);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 42}, got[4];
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, file, &ev));
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev));
    SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
    SHOW(epoll_wait(ep, got, 4, 0));
    SHOW(epoll_wait(ep, got, 0, 0));
    write(p[1], "z", 1);
    SHOW(epoll_wait(ep, got, 4, -1));
    printf("%d %ld\n", got[0].events, (long)got[0].data.u64);
    SHOW(epoll_wait(ep, got, 4, 0));
    ev.events = EPOLLIN | EPOLLET;
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
    SHOW(epoll_wait(ep, got, 4, 0));
    SHOW(epoll_wait(ep, got, 4, 0));
    write(p[1], "z", 1);
    SHOW(epoll_wait(ep, got, 4, 0));
    ev.events = EPOLLIN | EPOLLONESHOT;
    SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
    SHOW(epoll_wait(ep, got, 4, 0));
    SHOW(epoll_wait(ep, got, 4, 0));
    f[0].fd = ep;
    SHOW(poll(f, 1, 0));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
    SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
}

// What a program can find out about itself.
static void self(void) {
    char* memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE* maps = fopen("/proc/self/maps", "r");
    int heap = 0, stack = 0, found = 0, columns = 0, text = 0;
    free(malloc(100));
    while (fgets(buffer, sizeof buffer, maps) != NULL) {
        unsigned long start, end, offset, inode;
        char rights[5], name[300] = "";
        unsigned major, minor;
        int fields = sscanf(buffer, "%lx-%lx %4s %lx %x:%x %lu %299s", &start, &end, rights, &offset, &major, &minor,
                            &inode, name);
        if (fields < 7) printf("cannot read: %s", buffer);
        if (name[0] != 0 && strstr(buffer, name) - buffer != 73) ++columns;
        if (start <= (unsigned long)&self && (unsigned long)&self < end)
            text = strcmp(rights, "r-xp") == 0 && inode != 0;
        if (start <= (unsigned long)&fields && (unsigned long)&fields < end) stack = strcmp(name, "[stack]") == 0;
        if (start <= (unsigned long)memory && (unsigned long)memory < end)
            found = strcmp(rights, "r-xp") == 0 && inode == 0;
        if (strcmp(name, "[heap]") == 0) heap = strcmp(rights, "rw-p") == 0;
    }
    printf("heap %d stack %d text %d mapping %d misplaced names %d\n", heap, stack, text, found, columns);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    long n = read(fd, buffer, sizeof buffer);
    printf("%d %s\n", buffer[n - 1], buffer + strlen(buffer) + 1);
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(open("/proc/self/nothing", O_RDONLY));
    SHOW(open("/proc/self/status/x", O_RDONLY));
    SHOW(open("/proc/self/fd/77", O_RDONLY));
    SHOW(open("/proc/../proc/self/../self/../../nothing", O_RDONLY));
    n = readlink("/proc/self", buffer, sizeof buffer);
    buffer[n] = 0;
    SHOW(atoi(buffer) == getpid());
    n = readlink("/proc/self/cwd", buffer, sizeof buffer);
    buffer[n] = 0;
    SHOW(strcmp(buffer, getcwd(buffer + 5000, 5000)));
    struct stat st;
    SHOW(stat("/proc/self/fd/0", &st));
    SHOW(lstat("/proc/self/fd/0", &st));
    printf("%d\n", S_ISLNK(st.st_mode));
    SHOW(stat("/dev/null", &st));
    printf("%o %lx\n", st.st_mode & S_IFMT, (long)st.st_rdev);
    SHOW(write(open("/dev/full", O_WRONLY), "x", 1));
    SHOW(write(open("/dev/null", O_WRONLY), "x", 1));
    SHOW(read(open("/dev/null", O_RDONLY), buffer, 1));
    SHOW(read(open("/dev/zero", O_RDONLY), buffer, 9));
    SHOW(read(open("/dev/urandom", O_RDONLY), buffer, 9));
    SHOW(mkdir("/proc/new", 0700));
    SHOW(unlink("/dev/nothing"));
    SHOW(chdir("/proc/self/fd"));
    SHOW(open("0", O_PATH) > 2);
    SHOW(chdir("../../../proc/self/status"));
    fd = open("/proc/self/mem", O_RDONLY);
    SHOW(pread(fd, buffer, 8, (long)"a string"));
    printf("%.8s\n", buffer);
    SHOW(pread(fd, buffer, 8, 8));
    DIR* d = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(d) != NULL) ++count;
    SHOW(count > 5);
}

// What no kernel may fall for.
static void hostile(void) {
    int fd = open("h", O_RDWR | O_CREAT, 0600), p[2];
    pipe(p);
    SHOW(write(fd, "some text", 9));
    SHOW(pread(fd, bad, 9, 0));
    SHOW(write(fd, bad, 9));
    SHOW(pread(fd, buffer, 1ul << 60, 0));
    SHOW(pread(fd, (void*)0x7ffffffff000, 1, 0));
    SHOW(pread(fd, (void*)-1ul, 9, 0));
    SHOW(write(p[1], "pipe", 4));
    SHOW(read(p[0], bad, 4));
    SHOW(read(p[0], buffer, 4)); // the bytes are still there
    SHOW(pwrite(fd, "x", 1, LONG_MAX));
    struct iovec v[2] = {{buffer, -1ul}, {bad, 4}};
    SHOW(readv(fd, v, 1));
    SHOW(readv(fd, v, 1025));
    SHOW(readv(fd, v, -1));
    SHOW(readv(fd, bad, 1));
    v[0].iov_len = 4;
    lseek(fd, 0, SEEK_SET);
    SHOW(readv(fd, v, 2)); // as much as there is room for
    SHOW(open(bad, O_RDONLY));
    memset(buffer, 'a', 10000);
    buffer[10000] = 0;
    SHOW(open(buffer, O_RDONLY));
    buffer[300] = 0;
    SHOW(open(buffer, O_RDONLY));
    SHOW(stat("h", bad));
    SHOW(pipe(bad));
    SHOW(poll(bad, 1, 0));
    SHOW(syscall(SYS_poll, p, -1ul, 0));
    SHOW(syscall(SYS_select, 1 << 30, bad, NULL, NULL, NULL));
    SHOW(syscall(SYS_getdents64, open(".", O_RDONLY), bad, 1000));
    SHOW(syscall(SYS_getcwd, bad, 1000));
    SHOW(syscall(SYS_getcwd, buffer, 1));
    SHOW(syscall(SYS_readlink, "/proc/self", buffer, -1));
    SHOW(syscall(SYS_read, -1, buffer, 1));
    SHOW(syscall(SYS_read, 1 << 30, buffer, 1));
    SHOW(syscall(SYS_fcntl, fd, F_DUPFD, -1ul));
    SHOW(syscall(SYS_epoll_wait, epoll_create1(0), bad, 1 << 30, 0));
    SHOW(ftruncate(fd, LONG_MAX));
    SHOW(syscall(SYS_mremap, buffer, -1ul, 4096, MREMAP_MAYMOVE, 0));
    SHOW(syscall(SYS_mremap, 0x10000, 4096, -1ul, MREMAP_MAYMOVE, 0));
    SHOW(syscall(SYS_madvise, 0x10000, -1ul, MADV_DONTNEED));
    SHOW(syscall(SYS_mincore, 0, -1ul, buffer));
    SHOW(syscall(SYS_memfd_create, bad, 0));
    SHOW(syscall(SYS_close_range, 5, 4, 0));
    SHOW(symlink("loop", "loop"));
    SHOW(open("loop", O_RDONLY));
    // Descriptors run out at the limit, and not before.
    int count = 0;
    while (dup(fd) >= 0) ++count;
    printf("%s\n", strerrorname_np(errno));
    SHOW(pipe(p));
    SHOW(close_range(3, ~0u, 0));
    SHOW(dup(0));
}

/// The lock that another process would run into: its kind, start, length and holder.
static void who_locks(int fd, int command, int kind, off_t start, off_t length) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        int own = open("locked", O_RDWR);
        struct flock l = {.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
        SHOW(fcntl(own, command, &l));
        printf("%d %d %ld %ld %d\n", l.l_type, l.l_whence, (long)l.l_start, (long)l.l_len,
               l.l_pid == getppid() ? 1
               : l.l_pid == -1      ? -1
                                    : 0);
        l = (struct flock){.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
        SHOW(fcntl(own, command == F_GETLK ? F_SETLK : F_OFD_SETLK, &l));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static long lock(int fd, int command, int kind, off_t start, off_t length) {
    struct flock l = {.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &l);
}

static void locks(void) {
    int fd = open("locked", O_RDWR | O_CREAT, 0600);
    SHOW(write(fd, "0123456789", 10));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 10, 10));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 20, 5)); // its neighbour: one lock
    who_locks(fd, F_GETLK, F_RDLCK, 0, 0);
    who_locks(fd, F_GETLK, F_WRLCK, 0, 10);
    SHOW(lock(fd, F_SETLK, F_UNLCK, 13, 2)); // a hole
    who_locks(fd, F_GETLK, F_WRLCK, 0, 0);
    who_locks(fd, F_GETLK, F_WRLCK, 14, 100);
    SHOW(lock(fd, F_SETLK, F_RDLCK, 15, 0));
    who_locks(fd, F_GETLK, F_RDLCK, 15, 0);
    who_locks(fd, F_GETLK, F_WRLCK, 100, 1);
    who_locks(fd, F_OFD_GETLK, F_WRLCK, 100, 1);
    // Closing any descriptor of the file gives up what the process holds; a lock of a description stays.
    SHOW(lock(fd, F_OFD_SETLK, F_WRLCK, 50, 1));
    SHOW(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 30, 1));
    SHOW(lock(fd, F_OFD_SETLK, F_WRLCK, 30, 1));
    close(open("locked", O_RDONLY));
    who_locks(fd, F_GETLK, F_WRLCK, 30, 1);
    who_locks(fd, F_GETLK, F_WRLCK, 50, 1);
    SHOW(lock(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
    int reader = open("locked", O_RDONLY);
    SHOW(lock(reader, F_SETLK, F_WRLCK, 0, 1));
    SHOW(lock(reader, F_SETLK, F_RDLCK, 0, 1));
    SHOW(lock(fd, F_SETLK, 77, 0, 1));
    SHOW(lock(fd, F_SETLK, F_WRLCK, -1, 1));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 5, -6));
    SHOW(lock(fd, F_SETLK, F_WRLCK, 5, -5));
    SHOW(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    SHOW(lseek(fd, 4, SEEK_SET));
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 1, .l_len = 2};
    SHOW(fcntl(fd, F_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -1, .l_len = 3};
    SHOW(fcntl(fd, F_SETLK, &l));
    who_locks(fd, F_GETLK, F_RDLCK, 0, 0);
    who_locks(fd, F_GETLK, F_RDLCK, 7, 0);
    l.l_whence = 9;
    SHOW(fcntl(fd, F_SETLK, &l));
    SHOW(fcntl(fd, F_SETLK, bad));
    SHOW(lock(fd, F_SETLK, F_UNLCK, 0, 0));

    // Waiting: the child holds the lock for a while, the parent gets it when the child has ended.
    int ready[2];
    SHOW(pipe(ready));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int own = open("locked", O_RDWR);
        lock(own, F_SETLK, F_WRLCK, 0, 1);
        flock(own, LOCK_SH);
        (void)!write(ready[1], "x", 1);
        lock(own, F_SETLKW, F_WRLCK, 100, 1); // the parent's until it closes the loop
        usleep(20000);
        (void)!write(own, "child was here", 14);
        _exit(0);
    }
    SHOW(lock(fd, F_SETLK, F_WRLCK, 100, 1));
    SHOW(read(ready[0], buffer, 1));
    usleep(20000); // it waits for us now
    SHOW(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    SHOW(lock(fd, F_SETLKW, F_WRLCK, 0, 1)); // each would wait for the other
    SHOW(flock(fd, LOCK_EX | LOCK_NB));
    SHOW(flock(fd, LOCK_SH | LOCK_NB));
    SHOW(flock(fd, LOCK_EX | LOCK_NB));
    SHOW(lock(fd, F_SETLK, F_UNLCK, 100, 1));
    SHOW(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
    SHOW(pread(fd, buffer, 14, 0));
    printf("%.14s\n", buffer);
    SHOW(flock(fd, LOCK_EX));
    SHOW(waitpid(child, NULL, 0) == child);
    // A copy of a descriptor is the same lock; another description is not.
    int copy = dup(fd), other = open("locked", O_RDWR);
    SHOW(flock(copy, LOCK_EX | LOCK_NB));
    SHOW(flock(other, LOCK_SH | LOCK_NB));
    close(fd);
    SHOW(flock(other, LOCK_SH | LOCK_NB));
    SHOW(flock(copy, LOCK_UN));
    SHOW(flock(other, LOCK_EX | LOCK_NB));
    // A signal ends the wait.
    struct sigaction action = {.sa_handler = on};
    sigaction(SIGALRM, &action, NULL);
    ualarm(10000, 0);
    SHOW(flock(copy, LOCK_EX));
    SHOW(caught == SIGALRM);
    SHOW(flock(copy, LOCK_SH | LOCK_UN));
}

static long send_to(mqd_t q, const char* text, unsigned priority) { return mq_send(q, text, strlen(text), priority); }

static void show_message(mqd_t q) {
    unsigned priority = 0;
    memset(buffer, 0, 64);
    SHOW(mq_receive(q, buffer, sizeof buffer, &priority));
    printf("%s %u\n", buffer, priority);
}

static volatile siginfo_t told;
static void on_message(int signo, siginfo_t* info, void* context) { told = *info; }

static void queues(void) {
    char name[64];
    snprintf(name, sizeof name, "/trapline-test-%d", getpid());
    struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16};
    SHOW(mq_open(name, O_RDWR));
    SHOW(mq_open("no-slash", O_RDWR | O_CREAT, 0600, NULL));
    SHOW(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
    SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, &(struct mq_attr){.mq_maxmsg = 0, .mq_msgsize = 16}));
    mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
    WORKS(q);
    SHOW(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
    SHOW(mq_getattr(q, &a));
    printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
    SHOW(fcntl(q, F_GETFD));
    struct stat st;
    SHOW(fstat(q, &st));
    printf("%o %ld\n", st.st_mode, (long)st.st_size);
    SHOW(send_to(q, "low", 1));
    SHOW(send_to(q, "high", 9));
    SHOW(send_to(q, "low again", 1));
    SHOW(send_to(q, "full", 1));
    SHOW(send_to(q, "longer than a message may be", 1));
    SHOW(send_to(q, "priority", 32768));
    struct pollfd poller = {.fd = q, .events = POLLIN | POLLOUT};
    SHOW(poll(&poller, 1, 0));
    SHOW(poller.revents);
    SHOW(mq_receive(q, buffer, 15, NULL));
    show_message(q);
    show_message(q);
    show_message(q);
    show_message(q);
    mqd_t reader = mq_open(name, O_RDONLY);
    SHOW(send_to(reader, "x", 0));
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec = (soon.tv_nsec + 20000000) % 1000000000;
    soon.tv_sec += soon.tv_nsec < 20000000;
    SHOW(mq_timedreceive(reader, buffer, sizeof buffer, NULL, &soon));
    SHOW(mq_timedreceive(reader, buffer, sizeof buffer, NULL, &(struct timespec){0, -1}));
    // Whoever is told of a message is told once, and only when nobody waits.
    struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    SHOW(mq_notify(q, &event));
    SHOW(mq_notify(q, &event));
    SHOW(send_to(q, "told", 2));
    printf("%d %d %d\n", told.si_code, told.si_value.sival_int, told.si_pid == getpid());
    told.si_code = 0;
    SHOW(send_to(q, "not told", 1));
    SHOW(told.si_code);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        SHOW(mq_notify(q, &event));
        show_message(q);
        show_message(q);
        usleep(20000);
        SHOW(send_to(q, "from the child", 0));
        fflush(stdout);
        _exit(0);
    }
    SHOW(waitpid(child, NULL, 0) == child);
    SHOW(mq_notify(q, &event)); // the child's went with it
    mqd_t other = mq_open(name, O_RDWR);
    SHOW(mq_close(other));
    SHOW(mq_notify(q, &event)); // and so does one's own, with any descriptor
    show_message(q);
    SHOW(mq_unlink(name));
    SHOW(mq_unlink(name));
    SHOW(send_to(q, "without a name", 0));
    SHOW(mq_send(0, "x", 1, 0));
    SHOW(mq_setattr(q, &(struct mq_attr){.mq_flags = O_APPEND}, NULL));
    SHOW(mq_setattr(q, &(struct mq_attr){.mq_flags = 0}, &a));
    SHOW(a.mq_flags == O_NONBLOCK);
}

static void splices(void) {
    int in = open("source", O_RDWR | O_CREAT, 0600), p[2], o[2];
    memset(buffer, 'a', 100000);
    SHOW(write(in, buffer, 100000));
    SHOW(pipe(p));
    SHOW(pipe2(o, O_NONBLOCK));
    loff_t at = 5;
    SHOW(splice(in, &at, p[1], NULL, 1000, 0));
    SHOW(at);
    SHOW(lseek(in, 0, SEEK_CUR));
    SHOW(splice(in, NULL, p[1], &at, 10, 0));
    SHOW(splice(in, NULL, in, NULL, 10, 0));
    SHOW(splice(p[0], NULL, p[1], NULL, 10, 0));
    SHOW(splice(in, NULL, p[1], NULL, 0, 0));
    SHOW(splice(in, NULL, p[1], NULL, 10, 64));
    SHOW(tee(p[0], o[1], 300, 0));
    SHOW(tee(p[0], in, 300, 0));
    int n = 0;
    SHOW(ioctl(p[0], FIONREAD, &n));
    SHOW(n);
    SHOW(splice(p[0], NULL, o[1], NULL, 200, 0));
    SHOW(ioctl(o[0], FIONREAD, &n));
    SHOW(n);
    int out = open("sink", O_RDWR | O_CREAT, 0600);
    at = 7;
    SHOW(splice(o[0], NULL, out, &at, 1000, 0));
    SHOW(splice(o[0], NULL, out, &at, 1000, 0));
    SHOW(splice(p[0], NULL, out, NULL, 5000, 0));
    SHOW(splice(p[0], NULL, out, NULL, 5000, SPLICE_F_NONBLOCK));
    struct stat st;
    SHOW(fstat(out, &st));
    SHOW(st.st_size);
    struct iovec parts[2] = {{"hello ", 6}, {"world", 5}};
    SHOW(vmsplice(p[1], parts, 2, 0));
    SHOW(vmsplice(in, parts, 2, 0));
    SHOW(read(p[0], buffer, 20));
    printf("%.11s\n", buffer);
    SHOW(close(p[1]));
    SHOW(splice(p[0], NULL, out, NULL, 10, 0));
    SHOW(close(o[0]));
    signal(SIGPIPE, on);
    SHOW(splice(in, NULL, o[1], NULL, 10, 0));
    SHOW(caught == SIGPIPE);
    // How much a pipe holds.
    SHOW(pipe2(p, O_NONBLOCK));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    SHOW(fcntl(p[1], F_SETPIPE_SZ, 5000));
    SHOW(write(p[1], buffer, 100000));
    SHOW(fcntl(p[1], F_SETPIPE_SZ, 4096));
    SHOW(fcntl(p[1], F_SETPIPE_SZ, 100000));
    SHOW(write(p[1], buffer, 200000));
    SHOW(fcntl(in, F_GETPIPE_SZ));
}

int main(int argc, char** argv) {
    const char* part = argc > 1 ? argv[1] : "";
    if (strcmp(part, "inherited") == 0)
        for (int i = 2; i < argc; ++i) SHOW(fcntl(atoi(argv[i]), F_GETFD));
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    if (strcmp(part, "locks") == 0) locks();
    if (strcmp(part, "queues") == 0) queues();
    if (strcmp(part, "splices") == 0) splices();
    if (strcmp(part, "files") == 0) files();
    if (strcmp(part, "memory") == 0) memory();
    if (strcmp(part, "channels") == 0) channels();
    if (strcmp(part, "waiting") == 0) waiting();
    if (strcmp(part, "self") == 0) self();
    if (strcmp(part, "hostile") == 0) hostile();
    return 0;
}
