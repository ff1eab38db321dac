/* Doors of one descriptor, by its number: close, dup2, dup3, close_range, closefrom; and what is no
 * door, but watched. */
#define _GNU_SOURCE
#include "door.h"

#include <linux/close_range.h>
#include <pthread.h>
#include <sys/resource.h>

static int open_null(void)
{
    int fd = open("/dev/null", O_RDWR);

    if (fd < 0)
        cannot("open /dev/null");
    return fd;
}

/* Nothing was taken from the connection; read empty, it closes without a reset. */
static void read_and_leave(void)
{
    static char block[65536];
    long got = 0;
    ssize_t n;

    while (got < door.unread && (n = recv(door.fd, block, sizeof block, MSG_DONTWAIT)) > 0)
        got += n;
    say("read=%ld", got);
    CALL("close", by_close(door.fd));
    through();
}

/* ---- close ---------------------------------------------------------------------------------------- */

ACT(do_close, "close")
{
    CALL("close", by_close(door.fd));
    CALL("again", by_close(door.fd));
    through();
}

ACT(do_close_all, "close all")
{
    for (int i = 0; i < door.count; i++)
        by_close(door.fds[i]);
    through();
}

/* ---- dup2, dup3 ----------------------------------------------------------------------------------- */

/* The number stands for something else afterwards. */
static void say_is_null(void)
{
    char byte;

    CALL("read null", read(door.fd, &byte, 1));
    say("cloexec=%d", fcntl(door.fd, F_GETFD));
    through();
}

ACT(do_dup2, "dup2")
{
    int null = open_null();

    CALL("dup2", by_dup2(null, door.fd));
    say_is_null();
}

ACT(do_dup3, "dup3")
{
    int null = open_null();

    CALL("dup3", by_dup3(null, door.fd, 0));
    say_is_null();
}

ACT(do_dup3_cloexec, "dup3 cloexec")
{
    int null = open_null();

    CALL("dup3", by_dup3(null, door.fd, O_CLOEXEC));
    say_is_null();
}

/* One connection over another: the second has two numbers from then on. */
ACT(do_dup2_connection, "dup2 connection")
{
    CALL("dup2", by_dup2(door.fds[1], door.fds[0]));
    say("~gone=%d", door.fds[0]);
    say("unread=%d", net_unread(door.fds[0]));
    CALL("close one", by_close(door.fds[1]));
    say("unread=%d", net_unread(door.fds[0]));
    CALL("close other", by_close(door.fds[0]));
    through();
}

ACT(do_dup2_refused, "dup2 refused")
{
    CALL("dup2 -1", by_dup2(-1, door.fd));
    CALL("dup2 not open", by_dup2(999, door.fd));
    CALL("dup2 INT_MAX", by_dup2(INT32_MAX, door.fd));
    CALL("dup2 to -1", by_dup2(door.fd, -1));
    CALL("dup2 to INT_MAX", by_dup2(door.fd, INT32_MAX));
    CALL("dup2 same", by_dup2(door.fd, door.fd));
    CALL("dup2 same, not open", by_dup2(999, 999));
    say("unread=%d", net_unread(door.fd));
    read_and_leave();
}

/* A number that is open, but above the limit by now, can't be the target of anything. */
static void above_limit(bool dup3)
{
    struct rlimit limit;
    int null = open_null();
    int above = fcntl(door.fd, F_DUPFD, 200);

    by_close(door.fd);
    door.fd = above;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 100;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (dup3)
        CALL("dup3 above the limit", by_dup3(null, door.fd, 0));
    else
        CALL("dup2 above the limit", by_dup2(null, door.fd));
    say("unread=%d", net_unread(door.fd));
    read_and_leave();
}

ACT(do_dup2_above_limit, "dup2 above limit")
{
    above_limit(false);
}

ACT(do_dup3_above_limit, "dup3 above limit")
{
    above_limit(true);
}

