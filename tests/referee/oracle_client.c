/* A client, and what it makes of what it sees. See oracle.h. */
#define _GNU_SOURCE
#include "oracle.h"

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PORT 2000 /* below those that the kernel picks */
#define PORTS 30000

/* What a client saw. */
struct seen {
    int received; /* right bytes of the answer */
    bool wrong;   /* and one that was not */
    int error;    /* 0: EOF; ETIMEDOUT: nothing came for too long */
};

/* A port that stays the client's own until it closes. One that the kernel picks is free as soon as the server
 * resets the connection, and may be the next client's while the board still says what the last one played. */
static bool take_port(int fd)
{
    static _Atomic unsigned next;

    for (int i = 0; i < PORTS; i++) {
        struct sockaddr_in own = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)(FIRST_PORT + next++ % PORTS))};

        if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0)
            return true;
    }
    return false;
}

/* On a machine with more to do than it can, one connect in some 50,000 was not told that its connection was
 * there, though the server had it, before the server lost its patience and closed it. */
static bool has_connected(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = EINPROGRESS;
    socklen_t size = sizeof error;

    while (poll(&p, 1, 50) == 0)
        ;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0 &&
           fcntl(fd, F_SETFL, 0) == 0;
}

static int connect_to(int port, bool small)
{
    struct sockaddr_in server = net_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int size = 16384;

    if (fd >= 0 && small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (fd < 0 || !take_port(fd) ||
        (connect(fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS) ||
        !has_connected(fd)) {
        perror("oracle: unable to connect");
        exit(2);
    }
    return fd;
}

/* Where the kernel says so only after the server has ceased to wait for it, nothing is played on it. */
static int connect_in_time(int port, bool small)
{
    for (;;) {
        long start = net_now_ms();
        int fd = connect_to(port, small);

        if (net_now_ms() - start < board->patience_ms / 2)
            return fd;
        close(fd);
    }
}

static int own_port(int fd)
{
    struct sockaddr_in own;
    socklen_t size = sizeof own;

    getsockname(fd, (struct sockaddr *)&own, &size);
    return ntohs(own.sin_port);
}

static void send_request(int fd, const struct scenario *s, int from, int to)
{
    unsigned char bytes[20000];

    for (int at = from; at < to; at++)
        bytes[at - from] = pattern(s->index, false, at);
    for (int sent = 0, size = to - from, got; sent < size; sent += got) {
        got = (int)send(fd, bytes + sent, (size_t)(size - sent), MSG_NOSIGNAL);
        if (got <= 0)
            return; /* what comes next tells */
    }
}

static void ask(int fd, const struct scenario *s, struct slot *slot)
{
    send_request(fd, s, 0, s->at_once);
    if (kind_has_reader(s->kind) || kind_has_writer(s->kind))
        wait_for(&slot->phase, 1);
    else if (s->at_once < s->request)
        usleep((useconds_t)s->pause);
    send_request(fd, s, s->at_once, s->request);
    if (s->client_sleeps)
        usleep((useconds_t)s->client_sleeps);
}

static void look(const struct scenario *s, const unsigned char *bytes, int size, struct seen *seen)
{
    for (int i = 0; i < size && !seen->wrong; i++) {
        seen->wrong = bytes[i] != pattern(s->index, true, seen->received);
        seen->received += !seen->wrong;
    }
}

/* To the end: while others hold the connection, that is when the last of them has given it up. */
static struct seen read_answer(int fd, const struct scenario *s)
{
    unsigned char bytes[16384];
    struct seen seen = {0};
    int got;

    do {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, 2 * board->patience_ms) <= 0) {
            seen.error = ETIMEDOUT;
            return seen;
        }
        got = (int)recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0)
            look(s, bytes, got, &seen);
    } while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)));
    seen.error = got < 0 ? errno : 0;
    return seen;
}

/* ---- Judges ---------------------------------------------------------------------------------- */

static const char *end_of(int read_end)
{
    static const char *const ends[] = {"all", "EOF", "nothing more came", "other bytes",
                                       "an error"};

    return ends[read_end];
}

static void judge_user(const struct scenario *s, struct slot *slot, struct verdict *v)
{
    int read = atomic_load(&slot->read);
    int written = atomic_load(&slot->written);

    if (s->reads && read < s->request) {
        v->robbed = true;
        snprintf(v->why, sizeof v->why, "the user read %d of %d bytes, then: %s", read, s->request,
                 end_of(atomic_load(&slot->read_end)));
    } else if (written < s->answer) {
        v->cut = true;
        snprintf(v->why, sizeof v->why, "the user wrote %d of %d bytes, then: %s", written,
                 s->answer, strerror(atomic_load(&slot->write_error)));
    }
}

/* Nothing is unread at the end, so nothing may be lost. */
static bool must_arrive(const struct scenario *s)
{
    return s->reads ? !s->zero_linger : kind_has_writer(s->kind) && s->request == 0;
}

static void judge_client(const struct scenario *s, const struct seen *seen, struct verdict *v)
{
    bool whole = seen->received == s->answer && !seen->wrong;

    if (must_arrive(s) && !whole) {
        v->cut = true;
        snprintf(v->why, sizeof v->why, "the client read %d of %d bytes, then: %s", seen->received,
                 s->answer, seen->wrong ? "other bytes" : net_end_text(seen->error));
    } else if (scenario_stays(s) && seen->error == 0) {
        v->undone = true;
        snprintf(v->why, sizeof v->why, "the client read EOF");
    } else if (scenario_may_be_mended(s)) {
        v->mended = whole && seen->error == 0;
        v->left = !v->mended;
    }
}

static void judge(const struct scenario *s, struct slot *slot, const struct seen *seen,
                  struct verdict *v)
{
    /* Of whom all was taken, the user waits for as long. */
    if (!wait_for(&slot->done, 1) && !wait_for(&slot->done, 1)) {
        v->hung = true;
        snprintf(v->why, sizeof v->why, "the user does not come to its end");
        return;
    }
    judge_user(s, slot, v);
    if (v->robbed || v->cut)
        return;
    if (seen->error == ETIMEDOUT) {
        v->hung = true;
        snprintf(v->why, sizeof v->why, "the client waits after %d bytes", seen->received);
        return;
    }
    judge_client(s, seen, v);
}

void client_play(const struct scenario *s, int number, struct verdict *v)
{
    struct slot *slot = &board->slots[number];
    int fd = connect_in_time(board->ports[s->by_worker], kind_has_writer(s->kind));
    _Atomic int *by_port = &board->by_port[s->by_worker][own_port(fd)];
    struct seen seen;

    atomic_store(by_port, number + 1);
    ask(fd, s, slot);
    seen = read_answer(fd, s);
    *v = (struct verdict){.robbed = false};
    judge(s, slot, &seen, v);
    atomic_store(by_port, 0);
    close(fd);
}
