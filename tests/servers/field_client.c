/*
 * A client as the field has them: it sends a request of which a part comes late, and reads the
 * answer slowly through a small window. It knows nothing of the server, looks at nothing but its
 * own connection, and is the witness of what arrived.
 *
 * It resets nothing itself: whatever comes it reads to the end, and it closes only then. What a
 * failed send says of a reset is not lost either, though the read behind it may return EOF.
 *
 * Prints one line, in which the status takes all that is left of it:
 *     received=2000123 body=2000000 expected=2000123 sent=300080 end=eof status=HTTP/1.1 413 ...
 *   received  bytes of the answer, its head too
 *   body      those behind the head; of an answer that is not HTTP all of them
 *   expected  head and Content-Length; "-" where the answer, as far as it came, tells no length
 *   end       eof, reset or timeout
 */
#define _GNU_SOURCE /* memmem, strcasestr */
#include "options.h"
#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: field_client [OPTION...] HOST PORT\n"
    "  -s TEXT   the request's head, as printf(1) takes it: \\r, \\n, \\0 and octal; %b is the size of the\n"
    "            body; \"\" sends none (POST / HTTP/1.1, Connection: close)\n"
    "  -b BYTES  of the request's body, 0 to 100000000 (300000)\n"
    "  -e BYTES  of the body sent at once, the rest being late (200000)\n"
    "  -l MS     the rest is sent so long after the answer, or its end, has begun (50)\n"
    "  -L MS     ... or so long after the start, when that comes first (never)\n"
    "  -r BYTES  receive buffer, as given to SO_RCVBUF; 0 leaves it to the kernel (16384)\n"
    "  -c BYTES  read at a time, 1 to 65536 (8192)\n"
    "  -d MS     pause before each read, 0 to read at once (1)\n"
    "  -t MS     gives up after so long (60000)\n"
    "HOST is a name or an address. Exit status 0 however the connection ended; 1 where there was none.\n";

/* As much of an answer as its head can be. */
enum { HEAD_ROOM = 16384, READ_ROOM = 65536 };

static struct {
    const char *head;
    long long body, early, late_ms, latest_ms, buffer, chunk, pause_ms, limit_ms;
} options = {
    .head = "POST / HTTP/1.1\\r\\nHost: field\\r\\nConnection: close\\r\\n"
            "Content-Type: application/octet-stream\\r\\nContent-Length: %b\\r\\n\\r\\n",
    .body = 300000,
    .early = 200000,
    .late_ms = 50,
    .latest_ms = -1,
    .buffer = 16384,
    .chunk = 8192,
    .pause_ms = 1,
    .limit_ms = 60000,
};

/* The request, head and body. */
static struct {
    char *bytes;
    size_t size, early, sent;
    bool broken; /* a send failed: no more of it can be sent */
} request;

static struct {
    char head[HEAD_ROOM];
    long received;
    bool ended;
    long long begun_ms; /* when its first byte came, or its end; 0: not yet */
} answer;

static bool was_reset;
static long long start_ms;

/* ---- The request ----------------------------------------------------------------------------- */

static void make_request(void)
{
    request.bytes = request_head(options.head, options.body, &request.size);
    request.bytes = realloc(request.bytes, request.size + (size_t)options.body + 1);
    if (!request.bytes)
        unable("get memory");
    memset(request.bytes + request.size, 'b', (size_t)options.body);
    request.early =
        request.size + (size_t)(options.early < options.body ? options.early : options.body);
    request.size += (size_t)options.body;
}

/* Milliseconds until the late part is due, 0 when it is; -1: not known yet. */
static long long late_in_ms(long long now)
{
    long long due = -1;

    if (answer.begun_ms)
        due = answer.begun_ms + options.late_ms;
    if (options.latest_ms >= 0 && (due < 0 || start_ms + options.latest_ms < due))
        due = start_ms + options.latest_ms;
    return due < 0 ? -1 : due > now ? due - now : 0;
}

/* How much of the request may be sent by now. */
static size_t sendable(long long now)
{
    return late_in_ms(now) == 0 ? request.size : request.early;
}

