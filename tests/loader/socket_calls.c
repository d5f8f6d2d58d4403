// Asks the kernel for sockets as programs do, and prints the answers: they must be the same natively and emulated, so
// no port and no process number is printed. Runs in an empty directory that it may change. The argument chooses the
// part.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOW(e)                                                                                                        \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s = %ld %s\n", #e, shown, shown == -1 ? strerrorname_np(errno) : "");                                 \
    } while (0)
#define WORKS(e)                                                                                                       \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long shown = (long)(e);                                                                                        \
        printf("%s: %s\n", #e, shown == -1 ? strerrorname_np(errno) : "works");                                        \
    } while (0)

static char buffer[300000];
static void* const bad = (void*)8;
static volatile int caught;
static void on(int signo) { caught = signo; }

static int events(int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    poll(&p, 1, 0);
    return p.revents;
}
#define EVENTS(fd) printf("events of %s: %#x\n", #fd, events(fd))

static struct sockaddr_un named(const char* name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, name);
    return a;
}
static int bind_unix(int fd, const char* name) {
    struct sockaddr_un a = named(name);
    return bind(fd, (struct sockaddr*)&a, sizeof a);
}
static int connect_unix(int fd, const char* name) {
    struct sockaddr_un a = named(name);
    return connect(fd, (struct sockaddr*)&a, sizeof a);
}
static void show_name(const char* what, int fd, int (*f)(int, struct sockaddr*, socklen_t*)) {
    struct sockaddr_un a;
    socklen_t n = sizeof a;
    memset(&a, 0, sizeof a);
    int r = f(fd, (struct sockaddr*)&a, &n);
    printf("%s: %d %s, %d bytes, family %d, path '%s'\n", what, r, r < 0 ? strerrorname_np(errno) : "", (int)n,
           a.sun_family, a.sun_path[0] || n < 3 ? a.sun_path : a.sun_path + 1);
}

static struct sockaddr_in at(const char* host, int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}
static int bind_in(int fd, const char* host, int port) {
    struct sockaddr_in a = at(host, port);
    return bind(fd, (struct sockaddr*)&a, sizeof a);
}
static int connect_in(int fd, const char* host, int port) {
    struct sockaddr_in a = at(host, port);
    return connect(fd, (struct sockaddr*)&a, sizeof a);
}
static int port_of(int fd) {
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    getsockname(fd, (struct sockaddr*)&a, &n);
    return ntohs(a.sin6_port);
}
// The address, and whether there is a port.
static void show_in(const char* what, int fd, int (*f)(int, struct sockaddr*, socklen_t*)) {
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    char text[64] = "";
    memset(&a, 0, sizeof a);
    int r = f(fd, (struct sockaddr*)&a, &n);
    if (r < 0) {
        printf("%s: %s\n", what, strerrorname_np(errno));
        return;
    }
    if (a.sin6_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in*)&a)->sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
    printf("%s: family %d, %s, %s port, %d bytes\n", what, a.sin6_family, text, a.sin6_port ? "a" : "no", (int)n);
}
static int option(int fd, int level, int name) {
    int value = 0;
    socklen_t n = sizeof value;
    return getsockopt(fd, level, name, &value, &n) < 0 ? -errno : value;
}
static int set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value); }

