/*
 * hostile_peers PORT MS RATE KIND:COUNT...: so many peers of each kind connect to a hostile_server,
 * are answered, and then do not leave; those that do something slowly do it every MS milliseconds.
 * RATE of them come in a second. Prints "ready" when all have connected; at SIGTERM a line for each
 * kind:
 *
 *   KIND COUNT, how many were reset, the milliseconds until the last of those was, the most bytes
 *   that the server's kernel acknowledged to one of them
 */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <sys/epoll.h>

/* So many are on their way to the server at a time: more would be dropped by its backlog. */
enum { EVENTS = 256, PENDING = 512, TICKS = 10, SIP = 4096, UNREAD = 10, CRUMBS_AT_ONCE = 16 };

struct peer {
    const struct kind *kind;
    int fd;
    bool connected;
    bool answered; /* the answer was read to its end */
    bool over;     /* reset */
    int64_t born;
};

struct kind {
    const char *name;
    uint32_t answer;
    int receive_buffer;
    uint32_t events; /* that it waits for, once connected */
    void (*on_data)(struct peer *);
    void (*on_room)(struct peer *);
    void (*slowly)(struct peer *);
};

struct seen {
    const struct kind *kind;
    int count;
    int resets;
    int64_t longest;
    uint64_t most;
};

static char bytes[65536];
static struct peer *peers;
static int peer_count;
static int pending;
static int connected;
static int sets;
static struct seen seen[16];
static int seen_count;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void watch(struct peer *p, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = p};

    must(epoll_ctl(sets, how, p->fd, &event), "watch");
}

static struct seen *seen_of(const struct peer *p)
{
    int i = 0;

    while (seen[i].kind != p->kind)
        i++;
    return &seen[i];
}

static void note_bytes(const struct peer *p)
{
    struct seen *s = seen_of(p);
    uint64_t n = (uint64_t)net_acknowledged(p->fd);

    if (n > s->most)
        s->most = n;
}

static void be_over(struct peer *p)
{
    struct seen *s = seen_of(p);
    int64_t ms = hostile_ms() - p->born;

    note_bytes(p);
    s->resets++;
    if (ms > s->longest)
        s->longest = ms;
    p->over = true;
    close(p->fd);
}

/* ---- What they do ------------------------------------------------------------------------------ */

static void send_some(struct peer *p, size_t size, int flags)
{
    if (send(p->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT | flags) < 0 && errno != EAGAIN)
        be_over(p);
}

