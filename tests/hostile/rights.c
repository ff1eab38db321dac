/*
 * rights SCENE: what a child of fewer rights can do to the lot of its parent, and what becomes of the lot
 * when a call of its own fails. It knows the library's headers, so it can aim. Run preloaded, in linger.
 *
 * What a scene finds is printed, a line each; the exit status is 0 unless the scene itself went wrong.
 */
#define _GNU_SOURCE
#include "play.h"
#include "remedy/parcel.h"
#include "ground/sys.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, MANY = 300 };

/* ---- Connections ----------------------------------------------------------------------------- */

/* Accepted through the library, which therefore has a lot; something is unread. */
static struct net_pair pair_at_risk(void)
{
    struct net_options options = {.family = NET_IPV4};
    struct net_pair pair;

    must(net_pair_open(&pair, &options), "open a pair");
    must((int)write(pair.peer, "unread", 6), "write");
    net_wait_at_least(net_unread, pair.ours, 6);
    return pair;
}

/* Prints how a close ended for the peer, which sends once more after it: "EOF", or a reset. */
static void close_and_tell(const char *when)
{
    struct net_pair pair = pair_at_risk();
    struct net_end end;

    must(net_close_ours(&pair), "close");
    end = net_read_to_end(pair.peer);
    if (end.error == 0 && write(pair.peer, "late", 4) == 4) {
        usleep(20000);
        if (write(pair.peer, "late", 4) < 0)
            end.error = ECONNRESET;
    }
    printf("%s: %s\n", when, net_end_text(end.error));
    net_pair_close(&pair);
}

/* ---- The library's descriptors and threads --------------------------------------------------- */

/* The end by which connections are passed to the lot. */
static int find_feed(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        if (sys_getsockopt_int(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX &&
            sys_getsockopt_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_SEQPACKET)
            return fd;
    }
    errx(2, "no lot is fed");
}

static bool is_lot(int tid)
{
    char path[64];
    char name[32] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (!fgets(name, sizeof name, file))
        name[0] = '\0';
    fclose(file);
    return strcmp(name, "safeclose-lot\n") == 0;
}

/* Calls visit with each lot's thread; how many there are. */
static int each_lot(void (*visit)(int tid, void *context), void *context)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir))) {
        int tid = atoi(entry->d_name);

        if (tid && is_lot(tid)) {
            count++;
            if (visit)
                visit(tid, context);
        }
    }
    if (dir)
        closedir(dir);
    return count;
}

/* By which a lot asks the kernel; it has one of its own from the first question on. */
static bool is_netlink(const char *target)
{
    FILE *file = fopen("/proc/self/net/netlink", "r");
    unsigned long inode;
    unsigned long theirs;
    char line[256];
    bool found = false;

    while (file && sscanf(target, "socket:[%lu]", &inode) == 1 && fgets(line, sizeof line, file))
        found |= sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lu", &theirs) == 1 &&
                 theirs == inode;
    if (file)
        fclose(file);
    return found;
}

static void add_descriptors(int tid, void *sum)
{
    char path[64];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/self/task/%d/fd", tid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        char target[64] = "";

        if (entry->d_name[0] == '.' ||
            readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1) < 0)
            continue;
        *(int *)sum += !is_netlink(target);
    }
    if (dir)
        closedir(dir);
}

static int descriptors_in_lots(void)
{
    int sum = 0;

    each_lot(add_descriptors, &sum);
    return sum;
}

/* Until the lots hold at most so many, or for a while; what they hold then. */
static int settled_descriptors(int wanted)
{
    int sum = descriptors_in_lots();

    for (int i = 0; i < 100 && sum > wanted; i++) {
        usleep(10000);
        sum = descriptors_in_lots();
    }
    return sum;
}

/* Each thread of this process whose real, effective or saved uid is 0. */
static int threads_of_root(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir))) {
        char path[300];
        char line[256];
        unsigned ids[4] = {1, 1, 1, 1};
        FILE *file;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            sscanf(line, "Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]);
        if (file)
            fclose(file);
        count += !ids[0] || !ids[1] || !ids[2] || !ids[3];
    }
    if (dir)
        closedir(dir);
    return count;
}