static void unix_streams(void) {
    int p[2];
    signal(SIGPIPE, on);
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
    EVENTS(p[0]);
    SHOW(write(p[0], "hello", 5));
    SHOW(send(p[0], " world", 6, 0));
    EVENTS(p[1]);
    int waiting = 0;
    SHOW(ioctl(p[1], FIONREAD, &waiting));
    printf("%d wait\n", waiting);
    SHOW(recv(p[1], buffer, 3, MSG_PEEK));
    SHOW(recv(p[1], buffer, 100, 0));
    printf("%.11s\n", buffer);
    SHOW(recv(p[1], buffer, 100, MSG_DONTWAIT));
    SHOW(write(p[0], "", 0));
    SHOW(lseek(p[0], 0, SEEK_SET));
    struct stat st;
    SHOW(fstat(p[0], &st));
    printf("%o\n", st.st_mode);
    show_name("name", p[0], getsockname);
    show_name("peer", p[0], getpeername);
    SHOW(shutdown(p[0], SHUT_WR));
    SHOW(read(p[1], buffer, 10));
    EVENTS(p[0]);
    EVENTS(p[1]);
    SHOW(write(p[0], "x", 1));
    printf("signal %d\n", caught), caught = 0;
    SHOW(send(p[0], "x", 1, MSG_NOSIGNAL));
    printf("signal %d\n", caught);
    SHOW(write(p[1], "back", 4));
    SHOW(read(p[0], buffer, 10));
    SHOW(close(p[1]));
    EVENTS(p[0]);
    SHOW(read(p[0], buffer, 10));
    SHOW(shutdown(p[0], 7));
    close(p[0]);
    // Closed with something unread.
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    SHOW(write(p[0], "unread", 6));
    close(p[1]);
    EVENTS(p[0]);
    SHOW(read(p[0], buffer, 10));
    SHOW(read(p[0], buffer, 10));
    SHOW(write(p[0], "x", 1));
    printf("signal %d\n", caught), caught = 0;
    close(p[0]);
    // Names.
    int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    EVENTS(s);
    SHOW(read(s, buffer, 10));
    SHOW(write(s, buffer, 10));
    SHOW(listen(s, 1));
    SHOW(bind_unix(s, "no/such/place"));
    SHOW(bind_unix(s, "door"));
    SHOW(bind_unix(s, "other"));
    show_name("bound", s, getsockname);
    SHOW(stat("door", &st));
    printf("%o\n", st.st_mode & S_IFMT);
    SHOW(open("door", O_RDWR));
    SHOW(connect_unix(c, "door"));
    SHOW(connect_unix(c, "nowhere"));
    SHOW(accept(s, NULL, NULL));
    SHOW(listen(s, 1));
    EVENTS(s);
    SHOW(connect_unix(c, "door"));
    SHOW(connect_unix(c, "door"));
    EVENTS(s);
    SHOW(write(c, "early", 5));
    struct sockaddr_un from;
    socklen_t n = sizeof from;
    int a = accept4(s, (struct sockaddr*)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    printf("accepted from %d bytes, flags %x %x\n", (int)n, fcntl(a, F_GETFL), fcntl(a, F_GETFD));
    show_name("accepted", a, getsockname);
    show_name("client's peer", c, getpeername);
    SHOW(read(a, buffer, 100));
    SHOW(read(a, buffer, 100));
    struct ucred cred;
    n = sizeof cred;
    SHOW(getsockopt(a, SOL_SOCKET, SO_PEERCRED, &cred, &n));
    printf("%d %d\n", cred.pid == getpid(), cred.uid == getuid());
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    SHOW(connect_unix(d, "door"));
    SHOW(sendto(c, "x", 1, 0, (struct sockaddr*)&from, sizeof from));
    close(d);
    // The queue of a listener.
    int q[4];
    for (int i = 0; i < 4; ++i) {
        q[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        SHOW(connect_unix(q[i], "door"));
    }
    close(s);
    EVENTS(q[0]);
    SHOW(read(q[0], buffer, 1));
    SHOW(write(q[0], "x", 1));
    SHOW(connect_unix(q[3], "door"));
    SHOW(unlink("door"));
    SHOW(connect_unix(q[3], "door"));
    for (int i = 0; i < 4; ++i) close(q[i]);
    close(a);
    SHOW(read(c, buffer, 1));
    close(c);
    // Abstract names.
    s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0a name of trapline's tests"};
    SHOW(bind(s, (struct sockaddr*)&abstract, 20));
    show_name("abstract", s, getsockname);
    c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    SHOW(bind(c, (struct sockaddr*)&abstract, 20));
    SHOW(bind(c, (struct sockaddr*)&abstract, 2));
    struct sockaddr_un automatic;
    n = sizeof automatic;
    getsockname(c, (struct sockaddr*)&automatic, &n);
    printf("an automatic name: %d bytes, %d\n", (int)n, automatic.sun_path[0]);
    SHOW(listen(s, 5));
    SHOW(connect(c, (struct sockaddr*)&abstract, 20));
    a = accept(s, NULL, NULL);
    SHOW(send(c, "one record", 10, 0));
    SHOW(send(c, "another", 7, 0));
    SHOW(recv(a, buffer, 3, 0));
    SHOW(recv(a, buffer, 100, MSG_TRUNC));
    SHOW(recv(a, buffer, 100, MSG_DONTWAIT));
    SHOW(read(socket(AF_UNIX, SOCK_SEQPACKET, 0), buffer, 1));
    SHOW(bind(s, (struct sockaddr*)&abstract, 1));
    SHOW(bind(s, bad, 20));
    SHOW(connect(s, (struct sockaddr*)&abstract, 20));
}

static void* write_much(void* fd) {
    long sum = 0;
    for (int i = 0; i < 10; ++i) sum += write(*(int*)fd, buffer, sizeof buffer);
    close(*(int*)fd);
    return (void*)sum;
}

// More than fits at once.
static void much(void) {
    int p[2];
    pthread_t t;
    void* sum;
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    for (size_t i = 0; i < sizeof buffer; ++i) buffer[i] = (char)(i * 7);
    pthread_create(&t, NULL, write_much, &p[1]);
    static char in[100000];
    long got = 0, wrong = 0, r;
    while ((r = read(p[0], in, sizeof in)) > 0)
        for (long i = 0; i < r; ++i, ++got) wrong += in[i] != (char)(got % (long)sizeof buffer * 7);
    pthread_join(t, &sum);
    printf("%ld sent, %ld received, %ld wrong\n", (long)sum, got, wrong);
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    if (fork() == 0) {
        for (int i = 0; i < 6; ++i) {
            write(p[1], "abcdefghij", 10);
            usleep(1000);
        }
        _exit(0);
    }
    SHOW(recv(p[0], in, 60, MSG_WAITALL));
    wait(NULL);
    struct timeval t1 = {0, 30000};
    SHOW(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t1, sizeof t1));
    SHOW(recv(p[0], in, 10, 0));
    SHOW(read(p[0], in, 10));
    write(p[1], "abc", 3);
    SHOW(recv(p[0], in, 10, MSG_WAITALL));
    int fd = open("file", O_RDWR | O_CREAT, 0600);
    write(fd, buffer, 5000);
    off_t at0 = 0;
    SHOW(sendfile(p[1], fd, &at0, 5000));
    SHOW(recv(p[0], in, 5000, MSG_WAITALL));
    printf("%d\n", memcmp(in, buffer, 5000));
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    long total = 0;
    while ((r = write(p[1], buffer, 4096)) > 0) total += r;
    printf("%s, more than 100,000: %d\n", strerrorname_np(errno), total > 100000);
    EVENTS(p[1]);
    while (recv(p[0], in, sizeof in, MSG_DONTWAIT) > 0) {
    }
    EVENTS(p[1]);
}

static int send_files(int to, const int* fds, int n, const char* text, int credentials) {
    char control[CMSG_SPACE(sizeof(int) * 300) + CMSG_SPACE(sizeof(struct ucred))];
    memset(control, 0, sizeof control);
    struct iovec v = {(void*)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
    struct cmsghdr* h = (struct cmsghdr*)control;
    if (n) {
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
        memcpy(CMSG_DATA(h), fds, sizeof(int) * (size_t)n);
        m.msg_controllen += CMSG_SPACE(sizeof(int) * (size_t)n);
        h = (struct cmsghdr*)(control + m.msg_controllen);
    }
    if (credentials) {
        struct ucred c = {credentials < 0 ? 1 : getpid(), getuid(), getgid()};
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_CREDENTIALS;
        h->cmsg_len = CMSG_LEN(sizeof c);
        memcpy(CMSG_DATA(h), &c, sizeof c);
        m.msg_controllen += CMSG_SPACE(sizeof c);
    }
    return (int)sendmsg(to, &m, 0);
}
// Prints what came along; the last descriptor of it is returned.
static int receive_files(int from, size_t bytes, size_t room, int flags) {
    char control[2000];
    int last = -1;
    struct iovec v = {buffer, bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    errno = 0;
    long n = recvmsg(from, &m, flags);
    printf("received %ld %s flags %x, control %zu:", n, n < 0 ? strerrorname_np(errno) : "", m.msg_flags,
           (size_t)m.msg_controllen);
    for (struct cmsghdr* h = n < 0 ? NULL : CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_type == SCM_RIGHTS) {
            size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            printf(" %zu files", count);
            for (size_t i = 0; i < count; ++i) {
                if (last >= 0) close(last);
                memcpy(&last, CMSG_DATA(h) + i * sizeof(int), sizeof last);
            }
        } else if (h->cmsg_type == SCM_CREDENTIALS) {
            struct ucred c;
            memcpy(&c, CMSG_DATA(h), sizeof c);
            printf(" credentials %d %d", c.pid == getpid(), c.uid == getuid());
        }
    }
    printf("\n");
    return last;
}

static void rights(void) {
    int p[2], q[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    int fd = open("passed", O_RDWR | O_CREAT, 0600);
    write(fd, "0123456789", 10);
    lseek(fd, 4, SEEK_SET);
    int two[2] = {fd, p[0]};
    SHOW(write(p[0], "ab", 2));
    SHOW(send_files(p[0], two, 2, "cd", 0));
    SHOW(write(p[0], "ef", 2));
    int got = receive_files(p[1], 100, 1000, MSG_CMSG_CLOEXEC);
    SHOW(fcntl(got, F_GETFD));
    close(got);
    receive_files(p[1], 100, 1000, 0);
    SHOW(send_files(p[0], two, 1, "x", 0));
    close(fd);
    got = receive_files(p[1], 100, 1000, 0);
    SHOW(read(got, buffer, 100));
    SHOW(send_files(p[0], two, 2, "y", 0)); // the first one is closed
    int many[254];
    for (int i = 0; i < 254; ++i) many[i] = got;
    SHOW(send_files(p[0], many, 254, "y", 0));
    SHOW(send_files(p[0], many, 3, "room for one", 0));
    close(receive_files(p[1], 100, CMSG_LEN(sizeof(int)), 0));
    SHOW(send_files(p[0], many, 1, "room for none", 0));
    receive_files(p[1], 100, 4, 0);
    SHOW(send_files(p[0], many, 1, "read, not received", 0));
    SHOW(read(p[1], buffer, 100));
    SHOW(send_files(p[0], many, 1, "looked at", 0));
    close(receive_files(p[1], 4, 1000, MSG_PEEK));
    close(receive_files(p[1], 4, 1000, 0));
    receive_files(p[1], 100, 1000, 0);
    SHOW(set(p[1], SOL_SOCKET, SO_PASSCRED, 1));
    SHOW(write(p[0], "from me", 7));
    receive_files(p[1], 100, 1000, 0);
    SHOW(send_files(p[0], many, 1, "both", 1));
    close(receive_files(p[1], 100, 1000, 0));
    if (getuid() != 0) SHOW(send_files(p[0], NULL, 0, "not me", -1));
    // A socket through itself, and one that is on its way when everybody closes.
    socketpair(AF_UNIX, SOCK_DGRAM, 0, q);
    SHOW(send_files(q[0], &q[1], 1, "yourself", 0));
    got = receive_files(q[1], 100, 1000, 0);
    SHOW(write(q[0], "again", 5));
    SHOW(read(got, buffer, 100));
    SHOW(send_files(q[0], &q[1], 1, "never read", 0));
    close(q[0]);
    close(q[1]);
    close(got);
    // From a child, with the pipe that it made.
    if (fflush(stdout), fork() == 0) {
        int pipe_ends[2];
        pipe(pipe_ends);
        send_files(p[0], &pipe_ends[0], 1, "pipe", 0);
        write(pipe_ends[1], "through the pipe", 16);
        _exit(0);
    }
    got = receive_files(p[1], 100, 1000, 0);
    SHOW(read(got, buffer, 100));
    SHOW(read(got, buffer, 100));
    wait(NULL);
    struct msghdr m = {.msg_iov = bad, .msg_iovlen = 1};
    SHOW(sendmsg(p[0], &m, 0));
    SHOW(recvmsg(p[0], bad, 0));
    m.msg_iovlen = 100000;
    SHOW(sendmsg(p[0], &m, 0));
}

static void datagrams(void) {
    int p[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
    SHOW(send(p[0], "one", 3, 0));
    SHOW(send(p[0], "", 0, 0));
    SHOW(send(p[0], "three", 5, 0));
    EVENTS(p[1]);
    SHOW(recv(p[1], buffer, 2, 0));
    SHOW(recv(p[1], buffer, 100, 0));
    SHOW(recv(p[1], buffer, 1, MSG_TRUNC));
    SHOW(recv(p[1], buffer, 1, MSG_DONTWAIT));
    SHOW(send(p[0], buffer, 300000, 0));
    close(p[1]);
    SHOW(send(p[0], "x", 1, MSG_NOSIGNAL));
    SHOW(send(p[0], "x", 1, MSG_NOSIGNAL));
    int s = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    EVENTS(s);
    SHOW(bind_unix(s, "box"));
    SHOW(listen(s, 1));
    SHOW(accept(s, NULL, NULL));
    SHOW(send(c, "x", 1, 0));
    struct sockaddr_un to = named("box");
    SHOW(sendto(c, "no name", 7, 0, (struct sockaddr*)&to, sizeof to));
    struct sockaddr_un from;
    socklen_t n = sizeof from;
    SHOW(recvfrom(s, buffer, 100, 0, (struct sockaddr*)&from, &n));
    printf("%d\n", (int)n);
    SHOW(bind_unix(c, "mine"));
    SHOW(connect_unix(c, "box"));
    SHOW(send(c, "a name", 6, 0));
    n = sizeof from;
    SHOW(recvfrom(s, buffer, 100, 0, (struct sockaddr*)&from, &n));
    printf("%d %s\n", (int)n, from.sun_path);
    SHOW(sendto(s, "answer", 6, 0, (struct sockaddr*)&from, n));
    SHOW(recv(c, buffer, 100, 0));
    int d = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    SHOW(sendto(d, "third", 5, 0, (struct sockaddr*)&from, n)); // c hears its peer only
    int sent = 0;
    while (sendto(d, "x", 1, 0, (struct sockaddr*)&to, sizeof to) == 1) ++sent;
    printf("%d fit, %s\n", sent, strerrorname_np(errno));
    SHOW(connect_unix(d, "box"));
    EVENTS(d);
    SHOW(recv(s, buffer, 1, 0));
    EVENTS(d);
    SHOW(unlink("box"));
    SHOW(sendto(d, "x", 1, 0, (struct sockaddr*)&to, sizeof to));
    SHOW(shutdown(d, SHUT_WR));
    SHOW(send(d, "x", 1, 0));
    SHOW(connect_unix(d, "mine"));
}

static void udp(void) {
    int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
    show_in("fresh", s, getsockname);
    SHOW(recv(s, buffer, 1, MSG_DONTWAIT));
    EVENTS(s);
    SHOW(send(c, "x", 1, 0));
    SHOW(bind_in(s, "192.0.2.1", 0));
    SHOW(bind_in(s, "127.0.0.1", 0));
    SHOW(bind_in(s, "127.0.0.1", 0));
    show_in("bound", s, getsockname);
    show_in("peer", s, getpeername);
    SHOW(bind_in(c, "127.0.0.1", port_of(s)));
    SHOW(bind_in(c, "0.0.0.0", port_of(s)));
    struct sockaddr_in to = at("127.0.0.1", port_of(s)), from;
    socklen_t n = sizeof from;
    SHOW(sendto(c, "hello", 5, 0, (struct sockaddr*)&to, sizeof to));
    show_in("automatic", c, getsockname);
    EVENTS(s);
    int waiting = 0;
    SHOW(ioctl(s, FIONREAD, &waiting));
    printf("%d\n", waiting);
    SHOW(recvfrom(s, buffer, 100, 0, (struct sockaddr*)&from, &n));
    printf("%d bytes, family %d, the sender's port: %d\n", (int)n, from.sin_family, ntohs(from.sin_port) == port_of(c));
    SHOW(sendto(s, "back", 4, 0, (struct sockaddr*)&from, sizeof from));
    SHOW(read(c, buffer, 100));
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    show_in("connected", c, getsockname);
    show_in("connected peer", c, getpeername);
    SHOW(write(c, "", 0));
    SHOW(write(c, "connected", 9));
    SHOW(recv(s, buffer, 100, 0));
    SHOW(recv(s, buffer, 4, MSG_TRUNC));
    int stranger = socket(AF_INET, SOCK_DGRAM, 0);
    to = at("127.0.0.1", port_of(c));
    SHOW(sendto(stranger, "x", 1, 0, (struct sockaddr*)&to, sizeof to));
    SHOW(recv(c, buffer, 1, MSG_DONTWAIT)); // hears its peer only
    SHOW(send(c, buffer, 70000, 0));
    SHOW(send(c, buffer, 65507, 0));
    SHOW(recv(s, buffer, sizeof buffer, 0));
    close(s);
    SHOW(send(c, "lost", 4, 0));
    SHOW(option(c, SOL_SOCKET, SO_ERROR));
    SHOW(send(c, "lost", 4, 0));
    EVENTS(c);
    SHOW(recv(c, buffer, 1, MSG_DONTWAIT));
    SHOW(recv(c, buffer, 1, MSG_DONTWAIT));
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    SHOW(connect(c, &unspecified, sizeof unspecified));
    SHOW(send(c, "x", 1, 0));
    to = at("127.0.0.1", 0);
    SHOW(sendto(c, "x", 1, 0, (struct sockaddr*)&to, sizeof to));
    SHOW(sendto(c, "x", 1, 0, (struct sockaddr*)&to, 8));
    SHOW(listen(c, 1));
    SHOW(shutdown(stranger, SHUT_WR));
    // Reuse.
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW(set(a, SOL_SOCKET, SO_REUSEADDR, 1));
    SHOW(bind_in(a, "127.0.0.1", 0));
    SHOW(bind_in(b, "127.0.0.1", port_of(a)));
    SHOW(set(b, SOL_SOCKET, SO_REUSEADDR, 1));
    SHOW(bind_in(b, "127.0.0.1", port_of(a)));
    // Several at once.
    struct iovec v[3] = {{"a", 1}, {"bc", 2}, {"def", 3}};
    struct mmsghdr mm[3];
    memset(mm, 0, sizeof mm);
    int e = socket(AF_INET, SOCK_DGRAM, 0);
    bind_in(e, "127.0.0.1", 0);
    connect_in(c, "127.0.0.1", port_of(e));
    for (int i = 0; i < 3; ++i) {
        mm[i].msg_hdr.msg_iov = &v[i];
        mm[i].msg_hdr.msg_iovlen = 1;
    }
    SHOW(sendmmsg(c, mm, 3, 0));
    printf("%u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
    for (int i = 0; i < 3; ++i) {
        v[i].iov_base = buffer + 10 * i;
        v[i].iov_len = 10;
    }
    SHOW(recvmmsg(e, mm, 3, MSG_WAITFORONE, NULL));
    printf("%u %u %u %.6s\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len, buffer + 10);
    SHOW(recvmmsg(e, mm, 3, MSG_DONTWAIT, NULL));
}

static int listener(int backlog) {
    int s = socket(AF_INET, SOCK_STREAM, 0);
    bind_in(s, "127.0.0.1", 0);
    listen(s, backlog);
    return s;
}

static void tcp(void) {
    signal(SIGPIPE, on);
    int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    EVENTS(s);
    SHOW(read(s, buffer, 1));
    SHOW(send(s, "x", 1, MSG_NOSIGNAL));
    SHOW(shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RDWR));
    SHOW(accept(s, NULL, NULL));
    SHOW(bind_in(s, "127.0.0.1", 0));
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    SHOW(listen(s, 5));
    SHOW(connect_in(s, "127.0.0.1", port_of(s)));
    EVENTS(s);
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    EVENTS(s);
    EVENTS(c);
    show_in("client", c, getsockname);
    show_in("client's peer", c, getpeername);
    SHOW(write(c, "GET /", 5));
    struct sockaddr_in from;
    socklen_t n = sizeof from;
    int a = accept4(s, (struct sockaddr*)&from, &n, SOCK_CLOEXEC);
    printf("%d bytes, %s, the client's port: %d\n", (int)n, inet_ntoa(from.sin_addr),
           ntohs(from.sin_port) == port_of(c));
    show_in("accepted", a, getsockname);
    printf("the listener's port: %d\n", port_of(a) == port_of(s));
    SHOW(read(a, buffer, 100));
    SHOW(write(a, "200 OK", 6));
    n = sizeof from;
    SHOW(recvfrom(c, buffer, 100, 0, (struct sockaddr*)&from, &n));
    printf("%d\n", (int)n);
    SHOW(recv(c, buffer, 1, MSG_DONTWAIT));
    SHOW(shutdown(c, SHUT_WR));
    EVENTS(c);
    EVENTS(a);
    SHOW(read(a, buffer, 1));
    SHOW(write(a, "more", 4));
    SHOW(read(c, buffer, 100));
    SHOW(write(c, "x", 1));
    printf("signal %d\n", caught), caught = 0;
    SHOW(close(a));
    EVENTS(c);
    SHOW(read(c, buffer, 1));
    close(c);
    // Closed while the other side writes.
    c = socket(AF_INET, SOCK_STREAM, 0);
    connect_in(c, "127.0.0.1", port_of(s));
    a = accept(s, NULL, NULL);
    close(a);
    EVENTS(c);
    SHOW(write(c, "lost", 4));
    EVENTS(c);
    SHOW(write(c, "x", 1));
    printf("signal %d\n", caught), caught = 0;
    SHOW(read(c, buffer, 1));
    close(c);
    // Closed with something unread.
    c = socket(AF_INET, SOCK_STREAM, 0);
    connect_in(c, "127.0.0.1", port_of(s));
    a = accept(s, NULL, NULL);
    write(c, "unread", 6);
    write(a, "answer", 6);
    close(a);
    EVENTS(c);
    SHOW(read(c, buffer, 100));
    SHOW(read(c, buffer, 100));
    SHOW(read(c, buffer, 100));
    SHOW(write(c, "x", 1));
    close(c);
    // Nonblocking.
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    EVENTS(c);
    SHOW(option(c, SOL_SOCKET, SO_ERROR));
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    SHOW(read(c, buffer, 1));
    close(c);
    close(accept(s, NULL, NULL));
    fcntl(s, F_SETFL, O_NONBLOCK);
    SHOW(accept(s, NULL, NULL));
    int port = port_of(s);
    close(s);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SHOW(connect_in(c, "127.0.0.1", port));
    EVENTS(c);
    SHOW(option(c, SOL_SOCKET, SO_ERROR));
    SHOW(option(c, SOL_SOCKET, SO_ERROR));
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_in(c, "127.0.0.1", port));
    SHOW(connect(c, bad, 16));
    struct sockaddr_in to = at("127.0.0.1", port);
    SHOW(connect(c, (struct sockaddr*)&to, 1));
    SHOW(connect(c, (struct sockaddr*)&to, 8));
    SHOW(connect(c, (struct sockaddr*)&to, -1));
    SHOW(connect(c, (struct sockaddr*)&to, 1000));
    to.sin_family = AF_UNIX;
    SHOW(connect(c, (struct sockaddr*)&to, sizeof to));
    SHOW(bind(c, (struct sockaddr*)&to, sizeof to));
    SHOW(connect(0, (struct sockaddr*)&to, sizeof to));
    SHOW(connect(999, (struct sockaddr*)&to, sizeof to));
    // Taken ports.
    s = listener(5);
    int t = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind_in(t, "127.0.0.1", port_of(s)));
    SHOW(bind_in(t, "0.0.0.0", port_of(s)));
    SHOW(set(t, SOL_SOCKET, SO_REUSEADDR, 1));
    SHOW(bind_in(t, "127.0.0.1", port_of(s)));
    SHOW(bind_in(t, "127.0.0.2", port_of(s)));
    SHOW(listen(t, 1));
    connect_in(c, "127.0.0.2", port_of(s));
    a = accept(t, NULL, NULL);
    show_in("at 127.0.0.2", a, getsockname);
    show_in("its client", a, getpeername);
    close(t);
    int u = socket(AF_INET, SOCK_STREAM, 0);
    set(u, SOL_SOCKET, SO_REUSEADDR, 1);
    SHOW(bind_in(u, "127.0.0.2", port_of(s)));
    // A listener that is shut down, and one that is closed while somebody waits to be accepted.
    SHOW(shutdown(s, SHUT_RD));
    SHOW(accept(s, NULL, NULL));
    close(s);
    s = listener(5);
    c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    close(s);
    EVENTS(c);
    SHOW(read(c, buffer, 1));
    // Broken on purpose.
    s = listener(5);
    c = socket(AF_INET, SOCK_STREAM, 0);
    connect_in(c, "127.0.0.1", port_of(s));
    a = accept(s, NULL, NULL);
    struct linger linger = {1, 0};
    SHOW(setsockopt(c, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    close(c);
    EVENTS(a);
    SHOW(read(a, buffer, 1));
    SHOW(read(a, buffer, 1));
}

static void ipv6(void) {
    int s = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    if (bind(s, (struct sockaddr*)&a, sizeof a) < 0) {
        printf("no IPv6 here\n");
        return;
    }
    SHOW(listen(s, 5));
    show_in("any", s, getsockname);
    int c = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(connect_in(c, "127.0.0.1", port_of(s)));
    int d = accept(s, NULL, NULL);
    show_in("mapped", d, getsockname);
    show_in("mapped peer", d, getpeername);
    show_in("of the client", c, getpeername);
    int e = socket(AF_INET, SOCK_STREAM, 0);
    SHOW(bind_in(e, "127.0.0.1", port_of(s)));
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    SHOW(set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    a.sin6_addr = in6addr_loopback;
    SHOW(bind(six, (struct sockaddr*)&a, sizeof a));
    SHOW(listen(six, 1));
    SHOW(bind_in(e, "127.0.0.1", port_of(six)));
    a.sin6_port = htons((uint16_t)port_of(six));
    int f = socket(AF_INET6, SOCK_STREAM, 0);
    SHOW(connect(f, (struct sockaddr*)&a, sizeof a));
    show_in("six", f, getsockname);
    show_in("six peer", f, getpeername);
    SHOW(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr*)&a, sizeof a));
    SHOW(connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr*)&a, 16));
    int u = socket(AF_INET6, SOCK_DGRAM, 0);
    a.sin6_addr = in6addr_any;
    a.sin6_port = 0;
    SHOW(bind(u, (struct sockaddr*)&a, sizeof a));
    struct sockaddr_in to = at("127.0.0.1", port_of(u));
    int v = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW(sendto(v, "four to six", 11, 0, (struct sockaddr*)&to, sizeof to));
    struct sockaddr_in6 from;
    socklen_t n = sizeof from;
    SHOW(recvfrom(u, buffer, 100, 0, (struct sockaddr*)&from, &n));
    char text[64];
    printf("%s\n", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text));
    SHOW(sendto(u, "back", 4, 0, (struct sockaddr*)&from, n));
    SHOW(recv(v, buffer, 100, 0));
}

#define OPTION(fd, level, name) printf("%s of %s: %d\n", #name, #fd, option(fd, level, name))

static void options(void) {
    int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), x = socket(AF_UNIX, SOCK_STREAM, 0);
    SHOW(socket(99, SOCK_STREAM, 0));
    SHOW(socket(AF_INET, 99, 0));
    SHOW(socket(AF_INET, SOCK_SEQPACKET, 0));
    SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SHOW(socket(AF_UNIX, SOCK_STREAM, 77));
    SHOW(socketpair(AF_INET, SOCK_STREAM, 0, (int*)buffer));
    SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, bad));
    SHOW(socket(AF_INET, SOCK_STREAM | 0x100, 0));
    OPTION(t, SOL_SOCKET, SO_TYPE);
    OPTION(u, SOL_SOCKET, SO_TYPE);
    OPTION(t, SOL_SOCKET, SO_PROTOCOL);
    OPTION(x, SOL_SOCKET, SO_PROTOCOL);
    OPTION(x, SOL_SOCKET, SO_DOMAIN);
    OPTION(t, SOL_SOCKET, SO_ERROR);
    OPTION(t, SOL_SOCKET, SO_ACCEPTCONN);
    OPTION(t, SOL_SOCKET, SO_REUSEADDR);
    OPTION(t, SOL_SOCKET, SO_KEEPALIVE);
    OPTION(u, SOL_SOCKET, SO_BROADCAST);
    OPTION(x, SOL_SOCKET, SO_PASSCRED);
    OPTION(x, SOL_SOCKET, SO_SNDLOWAT);
    OPTION(x, SOL_SOCKET, SO_RCVLOWAT);
    OPTION(t, IPPROTO_TCP, TCP_NODELAY);
    OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
    OPTION(t, IPPROTO_TCP, TCP_KEEPINTVL);
    OPTION(t, IPPROTO_TCP, TCP_KEEPCNT);
    OPTION(t, IPPROTO_IP, IP_TOS);
    OPTION(t, IPPROTO_IP, IP_TTL);
    OPTION(u, IPPROTO_IP, IP_MULTICAST_TTL);
    OPTION(u, IPPROTO_TCP, TCP_NODELAY);
    OPTION(x, IPPROTO_TCP, TCP_NODELAY);
    OPTION(t, SOL_SOCKET, 9999);
    OPTION(t, 9999, 1);
    SHOW(set(t, IPPROTO_TCP, TCP_NODELAY, 5));
    OPTION(t, IPPROTO_TCP, TCP_NODELAY);
    SHOW(set(t, IPPROTO_TCP, TCP_KEEPIDLE, 0));
    SHOW(set(t, IPPROTO_TCP, TCP_KEEPIDLE, 60));
    OPTION(t, IPPROTO_TCP, TCP_KEEPIDLE);
    SHOW(set(t, SOL_SOCKET, SO_KEEPALIVE, 1));
    OPTION(t, SOL_SOCKET, SO_KEEPALIVE);
    SHOW(set(u, SOL_SOCKET, SO_BROADCAST, 1));
    SHOW(set(x, SOL_SOCKET, SO_SNDBUF, 10000));
    OPTION(x, SOL_SOCKET, SO_SNDBUF);
    SHOW(set(x, SOL_SOCKET, SO_SNDBUF, 1));
    OPTION(x, SOL_SOCKET, SO_SNDBUF);
    SHOW(set(x, SOL_SOCKET, SO_RCVBUF, 1));
    OPTION(x, SOL_SOCKET, SO_RCVBUF);
    SHOW(set(t, SOL_SOCKET, SO_TYPE, 1));
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, buffer, 2));
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, bad, 4));
    SHOW(setsockopt(t, SOL_SOCKET, SO_KEEPALIVE, buffer, -1));
    socklen_t n = 2;
    memset(buffer, 7, 8);
    SHOW(getsockopt(t, SOL_SOCKET, SO_TYPE, buffer, &n));
    printf("%d %d %d\n", (int)n, buffer[0], buffer[2]);
    n = (socklen_t)-1;
    SHOW(getsockopt(t, SOL_SOCKET, SO_TYPE, buffer, &n));
    struct timeval v = {3, 0};
    SHOW(setsockopt(t, SOL_SOCKET, SO_SNDTIMEO, &v, sizeof v));
    memset(&v, 0, sizeof v);
    n = sizeof v;
    SHOW(getsockopt(t, SOL_SOCKET, SO_SNDTIMEO, &v, &n));
    printf("%ld.%06ld %d\n", (long)v.tv_sec, (long)v.tv_usec, (int)n);
    v.tv_usec = 1000000;
    SHOW(setsockopt(t, SOL_SOCKET, SO_SNDTIMEO, &v, sizeof v));
    struct linger l = {9, 9};
    n = sizeof l;
    SHOW(getsockopt(t, SOL_SOCKET, SO_LINGER, &l, &n));
    printf("%d %d %d\n", l.l_onoff, l.l_linger, (int)n);
    char name[16] = "";
    n = sizeof name;
    WORKS(getsockopt(t, IPPROTO_TCP, TCP_CONGESTION, name, &n));
    SHOW(setsockopt(t, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8));
    SHOW(getsockopt(0, SOL_SOCKET, SO_TYPE, name, &n));
    SHOW(getsockopt(999, SOL_SOCKET, SO_TYPE, name, &n));
    struct ucred cred;
    n = sizeof cred;
    SHOW(getsockopt(t, SOL_SOCKET, SO_PEERCRED, &cred, &n));
    printf("%d %d %d\n", cred.pid, (int)cred.uid, (int)cred.gid);
    SHOW(ioctl(t, 0x12345));
}