static void read_all(struct peer *p)
{
    ssize_t n;

    while ((n = recv(p->fd, bytes, sizeof bytes, 0)) > 0)
        ;
    if (n < 0 && errno != EAGAIN) {
        be_over(p);
    } else if (n == 0) {
        p->answered = true;
        watch(p, p->kind->events & ~(uint32_t)EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void drip(struct peer *p)
{
    send_some(p, 1, 0);
}

static void drip_urgent(struct peer *p)
{
    send_some(p, 1, MSG_OOB);
}

static void flood(struct peer *p)
{
    send_some(p, sizeof bytes, 0);
}

static void crumble(struct peer *p)
{
    for (int i = 0; i < CRUMBS_AT_ONCE && !p->over; i++)
        send_some(p, 1, 0);
}

/* Slowly enough to last, fast enough never to be idle. */
static void sip(struct peer *p)
{
    ssize_t n = recv(p->fd, bytes, SIP, 0);

    if (n < 0 && errno != EAGAIN)
        be_over(p);
}

static void reset_after_answer(struct peer *p)
{
    struct linger now = {1, 0};

    read_all(p);
    if (p->over || !p->answered)
        return;
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    be_over(p);
}

/* From now on it hears nothing, and so says nothing. */
static void vanish(struct peer *p)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &nothing};

    must(setsockopt(p->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), "vanish");
    watch(p, 0, EPOLL_CTL_MOD);
}

static const struct kind kinds[] = {
    {"drip", 100, 0, EPOLLIN, read_all, NULL, drip},
    {"urgent", 100, 0, EPOLLIN, read_all, NULL, drip_urgent},
    {"flood", 100, 0, EPOLLIN | EPOLLOUT, read_all, flood, NULL},
    {"crumbs", 100, 0, EPOLLIN | EPOLLOUT, read_all, crumble, NULL},
    {"mute", 100, 0, EPOLLIN, read_all, NULL, NULL},
    {"deaf", 100000, 4096, 0, NULL, NULL, NULL},
    {"glutton", HOSTILE_ANSWER_MOST, 4096, 0, NULL, NULL, NULL},
    {"sip", 150000, 4096, 0, NULL, NULL, sip},
    {"reset", 100, 0, EPOLLIN, reset_after_answer, NULL, NULL},
    {"vanish", 100000, 4096, EPOLLIN, vanish, NULL, NULL},
};

/* ---- How they come ----------------------------------------------------------------------------- */

static void begin(struct peer *p, int i, int port)
{
    int size = p->kind->receive_buffer;
    int one = 1;

    p->fd = hostile_socket((unsigned)i, SOCK_NONBLOCK);
    p->born = hostile_ms();
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (size)
        setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (hostile_connect(p->fd, port) < 0 && errno != EINPROGRESS)
        unable("connect");
    pending++;
    watch(p, EPOLLOUT, EPOLL_CTL_ADD);
}

/* Its request, and behind it what the server does not read. */
static void ask(struct peer *p)
{
    struct hostile_request request = {p->kind->answer, 0};
    char first[sizeof request + UNREAD] = {0};

    memcpy(first, &request, sizeof request);
    if (send(p->fd, first, sizeof first, MSG_NOSIGNAL) != sizeof first)
        unable("ask");
    p->connected = true;
    p->born = hostile_ms();
    pending--;
    connected++;
    watch(p, p->kind->events, EPOLL_CTL_MOD);
}

static void act(struct peer *p, uint32_t events)
{
    if (p->over)
        return;
    if (!p->connected)
        ask(p);
    else if (events & EPOLLERR)
        be_over(p);
    else if (events & EPOLLIN)
        p->kind->on_data(p);
    else if (events & EPOLLOUT)
        p->kind->on_room(p);
}

/* A tenth of them each tenth of the interval. */
static void tick(int64_t number)
{
    for (int i = (int)(number % TICKS); i < peer_count; i += TICKS)
        if (peers[i].connected && !peers[i].over && peers[i].kind->slowly)
            peers[i].kind->slowly(&peers[i]);
}

static void play(int port, int interval, int rate)
{
    struct epoll_event events[EVENTS];
    int64_t start = hostile_ms();
    int64_t ticks = hostile_ms() * TICKS / interval;
    int begun = 0;
    bool told = false;

    while (!stopped) {
        int due = (int)((hostile_ms() - start) * rate / 1000) + 1;
        while (begun < peer_count && begun < due && pending < PENDING) {
            begin(&peers[begun], begun, port);
            begun++;
        }
        int n = epoll_wait(sets, events, EVENTS, 5);
        for (int i = 0; i < n; i++)
            act(events[i].data.ptr, events[i].events);
        for (int64_t now = hostile_ms() * TICKS / interval; ticks < now; ticks++)
            tick(ticks);
        if (!told && connected == peer_count) {
            told = true;
            owner_say("ready\n");
        }
    }
}

static const struct kind *find_kind(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, name, len) == 0)
            return &kinds[i];
    errno = EINVAL;
    unable("know that kind of peer");
}

/* "KIND:COUNT". */
static void add_kind(const char *text)
{
    size_t len = strcspn(text, ":");

    seen[seen_count].kind = find_kind(text, len);
    seen[seen_count].count = text[len] ? atoi(text + len + 1) : 1;
    peer_count += seen[seen_count++].count;
}

/* One of each kind after the other, as long as there are some. */
static void mix(void)
{
    int left[16];
    int kind = 0;

    for (int i = 0; i < seen_count; i++)
        left[i] = seen[i].count;
    for (int i = 0; i < peer_count; i++) {
        do
            kind = (kind + 1) % seen_count;
        while (left[kind] == 0);
        left[kind]--;
        peers[i].kind = seen[kind].kind;
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};

    if (argc < 5 || argc > 4 + 16 || atoi(argv[2]) <= 0)
        return 2;
    sigaction(SIGTERM, &action, NULL);
    hostile_raise_limit();
    for (int i = 4; i < argc; i++)
        add_kind(argv[i]);
    peers = calloc((size_t)peer_count, sizeof *peers);
    if (!peers)
        unable("remember so many peers");
    mix();
    sets = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");
    play(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]));
    for (int i = 0; i < peer_count; i++)
        if (peers[i].connected && !peers[i].over)
            note_bytes(&peers[i]);
    for (const struct seen *s = seen; s < seen + seen_count; s++)
        owner_say("%s %d %d %lld %llu\n", s->kind->name, s->count, s->resets, (long long)s->longest,
                  (unsigned long long)s->most);
    return 0;
}
