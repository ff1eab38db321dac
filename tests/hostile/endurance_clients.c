/*
 * endurance_clients PORT COUNT: so many connections to a hostile_server, a few at a time, of six
 * kinds that take turns. Prints a line for each kind:
 *
 *   KIND COUNT, and how many of those got their answer whole and an orderly end
 */
#define _GNU_SOURCE
#include "hostile.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, UNREAD = 1000, LATE = 100, LONG_ANSWER = 50000 };

struct kind {
    const char *name;
    struct hostile_request request;
    size_t more;       /* bytes sent behind the request */
    size_t late;       /* bytes sent after the server's end of the stream */
    bool says_no_more; /* half-closes before the answer */
    bool resets;       /* in the end */
    _Atomic long count;
    _Atomic long whole;
};

static struct kind kinds[] = {
    {.name = "unread", .request = {100, 0}, .more = UNREAD},
    {.name = "late", .request = {100, 0}, .late = LATE},
    {.name = "clean", .request = {100, UNREAD}, .more = UNREAD},
    {.name = "unread-late", .request = {LONG_ANSWER, 10}, .more = UNREAD, .late = LATE},
    {.name = "half-closed", .request = {100, UNREAD}, .more = UNREAD, .says_no_more = true},
    {.name = "reset", .request = {100, UNREAD}, .more = UNREAD, .resets = true},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static int port;
static long wanted;
static _Atomic long begun;

static void send_all(int fd, size_t size)
{
    static const char bytes[UNREAD];

    send(fd, bytes, size, MSG_NOSIGNAL);
}

static bool read_answer(int fd, long expected)
{
    unsigned char bytes[LONG_ANSWER];
    long at = 0;
    ssize_t n;

    while ((n = recv(fd, bytes + at, (size_t)(expected - at), 0)) > 0 && (at += n) < expected)
        ;
    for (long i = 0; i < at; i++)
        if (bytes[i] != owner_byte(i))
            return false;
    return at == expected && recv(fd, bytes, 1, 0) == 0;
}

static void visit(struct kind *kind, unsigned i)
{
    struct linger now = {1, 0};
    char first[sizeof kind->request + UNREAD] = {0};
    int fd = hostile_socket(i, 0);

    memcpy(first, &kind->request, sizeof kind->request);
    must(hostile_connect(fd, port), "connect");
    send(fd, first, sizeof kind->request + kind->more, MSG_NOSIGNAL);
    if (kind->says_no_more)
        shutdown(fd, SHUT_WR);
    if (read_answer(fd, kind->request.answer))
        kind->whole++;
    if (kind->late)
        send_all(fd, kind->late);
    if (kind->resets)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    kind->count++;
}

static void *visit_often(void *unused)
{
    long i;

    while ((i = begun++) < wanted)
        visit(&kinds[i % KINDS], (unsigned)i);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];

    if (argc != 3)
        return 2;
    port = atoi(argv[1]);
    wanted = atol(argv[2]);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = start_thread(visit_often, NULL);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < KINDS; i++)
        owner_say("%s %ld %ld\n", kinds[i].name, kinds[i].count, kinds[i].whole);
    return 0;
}