static void drop_and_tell(void)
{
    long before = net_now_ms();

    must(setuid(NOBODY), "setuid");
    printf("threads of root: %d, in time: %s\n", threads_of_root(),
           net_now_ms() - before < 20000 ? "yes" : "no");
}

/* ---- A child of other rights ----------------------------------------------------------------- */

/* By raw instructions, so that no hook of the library comes to know. */
static void become_nobody(void)
{
    must((int)sys3(SYS_setresgid, NOBODY, NOBODY, NOBODY), "setresgid");
    must((int)sys3(SYS_setresuid, NOBODY, NOBODY, NOBODY), "setresuid");
}

static long send_raw(int feed, const void *bytes, size_t size, const int *fds, int count)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec part = {(void *)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *c = (struct cmsghdr *)control;

    if (count) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
    }
    return sys3(SYS_sendmsg, feed, SYS_ARG(&message), MSG_NOSIGNAL);
}

/* Runs a scene's attack in a child of other rights, and waits for its end. */
static void attack(void (*body)(int feed))
{
    int feed = find_feed();
    int status;
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        become_nobody();
        body(feed);
        sys1(SYS_exit_group, 0);
    }
    must(waitpid(child, &status, 0), "wait");
    if (status != 0)
        errx(2, "the child failed: %x", (unsigned)status);
}

/* Paced below what costs its family the feed. */
static void pace(int i)
{
    if (i % 50 == 49)
        usleep(600000);
}

static void two_descriptors(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};
    int fds[2] = {must(socket(AF_INET, SOCK_STREAM, 0), "socket"), must(dup(0), "dup")};

    for (int i = 0; i < MANY; i++, pace(i))
        send_raw(feed, &parcel, sizeof(parcel), fds, 2);
}

static void short_messages(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};
    struct net_pair pair = pair_at_risk();

    for (int i = 0; i < MANY; i++, pace(i))
        send_raw(feed, &parcel, (size_t)i % sizeof(parcel), &pair.ours, 1);
}

static void wrong_sockets(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};
    int fds[3] = {must(socket(AF_INET, SOCK_STREAM, 0), "socket"),
                  must(socket(AF_INET, SOCK_STREAM, 0), "socket"),
                  must(socket(AF_INET, SOCK_DGRAM, 0), "socket")};

    must((int)sys2(SYS_listen, fds[1], 5), "listen");
    for (int i = 0; i < MANY; i++, pace(i))
        send_raw(feed, &parcel, sizeof(parcel), &fds[i % 3], 1);
}

static void wild_words(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};
    struct net_pair pair = pair_at_risk();

    for (int i = 0; i < MANY; i++, pace(i)) {
        parcel.via = (uint8_t)(i + 100);
        parcel.cause = (uint8_t)i;
        send_raw(feed, &parcel, sizeof(parcel), &pair.ours, 1);
    }
}

static void leak(void (*body)(int feed), const char *name)
{
    int before;

    close_and_tell("before");
    before = settled_descriptors(4);
    attack(body);
    printf("%s: %s\n", name,
           settled_descriptors(before) <= before ? "none kept" : "descriptors kept");
    close_and_tell("after");
}

/* More than guests have room for, all of them connected, and none ever done. */
static void crowd(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};

    for (int i = 0; i < 200; i++) {
        struct net_pair pair = pair_at_risk();

        send_raw(feed, &parcel, sizeof(parcel), &pair.ours, 1);
    }
    usleep(200000);
    printf("crowd: %s\n", "sent");
    fflush(stdout);
}

