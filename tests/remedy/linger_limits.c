/*
 * linger_limits SCENE: a program at its limits, or that takes away what the lot stands on, while
 * connections linger. Its peer is linger_process_peer.
 */
#define _GNU_SOURCE
#include "linger_process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { LIMIT = 64 };

static int listener;

static void limit(rlim_t most)
{
    struct rlimit descriptors;

    must(getrlimit(RLIMIT_NOFILE, &descriptors), "know the limit");
    descriptors.rlim_cur = most;
    must(setrlimit(RLIMIT_NOFILE, &descriptors), "set the limit");
}

static void park(int count)
{
    for (int i = 0; i < count; i++)
        must(close(linger_at_risk(listener, FEW)), "close");
}

static void wait_for(enum linger_question plan)
{
    linger_asks(plan, EVERY);
    linger_asks(ASK_WAIT, 0);
}

/* ---- RLIMIT_NOFILE --------------------------------------------------------------------------- */

/* How many more numbers the program can have; they are given back. */
static int room(void)
{
    int first = -1;
    int count = 0;
    int fd;

    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0 && count < 4 * LIMIT) {
        if (first < 0)
            first = fd;
        count++;
    }
    if (fd >= 0 || errno != EMFILE)
        unable("come to the limit");
    for (fd = first; fd < LIMIT; fd++) {
        struct stat stat;
        if (fstat(fd, &stat) == 0 && S_ISCHR(stat.st_mode))
            close(fd);
    }
    return count;
}

/* Parked ones take nothing from the program, and more of them than the limit make room. */
SCENE(few_descriptors, "few-descriptors")
{
    limit(LIMIT);
    listener = owner_listens();
    park(1);
    fprintf(stderr, "room %d\n", room());
    park(119);
    fprintf(stderr, "room %d\n", room());
    wait_for(ASK_READ);
}

/* All that there may be, and all of them still there. */
SCENE(few_descriptors_late, "few-descriptors-late")
{
    limit(LIMIT);
    listener = owner_listens();
    park(40);
    wait_for(ASK_LATE);
}

/* Every number that the limit allows is in use, some of it by connections. */
SCENE(at_the_limit, "at-the-limit")
{
    int fds[LIMIT];
    int count = 0;

    limit(LIMIT);
    listener = owner_listens();
    for (int i = 0; i < 20; i++)
        fds[count++] = linger_at_risk(listener, FEW);
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        ;
    while (count)
        must(close(fds[--count]), "close");
    wait_for(ASK_LATE);
}

SCENE(limit_of_a_few, "limit-of-a-few")
{
    listener = owner_listens();
    limit((rlim_t)listener + 2);
    park(20);
    wait_for(ASK_READ);
}

/* What is parked already takes more than is allowed from then on. */
SCENE(lowered, "lowered")
{
    listener = owner_listens();
    park(60);
    limit(20);
    park(30);
    limit(LIMIT);
    park(30);
    wait_for(ASK_READ);
}

/* ---- A lot that can't be fed ----------------------------------------------------------------- */

static void fill(int wire, int fd)
{
    while (net_send_descriptor(wire, fd, MSG_DONTWAIT))
        ;
}

/* The kernel counts what all of a user's sockets have under way: more of it than a descriptor limit
 * is refused to everybody without rights. */
SCENE(nothing_more_under_way, "nothing-more-under-way")
{
    int pair[2];
    int null = must(open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null");

    listener = owner_listens();
    park(1);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "make a pair");
    limit(20);
    fill(pair[0], null);
    owner_say("sendmsg: %s\n", strerrorname_np(errno));
    for (int i = 0; i < 10; i++) {
        int fd = linger_at_risk(listener, FEW);

        fill(pair[0], null); /* what was under way to the lot may have arrived */
        must(close(fd), "close");
    }
    close(pair[0]);
    close(pair[1]);
    wait_for(ASK_READ);
}

/* Faster than the lot takes them, by a user who may not have many under way. */
SCENE(burst, "burst")
{
    enum { MANY = 100 };
    int fds[MANY];

    listener = owner_listens();
    park(1);
    for (int i = 0; i < MANY; i++)
        fds[i] = linger_at_risk(listener, FEW);
    limit(20);
    for (int i = 0; i < MANY; i++)
        must(close(fds[i]), "close");
    wait_for(ASK_READ);
}

/* ---- Every number ---------------------------------------------------------------------------- */

enum by { BY_CLOSE, BY_SYSCALL, BY_RANGE, BY_FROM, WAYS };

