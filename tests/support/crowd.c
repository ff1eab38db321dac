/*
 * A crowd of clients: so many connections in all, so many of them at a time. Each sends its
 * request, of whose body a part may come late, while it reads whatever comes, to the end; it closes
 * only then, so that no reset is of its making. It is the witness of what arrived.
 *
 * Prints what the answers were, most frequent first, and what arrived in all:
 *     1998 end=eof received=3217 body=3a0c9f12 status=HTTP/1.1 413 Request Entity Too Large
 *     bytes 6434000
 * body is a checksum of what is behind the head (of an answer without an empty line: of all of it).
 */
#include "options.h"
#include "play.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: crowd [OPTION...] ADDRESS PORT\n"
    "  -n COUNT  connections in all (1)\n"
    "  -c COUNT  at a time (1)\n"
    "  -s TEXT   the request's head, as printf(1) takes it: \\r, \\n, \\0 and octal; %b is the size of the\n"
    "            body; \"\" sends none (POST / HTTP/1.1, Connection: close)\n"
    "  -b BYTES  of the body (0)\n"
    "  -e BYTES  of it sent at once, the rest being late (all)\n"
    "  -l MS     so late behind the first byte of the answer (20)\n"
    "  -r BYTES  receive buffer (the kernel's choice)\n"
    "  -t MS     a connection that takes longer has \"end=timeout\" (60000)\n"
    "  -H        hold: says \"held\" and the first one when every answer has begun, and closes at the end of its\n"
    "            input\n";

enum { PIECE = 65536, PARTS = 16, STATUS_ROOM = 64, KINDS = 256 };

static struct {
    const char *head;
    long long count, at_a_time, body, early, late_ms, buffer, limit_ms;
    bool hold;
} options = {
    .head =
        "POST / HTTP/1.1\\r\\nHost: crowd\\r\\nConnection: close\\r\\nContent-Length: %b\\r\\n\\r\\n",
    .count = 1,
    .at_a_time = 1,
    .early = -1,
    .late_ms = 20,
    .limit_ms = 60000,
};

struct client {
    int fd; /* -1: none */
    size_t sent;
    bool broken; /* nothing can be sent any more */
    bool was_reset;
    bool ended;
    int newlines; /* of the empty line that ends a head */
    bool in_body;
    uint32_t sum_all, sum_body;
    size_t received;
    long long begun, first_ms; /* when it connected; when its answer began, 0: not yet */
    char status[STATUS_ROOM];
};

struct kind {
    char text[256];
    long count;
};

static struct sockaddr_in server = {.sin_family = AF_INET};
static char *head;
static size_t head_size;
static char piece[PIECE]; /* of any body */
static struct client *clients;
static struct kind kinds[KINDS];
static struct pollfd *waiting;
static long started, done, held;
static unsigned long long bytes;

/* ---- The request ----------------------------------------------------------------------------- */

static size_t request_size(void)
{
    return head_size + (size_t)options.body;
}

static bool is_due(const struct client *c, long long now)
{
    return c->ended || (c->first_ms && now - c->first_ms >= options.late_ms);
}

/* How much of the request may be sent by now. */
static size_t sendable(const struct client *c, long long now)
{
    if (options.early < 0 || options.early >= options.body || is_due(c, now))
        return request_size();
    return head_size + (size_t)options.early;
}

/* All that may be sent, in one call: head and body are different memory, and the body is the same piece
 * again and again. */
static void send_some(struct client *c, long long now)
{
    struct iovec parts[PARTS];
    struct msghdr message = {.msg_iov = parts};
    size_t from = c->sent, end = sendable(c, now);
    ssize_t n;

    while (from < end && message.msg_iovlen < PARTS) {
        bool of_head = from < head_size;
        size_t size = (of_head ? head_size : end) - from;

        if (!of_head && size > PIECE)
            size = PIECE;
        parts[message.msg_iovlen++] = (struct iovec){of_head ? head + from : piece, size};
        from += size;
    }
    n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (n >= 0)
        c->sent += (size_t)n;
    else if (errno == ECONNRESET || errno == EPIPE)
        c->was_reset = c->broken = true;
    else if (errno != EAGAIN && errno != EINTR)
        unable("send");
}

/* ---- The answer ------------------------------------------------------------------------------ */

static uint32_t add_to(uint32_t sum, char byte)
{
    return (sum ^ (unsigned char)byte) * 16777619u;
}

static void sum_up(struct client *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (c->in_body) {
            c->sum_body = add_to(c->sum_body, text[i]);
            continue;
        }
        c->sum_all = add_to(c->sum_all, text[i]);
        if (text[i] == '\n')
            c->newlines++;
        else if (text[i] != '\r')
            c->newlines = 0;
        c->in_body = c->newlines == 2;
    }
}

static void keep_status(struct client *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size && c->received + i < STATUS_ROOM - 1; i++)
        c->status[c->received + i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '|';
}

static void read_some(struct client *c, long long now)
{
    static char text[PIECE];
    ssize_t n = recv(c->fd, text, sizeof(text), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && errno != ECONNRESET && errno != EPIPE)
        unable("read");
    if (!c->first_ms) {
        c->first_ms = now;
        held++;
    }
    if (n > 0) {
        keep_status(c, text, (size_t)n);
        sum_up(c, text, (size_t)n);
        c->received += (size_t)n;
        return;
    }
    if (n < 0)
        c->was_reset = c->broken = true;
    c->ended = true;
}

/* A reset that answered what was late is no longer read. */
static void ask_for_reset(struct client *c)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
        c->was_reset = true;
}

/* ---- What it was ----------------------------------------------------------------------------- */