static int server;
static void* serve(void* arg) {
    (void)arg;
    for (int served = 0; served < 20; ++served) {
        int a = accept(server, NULL, NULL);
        long n = read(a, buffer, 100);
        for (long i = 0; i < n; ++i) buffer[i] ^= 0x20;
        write(a, buffer, (size_t)n);
        close(a);
    }
    return NULL;
}

// Threads, processes and epoll around one listener.
static void servers(void) {
    pthread_t t;
    server = listener(2);
    pthread_create(&t, NULL, serve, NULL);
    fflush(stdout);
    for (int i = 0; i < 4; ++i)
        if (fork() == 0) {
            int good = 0;
            for (int j = 0; j < 5; ++j) {
                int c = socket(AF_INET, SOCK_STREAM, 0);
                char text[10];
                if (connect_in(c, "127.0.0.1", port_of(server)) < 0 || write(c, "Hello", 5) != 5) _exit(99);
                if (recv(c, text, 5, MSG_WAITALL) == 5 && memcmp(text, "hELLO", 5) == 0) ++good;
                close(c);
            }
            _exit(good);
        }
    int status, good = 0;
    while (wait(&status) > 0) good += WEXITSTATUS(status);
    pthread_join(t, NULL);
    printf("%d answers\n", good);
    close(server);
    // One process, twenty connections, edge-triggered.
    int ep = epoll_create1(0), clients[20], closed = 0;
    long bytes = 0;
    server = listener(20);
    fcntl(server, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {EPOLLIN | EPOLLET, {.fd = server}};
    SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, server, &e));
    for (int i = 0; i < 20; ++i) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect_in(clients[i], "127.0.0.1", port_of(server));
    }
    if (fork() == 0) {
        for (int k = 0; k < 3; ++k)
            for (int i = 0; i < 20; ++i) write(clients[i], "0123456789", 10);
        _exit(0);
    }
    for (int i = 0; i < 20; ++i) close(clients[i]);
    while (closed < 20) {
        struct epoll_event got[8];
        int n = epoll_wait(ep, got, 8, 10000);
        if (n <= 0) {
            printf("epoll_wait %d\n", n);
            break;
        }
        for (int i = 0; i < n; ++i) {
            if (got[i].data.fd == server) {
                int a;
                while ((a = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    struct epoll_event in = {EPOLLIN | EPOLLRDHUP | EPOLLET, {.fd = a}};
                    epoll_ctl(ep, EPOLL_CTL_ADD, a, &in);
                }
                continue;
            }
            long r;
            while ((r = read(got[i].data.fd, buffer, 7)) > 0) bytes += r;
            if (r == 0) {
                ++closed;
                close(got[i].data.fd);
            }
        }
    }
    wait(NULL);
    printf("%d closed, %ld bytes\n", closed, bytes);
    // Calls that wait are interrupted, and go on after a handler with SA_RESTART.
    struct sigaction sa = {.sa_handler = on};
    sigaction(SIGALRM, &sa, NULL);
    ualarm(20000, 0);
    fcntl(server, F_SETFL, 0);
    SHOW(accept(server, NULL, NULL));
    printf("signal %d\n", caught), caught = 0;
    int p[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    ualarm(20000, 0);
    SHOW(recv(p[0], buffer, 1, 0));
    sa.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &sa, NULL);
    if (fork() == 0) {
        usleep(60000);
        write(p[1], "late", 4);
        _exit(0);
    }
    ualarm(20000, 0);
    SHOW(recv(p[0], buffer, 10, 0));
    wait(NULL);
    struct timeval v = {0, 50000};
    setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &v, sizeof v);
    ualarm(20000, 0);
    SHOW(recv(p[0], buffer, 10, 0)); // with a timeout it does not start again
}

int main(int argc, char** argv) {
    const struct {
        const char* name;
        void (*run)(void);
    } parts[] = {{"unix", unix_streams}, {"much", much}, {"rights", rights},   {"datagrams", datagrams}, {"udp", udp},
                 {"tcp", tcp},           {"ipv6", ipv6}, {"options", options}, {"servers", servers}};
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i)
        if (argc < 2 || strcmp(argv[1], parts[i].name) == 0) parts[i].run();
    return 0;
}
