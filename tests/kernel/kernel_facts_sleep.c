/* Where a thread sleeps in the kernel: by that the library knows that it is in no call on a connection. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static const char *const elsewhere[] = {
#define PLACE(function) #function,
#include "holders/sleeping.def"
#undef PLACE
};

/* What the calls are on; set by the main thread, before it starts the one that sleeps. */
static struct {
    struct net_pair pair;
    int listener;
    int pipe[2];
    int full_pipe[2];
    int unix_pair[2];
    int udp;
    int epoll;
    int event;
    int signal;
    int timer;
    int lock[2];
    int word;
    _Atomic int tid;
} stage;

/* ---- Where it sleeps ------------------------------------------------------------------------- */

static char place[128]; /* in which kernel function: by the main thread */

static bool is_elsewhere(void)
{
    size_t len = strcspn(place, "."); /* what the compiler made of it has a suffix */

    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strncmp(place, elsewhere[i], len) == 0 && elsewhere[i][len] == '\0')
            return true;
    return false;
}

/* "0" is a thread that runs, or a kernel that hides it. */
static bool look(void)
{
    char path[64];
    ssize_t n = -1;
    int file;

    snprintf(path, sizeof path, "/proc/self/task/%d/wchan", stage.tid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0)
        n = read(file, place, sizeof place - 1);
    close(file);
    place[n > 0 ? n : 0] = '\0';
    return n > 0 && strcmp(place, "0") != 0;
}

static bool sleeps_elsewhere(void *unused)
{
    (void)unused;
    return look() && is_elsewhere();
}

static bool waits_on_a_connection(void *unused)
{
    (void)unused;
    return look() && strcmp(place, "wait_woken") == 0;
}

/* ---- The calls ------------------------------------------------------------------------------- */

static char much[1 << 20];

static void in_epoll_wait(void)
{
    struct epoll_event event;

    epoll_wait(stage.epoll, &event, 1, -1);
}

static void in_poll(void)
{
    struct pollfd waiting = {.fd = stage.pair.ours, .events = POLLIN};

    poll(&waiting, 1, -1);
}

static void in_select(void)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(stage.pair.ours, &set);
    select(stage.pair.ours + 1, &set, NULL, NULL, NULL);
}

static void in_nanosleep(void)
{
    const struct timespec hour = {3600, 0};

    nanosleep(&hour, NULL);
}

static void in_sigwait(void)
{
    sigset_t set;
    int number;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigwait(&set, &number);
}

static void in_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    fcntl(stage.lock[1], F_OFD_SETLKW, &lock);
}

static void in_read(int fd)
{
    char room[256];

    if (read(fd, room, sizeof room) < 0)
        abort();
}

#define CALL(name, what)                                                                           \
    static void name(void)                                                                         \
    {                                                                                              \
        what;                                                                                      \
    }

CALL(in_futex, syscall(SYS_futex, &stage.word, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0))
CALL(in_pause, pause())
CALL(in_accept, accept(stage.listener, NULL, NULL))
CALL(in_pipe_read, in_read(stage.pipe[0]))
CALL(in_pipe_write, (void)!write(stage.full_pipe[1], much, sizeof much))
CALL(in_unix_read, in_read(stage.unix_pair[0]))
CALL(in_unix_write, send(stage.unix_pair[1], much, sizeof much, 0))
CALL(in_udp_read, in_read(stage.udp))
CALL(in_eventfd, in_read(stage.event))
CALL(in_signalfd, in_read(stage.signal))
CALL(in_timerfd, in_read(stage.timer))
CALL(in_flock, flock(stage.lock[1], LOCK_EX))
CALL(in_wait, waitpid(-1, NULL, 0))

CALL(in_recv, recv(stage.pair.ours, much, 1, 0))
CALL(in_peek, recv(stage.pair.ours, much, 1, MSG_PEEK))
CALL(in_send, send(stage.pair.ours, much, sizeof much, MSG_NOSIGNAL))
CALL(in_splice, splice(stage.pair.ours, NULL, stage.pipe[1], NULL, 1, 0))

/* ---- The facts ------------------------------------------------------------------------------- */