ACT(do_dup3_refused, "dup3 refused")
{
    int null = open_null();

    CALL("dup3 -1", by_dup3(-1, door.fd, 0));
    CALL("dup3 not open", by_dup3(999, door.fd, O_CLOEXEC));
    CALL("dup3 flags", by_dup3(null, door.fd, O_NONBLOCK));
    CALL("dup3 all flags", by_dup3(null, door.fd, -1));
    CALL("dup3 same", by_dup3(door.fd, door.fd, 0));
    CALL("dup3 same, cloexec", by_dup3(door.fd, door.fd, O_CLOEXEC));
    CALL("dup3 same, not open", by_dup3(999, 999, 0));
    CALL("dup3 to -1", by_dup3(door.fd, -1, 0));
    say("unread=%d", net_unread(door.fd));
    read_and_leave();
}

/* ---- close_range, closefrom ----------------------------------------------------------------------- */

ACT(do_close_range, "close_range")
{
    CALL("close_range", by_close_range((unsigned)door.fd, (unsigned)door.fd, 0));
    CALL("again", by_close(door.fd));
    through();
}

ACT(do_close_range_to_end, "close_range to end")
{
    CALL("close_range", by_close_range((unsigned)door.fd, ~0U, 0));
    CALL("again", by_close(door.fd));
    through();
}

ACT(do_closefrom, "closefrom")
{
    errno = DOOR_KEPT;
    closefrom(door.fd);
    say("closefrom %s", errno_text(errno));
    CALL("again", by_close(door.fd));
    through();
}

ACT(do_closefrom_negative, "closefrom negative")
{
    errno = DOOR_KEPT;
    closefrom(-5);
    say("closefrom %s", errno_text(errno));
    CALL("again", by_close(door.fd));
    CALL("stdin", by_close(0));
    through();
}

/* Connections from beside the range must not be touched; those within are told by their numbers. */
ACT(do_close_range_part, "close_range part")
{
    int first = door.fds[1], last = door.fds[door.count - 2];

    CALL("close_range", by_close_range((unsigned)first, (unsigned)last, 0));
    say("unread first=%d", net_unread(door.fds[0]));
    say("unread last=%d", net_unread(door.fds[door.count - 1]));
    for (int i = 0; i < 2; i++) {
        static char block[65536];
        int fd = door.fds[i ? door.count - 1 : 0];
        say("read=%zd", recv(fd, block, sizeof block, MSG_DONTWAIT));
        CALL("close", by_close(fd));
    }
    through();
}

ACT(do_close_range_refused, "close_range refused")
{
    CALL("close_range backwards", by_close_range((unsigned)door.fd + 1, (unsigned)door.fd, 0));
    CALL("close_range flags", by_close_range((unsigned)door.fd, (unsigned)door.fd, 1 << 10));
    CALL("close_range all flags", by_close_range((unsigned)door.fd, (unsigned)door.fd, -1));
    CALL("close_range of none", by_close_range(5000, 6000, 0));
    CALL("close_range high", by_close_range(0x80000000U, ~0U, 0));
    say("unread=%d", net_unread(door.fd));
    read_and_leave();
}

ACT(do_close_range_cloexec, "close_range cloexec")
{
    CALL("close_range", by_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC));
    say("cloexec=%d", fcntl(door.fd, F_GETFD));
    say("unread=%d", net_unread(door.fd));
    read_and_leave();
}

ACT(do_close_range_unshare, "close_range unshare")
{
    CALL("close_range", by_close_range((unsigned)door.fd, ~0U, CLOSE_RANGE_UNSHARE));
    CALL("again", by_close(door.fd));
    through();
}

ACT(do_close_range_unshare_cloexec, "close_range unshare cloexec")
{
    CALL("close_range", by_close_range(3, ~0U, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC));
    say("cloexec=%d", fcntl(door.fd, F_GETFD));
    read_and_leave();
}

static void *unshare_range(void *unused)
{
    (void)unused;
    CALL("close_range", by_close_range(3, ~0U, CLOSE_RANGE_UNSHARE));
    CALL("again", by_close(door.fd));
    return NULL;
}