static void share_of_guests(void)
{
    int before;
    int feed;
    pid_t child;

    close_and_tell("before");
    before = settled_descriptors(4);
    feed = find_feed();
    child = must(fork(), "fork");
    if (child == 0) {
        become_nobody();
        crowd(feed);
        pause();
    }
    usleep(1000000);
    printf("kept of guests: %s\n", descriptors_in_lots() - before <= 100 ? "their share" : "more");
    close_and_tell("after");
    kill(child, SIGKILL);
    must(waitpid(child, NULL, 0), "wait");
}

/* A message that lies about whose it is. The connection is really there, and what the peer sends is
 * discarded, so its end is logged. */
static void lie(int feed)
{
    struct parcel parcel = {
        .fd = 9, .via = 0, .cause = 1, .flags = (uint8_t)~PARCEL_THREADS, .tid = 1};
    struct net_pair pair = pair_at_risk();

    parcel.peer = (struct endpoint){.addr = {8, 8, 8, 8}, .port = 53, .v4 = true, .known = true};
    memset((char *)&parcel.peer + offsetof(struct endpoint, v4), 0x55, 2);
    printf("liar %d %s %s\n", (int)sys1(SYS_getpid, 0), pair.our_name, pair.peer_name);
    fflush(stdout);
    send_raw(feed, &parcel, sizeof(parcel), &pair.ours, 1);
    usleep(200000);
    net_pair_close(&pair);
    usleep(200000);
}

static void forged(void)
{
    close_and_tell("before");
    attack(lie);
    close_and_tell("after");
}

/* Whether threads of the child's are in a call on it nobody here can find out. */
static void threads_of_child(int feed)
{
    struct parcel parcel = {.fd = 9, .cause = 1, .flags = 0xff, .tid = 1};
    struct net_pair pair = pair_at_risk();
    struct pollfd end = {.fd = pair.peer, .events = POLLRDHUP};

    printf("child %d\n", (int)sys1(SYS_getpid, 0));
    send_raw(feed, &parcel, sizeof(parcel), &pair.ours, 1);
    usleep(200000);
    must((int)write(pair.peer, "more", 4), "write");
    net_wait_at_least(net_unread, pair.ours, 10);
    usleep(200000);
    printf("child's: %d bytes unread, %s\n", net_unread(pair.ours),
           poll(&end, 1, 0) == 0 ? "open" : "ended");
    fflush(stdout);
}

/* What could look like the end of the feed, or be one. */
static void empty_messages(int feed)
{
    char kinds[4] = {0, 1, 2, 3};

    for (int i = 0; i < 40; i++)
        send_raw(feed, &kinds[i % 4], i % 2, NULL, 0);
}

static void shut_down(int feed)
{
    sys2(SYS_shutdown, feed, SHUT_RDWR);
}

/* Never ends by itself. */
static void flood(int feed)
{
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER};
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    for (;;)
        send_raw(feed, &parcel, sizeof(parcel), &fd, 1);
}

/* By several at once, while the parent goes on closing. */
static void flooded(void)
{
    enum { CHILDREN = 8 };
    pid_t children[CHILDREN];
    int feed;

    close_and_tell("before");
    feed = find_feed();
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = must(fork(), "fork");
        if (children[i] == 0) {
            become_nobody();
            flood(feed);
        }
    }
    usleep(100000);
    for (int i = 0; i < 60; i++)
        close_and_tell("meanwhile");
    for (int i = 0; i < CHILDREN; i++) {
        kill(children[i], SIGKILL);
        must(waitpid(children[i], NULL, 0), "wait");
    }
}

static void keep_tid(int tid, void *kept)
{
    *(int *)kept = tid;
}

/* Something lingers all the time, so that the lot can't just end and be followed by another. */
static void outlives(void (*body)(int feed), const char *name, bool same_lot)
{
    struct net_pair parked;
    int before = 0;
    int after = 0;

    close_and_tell("before");
    parked = pair_at_risk();
    must(net_close_ours(&parked), "close");
    each_lot(keep_tid, &before);
    attack(body);
    usleep(100000);
    close_and_tell(name);
    each_lot(keep_tid, &after);
    if (same_lot)
        printf("%s\n", before == after ? "the same lot" : "another lot");
}