static void set_stage(void)
{
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    const struct itimerspec hour = {.it_value.tv_sec = 3600};
    struct epoll_event none = {0};
    char lock[] = "/tmp/kernel_facts_sleep.XXXXXX";
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    memset(&stage, 0, sizeof stage);
    must(net_pair_open(&stage.pair, &small) == 0);
    must((stage.listener = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && listen(stage.listener, 1) == 0);
    must(pipe(stage.pipe) == 0 && pipe(stage.full_pipe) == 0);
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, stage.unix_pair) == 0);
    must((stage.udp = socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
    must((stage.epoll = epoll_create1(0)) >= 0);
    must(epoll_ctl(stage.epoll, EPOLL_CTL_ADD, stage.pipe[0], &none) == 0);
    must((stage.event = eventfd(0, 0)) >= 0);
    must((stage.signal = signalfd(-1, &set, 0)) >= 0);
    must((stage.timer = timerfd_create(CLOCK_MONOTONIC, 0)) >= 0);
    must(timerfd_settime(stage.timer, 0, &hour, NULL) == 0);
    must((stage.lock[0] = mkostemp(lock, O_CLOEXEC)) >= 0);
    must((stage.lock[1] = open(lock, O_RDWR | O_CLOEXEC)) >= 0 && unlink(lock) == 0);
    must(flock(stage.lock[0], LOCK_EX) == 0);
    must(fcntl(stage.lock[0], F_OFD_SETLK,
               &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET}) == 0);
}

static void *sleep_in(void *call)
{
    stage.tid = gettid();
    (*(void (**)(void))call)();
    return NULL;
}

/* In a process of its own: what sleeps, and what it sleeps on, ends with that. The answer is the place. */
static void look_from_a_child(void (*call)(void), bool (*is_there)(void *), int answer)
{
    pthread_t thread;
    pid_t child;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_stage();
    child = fork();
    if (child == 0) { /* for whoever waits for one */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    must(pthread_create(&thread, NULL, sleep_in, &call) == 0);
    while (!stage.tid)
        sched_yield();
    if (!net_wait_until(is_there, NULL))
        dprintf(answer, "%s", place);
    kill(child, SIGKILL);
    _exit(0);
}

/* What it found where that is not as IS_THERE has it. */
static const char *looked(void (*call)(void), bool (*is_there)(void *))
{
    static char found[sizeof place];
    int answer[2];
    ssize_t n;

    must(pipe(answer) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0)
        look_from_a_child(call, is_there, answer[1]);
    close(answer[1]);
    n = read(answer[0], found, sizeof found - 1);
    close(answer[0]);
    fact_is(wait_child(child), 0);
    found[n > 0 ? n : 0] = '\0';
    return found;
}

static void is_known_elsewhere(void **call)
{
    design_says("blocked in ...: only an allow-list proves \"elsewhere\"");
    const char *found = looked((void (*)(void)) * call, sleeps_elsewhere);

    if (*found)
        fail_msg("it sleeps in %s, which shim/holders/sleeping.def does not have", found);
}

static void waits_in_wait_woken(void **call)
{
    design_says("blocked in recv, send, ...: wait_woken");
    const char *found = looked((void (*)(void)) * call, waits_on_a_connection);

    if (*found)
        fail_msg("it sleeps in %s", found);
}

#define SLEEPS(name, call)                                                                         \
    FACT_OF("a thread in " name " is known to be elsewhere", is_known_elsewhere, (void *)(call))
#define WAITS(name, call)                                                                          \
    FACT_OF("a thread in " name " on a connection is in wait_woken", waits_in_wait_woken,          \
            (void *)(call))

SLEEPS("epoll_wait", in_epoll_wait)
SLEEPS("poll", in_poll)
SLEEPS("select", in_select)
SLEEPS("a futex", in_futex)
SLEEPS("nanosleep", in_nanosleep)
SLEEPS("sigwait", in_sigwait)
SLEEPS("pause", in_pause)
SLEEPS("waitpid", in_wait)
SLEEPS("accept", in_accept)
SLEEPS("read of a pipe", in_pipe_read)
SLEEPS("write to a pipe", in_pipe_write)
SLEEPS("read of a UNIX socket", in_unix_read)
SLEEPS("send to a UNIX socket", in_unix_write)
SLEEPS("read of a datagram socket", in_udp_read)
SLEEPS("read of an eventfd", in_eventfd)
SLEEPS("read of a signalfd", in_signalfd)
SLEEPS("read of a timerfd", in_timerfd)
SLEEPS("flock", in_flock)
SLEEPS("fcntl, which waits for a lock", in_lock)
WAITS("recv", in_recv)
WAITS("recv with MSG_PEEK", in_peek)
WAITS("send", in_send)
WAITS("splice", in_splice)

facts_main()