static void in_a_thread(void *(*function)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) != 0 || pthread_join(thread, NULL) != 0)
        cannot("run a thread");
}

/* The other thread's table is a copy, so here nothing was closed. */
ACT(do_close_range_unshare_thread, "close_range unshare thread")
{
    in_a_thread(unshare_range);
    say("unread=%d", net_unread(door.fd));
    CALL("close", by_close(door.fd));
    through();
}

/* As daemons close what they may have inherited, each number but one. */
ACT(do_close_the_rest, "close the rest")
{
    int closed = 0, refused = 0;

    for (int fd = 3; fd < 20000; fd++) {
        if (fd == door.fd)
            continue;
        errno = 0;
        if (by_close(fd) == 0)
            closed++;
        else if (errno == EBADF)
            refused++;
    }
    say("closed=%d refused=%d", closed, refused);
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_close_the_rest_range, "close the rest by close_range")
{
    CALL("below", by_close_range(3, (unsigned)door.fd - 1, 0));
    CALL("above", by_close_range((unsigned)door.fd + 1, ~0U, 0));
    CALL("close", by_close(door.fd));
    through();
}

/* Takes every number for its own, the log's too, and closes it again. */
ACT(do_dup2_the_rest, "dup2 over the rest")
{
    int null = open_null();
    long limit = sysconf(_SC_OPEN_MAX);
    int failed = 0;

    for (int fd = 3; fd < limit && fd < 20000; fd++)
        if (fd != door.fd && fd != null)
            failed += by_dup2(null, fd) != fd || by_close(fd) != 0;
    say("failed=%d", failed);
    CALL("close", by_close(door.fd));
    through();
}

/* Between two calls that no one else makes, for who counts. */
static void mark(const char *what)
{
    syscall(SYS_write, -1, what, strlen(what));
}

/* Files all over the numbers, 50 for each connection where the limit allows. */
static void spread(void)
{
    struct rlimit limit;
    int null = open_null();
    int files = 50 * door.count;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    files = (rlim_t)files < limit.rlim_cur / 2 ? files : (int)limit.rlim_cur / 2;
    limit.rlim_cur -= limit.rlim_cur > 100000 ? limit.rlim_cur - 100000 : 0;
    for (int i = 0; i < files; i++)
        if (fcntl(null, F_DUPFD, (int)limit.rlim_cur / files * i) < 0)
            cannot("open a file");
    by_close(null);
}

ACT(do_cost_close_range, "cost of close_range")
{
    spread();
    mark("BEGIN");
    by_close_range(3, 100003, 0);
    mark("END");
    through();
}

ACT(do_cost_closefrom, "cost of closefrom")
{
    spread();
    mark("BEGIN");
    closefrom(3);
    mark("END");
    through();
}

/* ---- What is watched ------------------------------------------------------------------------------ */

static void do_shut(int how)
{
    CALL("shutdown", by_shutdown(door.fd, how));
    /* An acknowledgement of the FIN that arrives after the close is answered with a reset of its own. */
    if (how != SHUT_RD && !net_wait_for(net_state, door.fd, TCP_FIN_WAIT2))
        cannot("have the FIN acknowledged");
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_shut_rd, "shutdown RD")
{
    do_shut(SHUT_RD);
}

ACT(do_shut_wr, "shutdown WR")
{
    do_shut(SHUT_WR);
}

ACT(do_shut_rdwr, "shutdown RDWR")
{
    do_shut(SHUT_RDWR);
}

ACT(do_shut_refused, "shutdown refused")
{
    int fd = make_socket();

    CALL("shutdown not connected", by_shutdown(fd, SHUT_RDWR));
    CALL("shutdown how", by_shutdown(door.fd, 3));
    CALL("shutdown -1", by_shutdown(-1, SHUT_RD));
    CALL("shutdown file", by_shutdown(0, SHUT_RD));
    by_close(fd);
    read_and_leave();
}