static void send_some(int fd, long long now)
{
    ssize_t n = send(fd, request.bytes + request.sent, sendable(now) - request.sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n >= 0) {
        request.sent += (size_t)n;
    } else if (errno == ECONNRESET || errno == EPIPE) {
        was_reset = request.broken = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        unable("send");
    }
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void keep_head(const char *bytes, size_t size)
{
    size_t have = answer.received < HEAD_ROOM - 1 ? (size_t)answer.received : HEAD_ROOM - 1;

    if (size > HEAD_ROOM - 1 - have)
        size = HEAD_ROOM - 1 - have;
    memcpy(answer.head + have, bytes, size);
}

static void read_some(int fd)
{
    static char bytes[READ_ROOM];
    ssize_t n = recv(fd, bytes, (size_t)options.chunk, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && errno != ECONNRESET && errno != EPIPE)
        unable("read");
    if (!answer.begun_ms)
        answer.begun_ms = net_now_ms();
    if (n > 0) {
        keep_head(bytes, (size_t)n);
        answer.received += n;
        return;
    }
    answer.ended = true;
    if (n < 0)
        was_reset = request.broken = true;
}

static void show(bool in_time)
{
    const char *end = memmem(answer.head, sizeof(answer.head), "\r\n\r\n", 4);
    bool http = strncmp(answer.head, "HTTP/", 5) == 0;
    const char *length = http && end ? strcasestr(answer.head, "\r\nContent-Length:") : NULL;
    long head = http ? (end ? end + 4 - answer.head : answer.received) : 0;

    printf("received=%ld body=%ld expected=", answer.received, answer.received - head);
    if (length && length < end)
        printf("%ld", head + strtol(strchr(length, ':') + 1, NULL, 10));
    else
        printf("-");
    printf(" sent=%zu end=%s status=%.*s\n", request.sent,
           was_reset ? "reset"
           : in_time ? "eof"
                     : "timeout",
           (int)strcspn(answer.head, "\r\n"), answer.head);
}

/* ---- Both at once ---------------------------------------------------------------------------- */

/* Waits until there is something to do, for at most LIMIT ms; returns what poll saw. */
static int wait_for(int fd, short events, long long limit)
{
    /* A negative number is what poll ignores; else it would return at once for an end seen before.
     */
    struct pollfd waiting = {.fd = events ? fd : -1, .events = events};

    if (poll(&waiting, 1, limit > INT_MAX ? INT_MAX : (int)limit) < 0 && errno != EINTR)
        unable("wait");
    return waiting.revents;
}

static bool is_done(void)
{
    return answer.ended && (request.broken || request.sent == request.size);
}

/* One round. NEXT_READ: when to read again. */
static void go_on(int fd, long long *next_read, long long deadline)
{
    long long now = net_now_ms(), wait = deadline - now, late = late_in_ms(now);
    short events = 0;
    int seen;

    if (!request.broken && request.sent < sendable(now))
        events |= POLLOUT;
    if (!answer.ended && *next_read <= now)
        events |= POLLIN;
    if (!answer.ended && *next_read > now && *next_read - now < wait)
        wait = *next_read - now;
    if (late > 0 && late < wait)
        wait = late;
    seen = wait_for(fd, events, wait);
    if (events & POLLOUT && seen & (POLLOUT | POLLERR | POLLHUP))
        send_some(fd, now);
    if (events & POLLIN && seen & (POLLIN | POLLERR | POLLHUP)) {
        read_some(fd);
        *next_read = net_now_ms() + options.pause_ms;
    }
}

/* False: it took too long. */
static bool converse(int fd)
{
    long long deadline = start_ms + options.limit_ms, next_read = start_ms;

    while (!is_done()) {
        if (net_now_ms() >= deadline)
            return false;
        go_on(fd, &next_read, deadline);
    }
    return true;
}

/* The server has heard all there is when it acknowledges our FIN; a reset that answered what was
 * late has arrived by then, and is what SO_ERROR tells. */
static void end_in_order(int fd)
{
    long long deadline = start_ms + options.limit_ms;
    struct tcp_info info;
    int error;
    socklen_t size = sizeof(info);

    shutdown(fd, SHUT_WR);
    while (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state != TCP_CLOSE && info.tcpi_state != TCP_TIME_WAIT &&
           net_now_ms() < deadline)
        wait_for(-1, 0, 1);
    size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error)
        was_reset = true;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo wanted = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, port, &wanted, &found), fd, buffer = (int)options.buffer;

    if (error) {
        fprintf(stderr, "field_client: unable to find %s: %s\n", host, gai_strerror(error));
        exit(1);
    }
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Before connecting, when it still bounds the window. */
    if (fd < 0 ||
        (buffer > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) < 0))
        unable("make a socket");
    if (connect(fd, found->ai_addr, found->ai_addrlen) < 0)
        unable("connect");
    freeaddrinfo(found);
    return fd;
}

int main(int argc, char **argv)
{
    enum { MOST_BYTES = 100000000, MOST_MS = 3600000 };
    const struct option_row rows[] = {
        {"-s", .text = &options.head},
        {"-b", .number = &options.body, .most = MOST_BYTES},
        {"-e", .number = &options.early, .most = MOST_BYTES},
        {"-l", .number = &options.late_ms, .most = MOST_MS},
        {"-L", .number = &options.latest_ms, .most = MOST_MS},
        {"-r", .number = &options.buffer, .most = MOST_BYTES},
        {"-c", .number = &options.chunk, .least = 1, .most = READ_ROOM},
        {"-d", .number = &options.pause_ms, .most = MOST_MS},
        {"-t", .number = &options.limit_ms, .least = 1, .most = MOST_MS},
        {.name = NULL},
    };
    int at = options_read(argc, argv, rows, usage), fd;
    bool in_time;

    if (argc - at != 2)
        options_refuse("a host and a port are expected", usage);
    make_request();
    fd = connect_to(argv[at], argv[at + 1]);
    start_ms = net_now_ms();
    in_time = converse(fd);
    if (in_time && !was_reset)
        end_in_order(fd);
    show(in_time);
    close(fd);
    free(request.bytes);
    return 0;
}