/* ---- The drop of rights ---------------------------------------------------------------------- */

static void drop(void)
{
    close_and_tell("before");
    drop_and_tell();
    close_and_tell("after");
}

/* Sent by hand, so that nobody switches its SO_LINGER off: the lot's own close waits for a minute. */
static void drop_while_closing(void)
{
    struct net_options options = {
        .family = NET_IPV4, .our_send_buffer = 4096, .peer_receive_buffer = 4096};
    struct linger minute = {1, 60};
    struct parcel parcel = {.fd = 9, .flags = PARCEL_LINGER, .tid = (int)sys1(SYS_gettid, 0)};
    struct net_pair pair;

    close_and_tell("before");
    must(net_pair_open(&pair, &options), "open a pair");
    must((int)net_fill(pair.ours), "fill");
    must((int)sys6(SYS_setsockopt, pair.ours, SOL_SOCKET, SO_LINGER, SYS_ARG(&minute),
                   sizeof minute, 0),
         "SO_LINGER");
    must((int)send_raw(find_feed(), &parcel, sizeof(parcel), &pair.ours, 1), "send");
    must((int)sys1(SYS_close, pair.ours), "close");
    usleep(1500000); /* SAFECLOSE_LINGER_TIME is over, and the lot waits in its close */
    drop_and_tell();
    close_and_tell("after");
}

/* From now on this call fails so, in every thread to come; a raw instruction installs it, or the library
 * would stand down. */
static void refuse(long number, int argument, uint32_t value, int error)
{
    struct sock_filter all[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 argument < 0 ? offsetof(struct seccomp_data, nr)
                              : offsetof(struct seccomp_data, args) + 8 * (unsigned)argument),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument < 0 ? (uint32_t)number : value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof all / sizeof all[0], all};

    must((int)sys6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must((int)sys3(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, SYS_ARG(&program)), "seccomp");
}

static long cpu_ms(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec * 1000 + used.ru_utime.tv_usec / 1000 +
           used.ru_stime.tv_sec * 1000 + used.ru_stime.tv_usec / 1000;
}

/* Whether the lot loops instead of waiting. */
static void tell_idle(void)
{
    long before;

    usleep(200000);
    before = cpu_ms();
    usleep(1000000);
    printf("idle: %s\n", cpu_ms() - before < 300 ? "yes" : "no");
}

static void refused(const char *name, long number, int argument, uint32_t value, int error)
{
    refuse(number, argument, value, error);
    close_and_tell(name);
    tell_idle();
    printf("%s\n", each_lot(NULL, NULL) ? "a lot" : "no lot");
    drop_and_tell();
}

/* The lot is there already, and then no message reaches it. */
static void unreachable(void)
{
    close_and_tell("before");
    usleep(300000); /* it sleeps, for as long as nobody wakes it */
    refuse(SYS_sendmsg, -1, 0, ENOMEM);
    drop_and_tell();
}

/* The program asked for a reset, and the library can't ask whether it did. */
static void zero_linger(void)
{
    struct net_pair pair = pair_at_risk();

    must(net_zero_linger(pair.ours), "SO_LINGER");
    refuse(SYS_getsockopt, 2, SO_LINGER, EPERM);
    must(net_close_ours(&pair), "close");
    printf("asked for: %s\n", net_end_text(net_read_to_end(pair.peer).error));
}

/* A program that is started keeps the connection, and the library can't ask whether it does. */
static void kept_by_exec(void)
{
    struct net_pair pair = pair_at_risk();
    char number[16];
    char *arguments[] = {"rights", "reader", number, NULL};
    pid_t child;

    snprintf(number, sizeof number, "%d", pair.ours);
    must(fcntl(pair.ours, F_SETFD, 0), "F_SETFD");
    refuse(SYS_fcntl, 1, F_GETFD, EPERM);
    must(-posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), "posix_spawn");
    must(net_close_ours(&pair), "close");
    must((int)write(pair.peer, "go", 2), "write");
    must(waitpid(child, NULL, 0), "wait");
}