static void count_kind(const char *text)
{
    int i;

    for (i = 0; i < KINDS - 1 && kinds[i].count; i++)
        if (strcmp(kinds[i].text, text) == 0)
            break;
    if (i == KINDS - 1)
        text = "others";
    if (!kinds[i].count)
        strcpy(kinds[i].text, text);
    kinds[i].count++;
}

static void finish(struct client *c, bool in_time)
{
    char text[256];
    int status = (int)strcspn(c->status, "|");
    bool http = strncmp(c->status, "HTTP/", 5) == 0;

    ask_for_reset(c);
    snprintf(text, sizeof(text), "end=%s received=%zu body=%08x status=%.*s",
             c->was_reset ? "reset"
             : in_time    ? "eof"
                          : "timeout",
             c->received, c->in_body ? c->sum_body : c->sum_all, http ? status : STATUS_ROOM,
             c->status);
    count_kind(text);
    bytes += c->received;
    close(c->fd);
    c->fd = -1;
    done++;
}

static int more_frequent(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;

    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->text, y->text);
}

static void show(void)
{
    qsort(kinds, KINDS, sizeof(kinds[0]), more_frequent);
    for (int i = 0; i < KINDS && kinds[i].count; i++)
        printf("%ld %s\n", kinds[i].count, kinds[i].text);
    printf("bytes %llu\n", bytes);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void start(struct client *c)
{
    int buffer = (int)options.buffer;

    memset(c, 0, sizeof(*c));
    c->sum_all = c->sum_body = 2166136261u;
    c->begun = net_now_ms();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Before connecting, when it still bounds the window. */
    if (c->fd < 0 ||
        (buffer && setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0))
        unable("make a socket");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof(server)) < 0 && errno != EINPROGRESS)
        unable("connect");
    started++;
}

static bool has_to_send(const struct client *c, long long now)
{
    return !c->broken && c->sent < sendable(c, now);
}

static bool is_done(const struct client *c)
{
    return c->ended && (c->broken || c->sent == request_size());
}

static void serve(struct client *c, short seen, long long now)
{
    if (seen & POLLOUT && has_to_send(c, now))
        send_some(c, now);
    if (seen & (POLLIN | POLLERR | POLLHUP) && !c->ended)
        read_some(c, now);
    if (is_done(c))
        finish(c, true);
    else if (now - c->begun > options.limit_ms)
        finish(c, false);
}

/* Of all that are there, at most so many ms: what is late is due some time without any event. */
static void wait_for_all(long long now)
{
    for (long i = 0; i < options.at_a_time; i++) {
        struct client *c = &clients[i];
        short events = 0;

        if (c->fd >= 0 && has_to_send(c, now))
            events |= POLLOUT;
        if (c->fd >= 0 && !c->ended)
            events |= POLLIN;
        /* A negative number is what poll ignores; else it would return at once for an end seen
         * before. */
        waiting[i] = (struct pollfd){.fd = events ? c->fd : -1, .events = events};
    }
    if (poll(waiting, (nfds_t)options.at_a_time, 5) < 0 && errno != EINTR)
        unable("wait");
}

static void round_of_all(void)
{
    long long now;

    for (long i = 0; i < options.at_a_time; i++)
        if (clients[i].fd < 0 && started < options.count)
            start(&clients[i]);
    wait_for_all(net_now_ms());
    now = net_now_ms();
    for (long i = 0; i < options.at_a_time; i++)
        if (clients[i].fd >= 0)
            serve(&clients[i], waiting[i].fd < 0 ? 0 : waiting[i].revents, now);
}

static void hold(void)
{
    while (held < options.count && done == 0)
        round_of_all();
    printf("held %s\n", clients[0].status);
    fflush(stdout);
    while (read(STDIN_FILENO, piece, sizeof(piece)) > 0)
        continue;
    for (long i = 0; i < options.at_a_time; i++)
        if (clients[i].fd >= 0)
            close(clients[i].fd);
}

/* ---- Arguments ------------------------------------------------------------------------------- */

static void get_ready(const char *address, const char *port)
{
    server.sin_port = htons((uint16_t)options_number(port, 1, 65535, usage));
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1) {
        errno = EINVAL;
        unable("use that address");
    }
    if (options.hold || options.at_a_time > options.count)
        options.at_a_time = options.count;
    clients = calloc((size_t)options.at_a_time, sizeof(*clients));
    waiting = calloc((size_t)options.at_a_time, sizeof(*waiting));
    if (!clients || !waiting)
        unable("get memory");
    for (long i = 0; i < options.at_a_time; i++)
        clients[i].fd = -1;
    head = request_head(options.head, options.body, &head_size);
    memset(piece, 'b', sizeof(piece));
}

int main(int argc, char **argv)
{
    enum { MOST_BYTES = 100000000, MOST_MS = 3600000, MOST_CLIENTS = 10000000 };
    const struct option_row rows[] = {
        {"-n", .number = &options.count, .least = 1, .most = MOST_CLIENTS},
        {"-c", .number = &options.at_a_time, .least = 1, .most = 20000},
        {"-s", .text = &options.head},
        {"-b", .number = &options.body, .most = MOST_BYTES},
        {"-e", .number = &options.early, .most = MOST_BYTES},
        {"-l", .number = &options.late_ms, .most = MOST_MS},
        {"-r", .number = &options.buffer, .most = MOST_BYTES},
        {"-t", .number = &options.limit_ms, .least = 1, .most = MOST_MS},
        {"-H", .flag = &options.hold},
        {.name = NULL},
    };
    int at = options_read(argc, argv, rows, usage);

    if (argc - at != 2)
        options_refuse("an address and a port are expected", usage);
    get_ready(argv[at], argv[at + 1]);
    if (options.hold) {
        hold();
        return 0;
    }
    while (done < options.count)
        round_of_all();
    show();
    return 0;
}