/* All from 3 up but the listening socket, which is 3 or this would not be a loop of this kind, and
 * the wire to the peer, which a program like this has not. */
static void close_every_number(enum by by)
{
    const int first = listener + 1;

    switch (by) {
    case BY_CLOSE:
        for (int fd = first; fd < 1024; fd++)
            if (fd != OWNER_PEER)
                close(fd);
        break;
    case BY_SYSCALL:
        for (int fd = first; fd < 1024; fd++)
            if (fd != OWNER_PEER)
                syscall(SYS_close, fd);
        break;
    case BY_RANGE:
        must(close_range((unsigned)first, OWNER_PEER - 1, 0), "close a range");
        must(close_range(OWNER_PEER + 1, ~0U, 0), "close a range");
        break;
    default: /* there is no way around the wire */
        must(dup2(OWNER_PEER, listener + 1), "move the wire");
        closefrom(listener + 2);
        must(dup2(listener + 1, OWNER_PEER), "move the wire");
        close(listener + 1);
    }
}

SCENE(closes_all_first, "closes-all-first")
{
    listener = owner_listens();
    for (enum by by = 0; by < WAYS; by++)
        close_every_number(by);
    park(10);
    wait_for(ASK_LATE);
}

/* With connections open and parked. */
static void closes_all(enum by by)
{
    listener = owner_listens();
    park(5);
    for (int i = 0; i < 5; i++)
        linger_at_risk(listener, FEW);
    close_every_number(by);
    park(5);
    close_every_number(by);
    park(5);
    wait_for(ASK_READ);
}

SCENE(closes_all_by_close, "closes-all-by-close")
{
    closes_all(BY_CLOSE);
}

SCENE(closes_all_by_syscall, "closes-all-by-syscall")
{
    closes_all(BY_SYSCALL);
}

SCENE(closes_all_by_range, "closes-all-by-range")
{
    closes_all(BY_RANGE);
}

SCENE(closes_all_by_from, "closes-all-by-from")
{
    closes_all(BY_FROM);
}

/* The high numbers, which ours would be among, are all in use. */
SCENE(no_high_number, "no-high-number")
{
    int null = must(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null");

    listener = owner_listens();
    limit(1024);
    for (int fd = OWNER_PEER; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            must(dup2(null, fd), "use a number");
    park(5);
    wait_for(ASK_READ);
}

/* A server whose children begin by closing what they don't know, and go on accepting. */
SCENE(child_closes_all, "child-closes-all")
{
    for (enum by by = 0; by < WAYS; by++) {
        if (by == 0) {
            listener = owner_listens();
            park(5);
        }
        pid_t pid = must(fork(), "fork");
        if (pid == 0) {
            close_every_number(by);
            park(5);
            wait_for(ASK_LATE);
            exit(0);
        }
        owner_reaps(pid);
        park(5);
    }
    wait_for(ASK_LATE);
}

/* A number that is not open, as far as the program knows. */
SCENE(takes_every_number, "takes-every-number")
{
    int null = must(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null");

    listener = owner_listens();
    park(5);
    for (int fd = 500; fd < 1500; fd++)
        if (fd != OWNER_PEER)
            must(dup2(null, fd), "duplicate");
    park(5);
    for (int fd = 500; fd < 1500; fd++)
        if (fd != OWNER_PEER)
            must(close(fd), "close");
    park(5);
    wait_for(ASK_READ);
}

/* The lot's end is another socket of the same kind now. */
SCENE(takes_every_number_for_sockets, "takes-every-number-for-sockets")
{
    int pair[2];
    char rest[100];

    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "make a pair");
    listener = owner_listens();
    park(5);
    for (int fd = 500; fd < 1500; fd++)
        if (fd != OWNER_PEER)
            must(dup2(pair[0], fd), "duplicate");
    park(5);
    owner_say("in the program's own socket: %zd\n", recv(pair[1], rest, sizeof rest, MSG_DONTWAIT));
    wait_for(ASK_READ);
}

/* ---- Places ---------------------------------------------------------------------------------- */

SCENE(plain, "plain")
{
    listener = owner_listens();
    park(5);
    wait_for(ASK_LATE);
}

SCENE(in_chroot, "chroot")
{
    const char *place = getenv("EMPTY_PLACE");

    listener = owner_listens();
    park(5);
    must(chroot(place ? place : ""), "change the root");
    must(chdir("/"), "go there");
    park(5);
    wait_for(ASK_LATE);
}

int main(int argc, char **argv)
{
    return owner_plays(argc == 2 ? argv[1] : NULL);
}