/* Reads what the other left alone, once it has closed its number. */
static int reader(const char *number)
{
    char bytes[16];
    int fd = atoi(number);

    net_wait_at_least(net_unread, fd, 8);
    printf("reader: %zd bytes\n", read(fd, bytes, sizeof bytes));
    return 0;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void memory(void)
{
    long before = status_kb("VmSize");

    close_and_tell("first");
    printf("lot: %d, below 1 MB: %s\n", each_lot(NULL, NULL),
           status_kb("VmSize") - before < 1024 ? "yes" : "no");
}

/* Mappings that a fork child shares with its parent and may write to. */
static void shared(void)
{
    char line[512];
    int count = 0;
    FILE *file;

    close_and_tell("first");
    file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, " rw-s ") != NULL;
    if (file)
        fclose(file);
    printf("shared mappings: %d\n", count);
}

/* ---- Signals --------------------------------------------------------------------------------- */

static void tell_mask(const char *when)
{
    uint64_t mask = 0;

    sys4(SYS_rt_sigprocmask, SIG_BLOCK, 0, SYS_ARG(&mask), sizeof mask);
    printf("%s: %s\n", when, mask ? "signals blocked" : "none blocked");
}

/* A filter that lets signals be blocked as the library does it, and refuses to let them go. */
static void restoring(void)
{
    struct net_pair pair = pair_at_risk();

    refuse(SYS_rt_sigprocmask, 0, SIG_SETMASK, EPERM);
    must(net_close_ours(&pair), "close");
    tell_mask("after");
}

static const struct scene {
    const char *name;
    void (*play)(void);
} scenes[] = {
    {"share-of-guests", share_of_guests},
    {"forged", forged},
    {"flood", flooded},
    {"drop", drop},
    {"drop-while-closing", drop_while_closing},
    {"unreachable", unreachable},
    {"zero-linger", zero_linger},
    {"kept-by-exec", kept_by_exec},
    {"memory", memory},
    {"shared", shared},
    {"restoring", restoring},
};

static const struct {
    const char *name;
    void (*body)(int feed);
} attacks[] = {
    {"two-descriptors", two_descriptors},   {"short", short_messages},
    {"wrong-sockets", wrong_sockets},       {"wild-words", wild_words},
    {"threads-of-child", threads_of_child},
};

static const struct {
    const char *name;
    void (*body)(int feed);
    bool same_lot;
} disturbances[] = {
    {"empty-messages", empty_messages, true},
    {"shut-down", shut_down, false},
};

static const struct {
    const char *name;
    long number;
    int argument;
    uint32_t value;
    int error;
} refusals[] = {
    {"recvmsg", SYS_recvmsg, -1, 0, EPERM},
    {"epoll_pwait", SYS_epoll_pwait, -1, 0, EPERM},
    {"clock_gettime", SYS_clock_gettime, -1, 0, EPERM},
    {"futex", SYS_futex, -1, 0, EPERM},
    {"nanosleep", SYS_nanosleep, -1, 0, EPERM},
    {"passcred", SYS_setsockopt, 2, SO_PASSCRED, ENOPROTOOPT},
};

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "reader") == 0)
        return reader(argv[2]);
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
        if (strcmp(name, scenes[i].name) == 0)
            return scenes[i].play(), 0;
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        if (strcmp(name, attacks[i].name) == 0)
            return leak(attacks[i].body, name), 0;
    for (size_t i = 0; i < sizeof disturbances / sizeof disturbances[0]; i++)
        if (strcmp(name, disturbances[i].name) == 0)
            return outlives(disturbances[i].body, name, disturbances[i].same_lot), 0;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strcmp(name, refusals[i].name) == 0)
            return refused(name, refusals[i].number, refusals[i].argument, refusals[i].value,
                           refusals[i].error),
                   0;
    fprintf(stderr, "usage: rights SCENE\n");
    return 2;
}
