/*
 * What the system calls that the library has to choose from cost on this machine: the least of ROUNDS
 * rounds, in each of which every call has its turn. Elapsed time of a batch, divided; what a call leaves
 * behind is closed while the clock stands still. Prints a line "ns name" each.
 */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define THREADS 200
#define MANY 500 /* calls in a batch that leave nothing behind */
#define SOME 100 /* of those that do */

static uint16_t port;
static int listener, tcp, peer, file, pair[2], kept_diag;
static struct inet_diag_sockid connection; /* tcp, as sock_diag knows it */

/* ---- Calls that leave nothing behind: one call, of which MANY make a batch ----------------------- */

static void empty_call(void)
{
    syscall(SYS_getppid);
}

static void unread_of(int fd)
{
    int unread;

    ioctl(fd, FIONREAD, &unread);
}

static void option_of(int fd, int level, int name)
{
    char value[512];
    socklen_t size = sizeof(value);

    getsockopt(fd, level, name, value, &size);
}

static void fionread_tcp(void)
{
    unread_of(tcp);
}

static void fionread_file(void)
{
    unread_of(file);
}

static void fstat_file(void)
{
    struct stat st;

    fstat(file, &st);
}

static void protocol_tcp(void)
{
    option_of(tcp, SOL_SOCKET, SO_PROTOCOL);
}

static void protocol_file(void)
{
    option_of(file, SOL_SOCKET, SO_PROTOCOL);
}

static void tcp_info(void)
{
    option_of(tcp, IPPROTO_TCP, TCP_INFO);
}

static void meminfo(void)
{
    option_of(tcp, SOL_SOCKET, SO_MEMINFO);
}

static void linger(void)
{
    option_of(tcp, SOL_SOCKET, SO_LINGER);
}

static void cookie(void)
{
    option_of(tcp, SOL_SOCKET, SO_COOKIE);
}

static int open_diag(void)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        bench_fail("open a sock_diag socket");
    return fd;
}

static void ask_diag(int diag)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {{.nlmsg_len = sizeof(question),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
                  {.sdiag_family = AF_INET,
                   .sdiag_protocol = IPPROTO_TCP,
                   .idiag_states = ~0u,
                   .id = connection}};
    char reply[1024];
    const struct nlmsghdr *header = (const void *)reply;

    if (send(diag, &question, sizeof(question), 0) < 0 || recv(diag, reply, sizeof(reply), 0) < 0)
        bench_fail("ask sock_diag");
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        errno = ENOENT;
        bench_fail("find a connection by sock_diag");
    }
}

static void diag_kept(void)
{
    ask_diag(kept_diag);
}

static void diag_own(void)
{
    int diag = open_diag();

    ask_diag(diag);
    close(diag);
}

static double repeat(void (*call)(void), int times)
{
    double start = bench_now(CLOCK_MONOTONIC);

    for (int i = 0; i < times; i++)
        call();
    return (bench_now(CLOCK_MONOTONIC) - start) / times;
}

/* ---- Calls that need something made before, or undone after --------------------------------------- */

static double close_all(const int *fds, int count)
{
    double start = bench_now(CLOCK_MONOTONIC);

    for (int i = 0; i < count; i++)
        close(fds[i]);
    return (bench_now(CLOCK_MONOTONIC) - start) / count;
}

static double close_established(void)
{
    int ours[SOME], theirs[SOME];
    double took;

    for (int i = 0; i < SOME; i++) {
        ours[i] = bench_connect(port);
        theirs[i] = bench_accept(listener);
    }
    took = close_all(theirs, SOME);
    close_all(ours, SOME);
    return took;
}

static double pidfd(void)
{
    int fds[SOME];
    pid_t self = getpid();
    double took, start = bench_now(CLOCK_MONOTONIC);

    for (int i = 0; i < SOME; i++)
        fds[i] = (int)syscall(SYS_pidfd_open, self, 0);
    took = (bench_now(CLOCK_MONOTONIC) - start) / SOME;
    close_all(fds, SOME);
    return took;
}