ACT(do_linger, "linger")
{
    struct linger zero = {1, 0};

    CALL("setsockopt", by_setsockopt(door.fd, SOL_SOCKET, SO_LINGER, &zero, sizeof zero));
    CALL("close", by_close(door.fd));
    through();
}

ACT_ALONE(do_linger_before_listen, "linger before listen")
{
    struct linger zero = {1, 0};
    int listener = make_socket();

    CALL("setsockopt", by_setsockopt(listener, SOL_SOCKET, SO_LINGER, &zero, sizeof zero));
    start_listening(listener);
    take_all(listener);
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_linger_off_again, "linger off again")
{
    struct linger zero = {1, 0}, off = {0, 0};

    CALL("setsockopt", by_setsockopt(door.fd, SOL_SOCKET, SO_LINGER, &zero, sizeof zero));
    CALL("setsockopt", by_setsockopt(door.fd, SOL_SOCKET, SO_LINGER, &off, sizeof off));
    CALL("close", by_close(door.fd));
    through();
}

/* ---- Second holders ------------------------------------------------------------------------------- */

ACT(do_dup, "dup")
{
    int copy = (int)by_dup(door.fd);

    CALL("close", by_close(door.fd));
    say("unread=%d", net_unread(copy));
    CALL("close copy", by_close(copy));
    through();
}

ACT(do_fcntl_dup, "fcntl dup")
{
    int copy = (int)by_fcntl(door.fd, F_DUPFD, 50);

    say("copy=%d", copy);
    CALL("close", by_close(door.fd));
    say("unread=%d", net_unread(copy));
    CALL("close copy", by_close(copy));
    through();
}

/* Whoever takes it out of the message holds it as well. */
static void send_and_receive(bool many)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec byte = {(char[]){'x'}, 1};
    struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = &byte,
                                               .msg_iovlen = 1,
                                               .msg_control = &control,
                                               .msg_controllen = sizeof control}}};
    struct msghdr *message = &messages[0].msg_hdr;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        cannot("make a socket pair");
    memcpy(CMSG_DATA(&control.header), &door.fd, sizeof(int));
    CALL("sendmsg nowhere", by_sendmsg(ends[0], (void *)8, 0));
    CALL("sendmmsg nowhere", by_sendmmsg(ends[0], (void *)8, 1, 0));
    if (many)
        CALL("sent", by_sendmmsg(ends[0], messages, 1, 0));
    else
        CALL("sent", by_sendmsg(ends[0], message, 0));
    CALL("close", by_close(door.fd));
    CALL("recvmsg nowhere", by_recvmsg(ends[1], (void *)8, 0));
    if (many)
        CALL("received", by_recvmmsg(ends[1], messages, 1, 0));
    else
        CALL("received", by_recvmsg(ends[1], message, 0));
    memcpy(&door.fd, CMSG_DATA(&control.header), sizeof(int));
    say("unread=%d", net_unread(door.fd));
    CALL("close received", by_close(door.fd));
    through();
}

ACT(do_sendmsg, "sendmsg")
{
    send_and_receive(false);
}

ACT(do_sendmmsg, "sendmmsg")
{
    send_and_receive(true);
}

/* ---- What fails ----------------------------------------------------------------------------------- */

ACT(do_mq_notify_refused, "mq_notify refused")
{
    CALL("mq_notify", by_mq_notify(-1, NULL));
    CALL("close", by_close(door.fd));
    through();
}

/* ---- As bare -------------------------------------------------------------------------------------- */

/* A connection as number 0, 1 or 2. */
ACT_ALONE(do_low_numbers, "low numbers")
{
    int listener;

    close(0);
    close(1);
    close(2);
    listener = make_socket();
    say("listener=%d", listener);
    start_listening(listener);
    for (int i = 0; i < door.count; i++)
        door.fds[i] = take_connection(listener);
    CALL("close listener", by_close(listener));
    await_data();
    for (int i = 0; i < door.count; i++)
        CALL("close", by_close(door.fds[i]));
    through();
}

int main(int argc, char **argv)
{
    return door_main(argc, argv);
}
