/*
 * hostile_good PORT QUICK SLOW: honest clients of a hostile_server, which come again and again
 * until SIGTERM: so many QUICK ones at a time, and so many SLOW ones, which take 2 s to read. Each
 * sends more than the server reads, and some of it late, while it reads the answer. Prints a line
 * for each sort, and ends:
 *
 *   quick or slow, how many came, how many got their answer whole and an orderly end, and the
 *   median, the 99th percentile and the longest of their milliseconds
 */
#define _GNU_SOURCE
#include "hostile.h"

#include <pthread.h>

enum { KEPT = 200000, ANSWER = 100000, UPLOAD = 20000, SLOW_STEPS = 20, SLOW_MS = 100 };

struct sort {
    const char *name;
    bool slow;
    pthread_mutex_t mutex;
    int came;
    int whole;
    int us[KEPT]; /* how long each took */
};

static struct sort sorts[] = {{.name = "quick", .mutex = PTHREAD_MUTEX_INITIALIZER},
                              {.name = "slow", .slow = true, .mutex = PTHREAD_MUTEX_INITIALIZER}};
static volatile sig_atomic_t stopped;
static int port;
static _Atomic unsigned next;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static int64_t us_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Some data that comes after the close. It may be refused by a reset, which the reading shows. */
static void send_late(int fd)
{
    static const char late[100];

    send(fd, late, sizeof late, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool read_answer(int fd, bool slow)
{
    static const int step = ANSWER / SLOW_STEPS;
    unsigned char bytes[ANSWER];
    long at = 0;
    bool right = true;
    ssize_t n;

    while ((n = recv(fd, bytes, slow ? (size_t)step : sizeof bytes, 0)) > 0) {
        for (long i = 0; i < n; i++)
            right = right && bytes[i] == owner_byte(at + i);
        if (slow || at == 0)
            send_late(fd);
        at += n;
        if (slow)
            usleep(SLOW_MS * 1000);
    }
    if (n < 0 || !right || at != ANSWER)
        fprintf(stderr, "good: %ld of %d bytes, %s\n", at, ANSWER,
                n < 0 ? strerrorname_np(errno) : "the end");
    return right && n == 0 && at == ANSWER;
}

static bool is_served(bool slow)
{
    struct hostile_request request = {ANSWER, 0};
    char upload[sizeof request + UPLOAD] = {0};
    int fd = hostile_socket(60000 + next++ % 2500, 0);
    int size = 8192;
    bool whole;

    if (slow)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    memcpy(upload, &request, sizeof request);
    whole = hostile_connect(fd, port) == 0 &&
            send(fd, upload, sizeof upload, MSG_NOSIGNAL) == sizeof upload && read_answer(fd, slow);
    close(fd);
    return whole;
}

static void *come_again(void *argument)
{
    struct sort *sort = argument;

    while (!stopped) {
        int64_t start = us_now();
        bool whole = is_served(sort->slow);
        int64_t us = us_now() - start;

        pthread_mutex_lock(&sort->mutex);
        if (sort->came < KEPT)
            sort->us[sort->came] = (int)us;
        sort->came++;
        sort->whole += whole;
        pthread_mutex_unlock(&sort->mutex);
        usleep(5000);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void tell(struct sort *s)
{
    int kept = s->came < KEPT ? s->came : KEPT;

    qsort(s->us, (size_t)kept, sizeof s->us[0], compare);
    owner_say("%s %d %d %.1f %.1f %.1f\n", s->name, s->came, s->whole,
              kept ? s->us[kept / 2] / 1e3 : 0, kept ? s->us[kept * 99L / 100] / 1e3 : 0,
              kept ? s->us[kept - 1] / 1e3 : 0);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    pthread_t threads[256];
    int count = 0;

    if (argc != 4 || atoi(argv[2]) + atoi(argv[3]) > 256)
        return 2;
    sigaction(SIGTERM, &action, NULL);
    port = atoi(argv[1]);
    for (int sort = 0; sort < 2; sort++)
        for (int i = 0; i < atoi(argv[2 + sort]); i++) {
            threads[count++] = start_thread(come_again, &sorts[sort]);
        }
    while (count)
        pthread_join(threads[--count], NULL);
    tell(&sorts[0]);
    tell(&sorts[1]);
    return 0;
}