/* Passes the file's descriptor through the pair, ten times; how long the sends, or the receives, took. */
static double pass(bool time_sends)
{
    enum { AT_ONCE = 10 };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control};
    int fds[AT_ONCE];
    double sent, start = bench_now(CLOCK_MONOTONIC);

    for (int i = 0; i < AT_ONCE; i++) {
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &file, sizeof(int));
        message.msg_controllen = sizeof(control);
        if (sendmsg(pair[0], &message, 0) != 1)
            bench_fail("pass a descriptor");
    }
    sent = bench_now(CLOCK_MONOTONIC);
    for (int i = 0; i < AT_ONCE; i++) {
        message.msg_controllen = sizeof(control);
        if (recvmsg(pair[1], &message, 0) != 1)
            bench_fail("receive a descriptor");
        memcpy(&fds[i], CMSG_DATA(&control.header), sizeof(int));
    }
    start = time_sends ? sent - start : bench_now(CLOCK_MONOTONIC) - sent;
    close_all(fds, AT_ONCE);
    return start / AT_ONCE;
}

static double pass_send(void)
{
    return pass(true);
}

static double pass_receive(void)
{
    return pass(false);
}

/* Reads what each thread is blocked in, as the library does to find calls in progress. */
static double walk(void)
{
    double start = bench_now(CLOCK_MONOTONIC);
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;

    if (!tasks)
        bench_fail("open /proc/self/task");
    while ((entry = readdir(tasks))) {
        char name[300], text[256];
        int fd;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/syscall", entry->d_name);
        fd = openat(dirfd(tasks), name, O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof(text)) < 0)
            bench_fail("read a thread's system call");
        close(fd);
    }
    closedir(tasks);
    return bench_now(CLOCK_MONOTONIC) - start;
}

/* ---- All of them ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*call)(void);
    double (*batch)(void); /* instead, its result is for one call */
} calls[] = {
    {"an empty one (getppid)", empty_call, NULL},
    {"FIONREAD, TCP", fionread_tcp, NULL},
    {"FIONREAD, file", fionread_file, NULL},
    {"SO_PROTOCOL, TCP", protocol_tcp, NULL},
    {"SO_PROTOCOL, file (ENOTSOCK)", protocol_file, NULL},
    {"TCP_INFO", tcp_info, NULL},
    {"SO_MEMINFO", meminfo, NULL},
    {"SO_LINGER", linger, NULL},
    {"SO_COOKIE", cookie, NULL},
    {"close of an established connection", NULL, close_established},
    {"sendmsg of a descriptor", NULL, pass_send},
    {"recvmsg of a descriptor", NULL, pass_receive},
    {"fstat", fstat_file, NULL},
    {"sock_diag about one, socket kept", diag_kept, NULL},
    {"sock_diag about one, own socket", diag_own, NULL},
    {"pidfd_open", NULL, pidfd},
    {"walk of /proc/self/task, 200 threads", NULL, walk},
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void identify(void)
{
    struct sockaddr_in here, there;
    socklen_t size = sizeof(here);

    if (getsockname(tcp, (struct sockaddr *)&here, &size) ||
        getpeername(tcp, (struct sockaddr *)&there, &size))
        bench_fail("name a connection");
    connection.idiag_sport = here.sin_port;
    connection.idiag_dport = there.sin_port;
    connection.idiag_src[0] = here.sin_addr.s_addr;
    connection.idiag_dst[0] = there.sin_addr.s_addr;
    connection.idiag_cookie[0] = connection.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

static void *wait_for_ever(void *unused)
{
    pause();
    return unused;
}

static void get_ready(void)
{
    listener = bench_listen(&port);
    tcp = bench_connect(port);
    peer = bench_accept(listener);
    file = open("/proc/self/exe", O_RDONLY);
    kept_diag = open_diag();
    if (file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
        bench_fail("open what is asked about");
    identify();
    bench_pin(0, false);
}

static void start_threads(void)
{
    pthread_t thread;

    for (int i = 1; i < THREADS; i++)
        if (pthread_create(&thread, NULL, wait_for_ever, NULL))
            bench_fail("start a thread");
}

static void play(long rounds, int first, int end, double *least)
{
    for (; rounds > 0; rounds--)
        for (int i = first; i < end; i++)
            bench_keep_least(&least[i],
                             calls[i].call ? repeat(calls[i].call, MANY) : calls[i].batch());
}

int main(int argc, char **argv)
{
    double least[CALLS] = {0};
    long rounds;

    if (argc != 2)
        bench_usage("ROUNDS");
    rounds = bench_number(argv[1]);
    get_ready();
    play(rounds, 0, CALLS - 1, least);
    /* Only the walk is with threads: a table of descriptors that threads share costs each call more. */
    start_threads();
    play(rounds, CALLS - 1, CALLS, least);
    for (int i = 0; i < CALLS; i++)
        printf("%.0f %s\n", least[i], calls[i].name);
    return 0;
}
