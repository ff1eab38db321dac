#define _GNU_SOURCE
#include "net.h"

#include "faults.h"

#include "ground/sys.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNTOUCHED 77      /* what errno is before each call */
#define LONG_NS 700000000 /* a call that takes so long has waited for something */
#define PEER_MS 3000
#define LIBRARY_NUMBERS 900

int listening;
int port;

static uint64_t mask_before;
static int64_t begun;

/* ---- The transcript -------------------------------------------------------------------------- */

void say(const char *format, ...)
{
    char line[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    line[n++] = '\n';
    sys3(SYS_write, TRANSCRIPT, SYS_ARG(line), n);
}

static uint64_t signal_mask(void)
{
    uint64_t mask = 0;

    sys4(SYS_rt_sigprocmask, SIG_BLOCK, 0, SYS_ARG(&mask), sizeof(mask));
    return mask;
}

static int64_t now_ns(void)
{
    struct timespec t;

    sys2(SYS_clock_gettime, CLOCK_MONOTONIC, SYS_ARG(&t));
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void before_call(void)
{
    mask_before = signal_mask();
    begun = now_ns();
    errno = UNTOUCHED;
}

void after_call(const char *label, long result, bool exact)
{
    int error = errno;
    bool blocked = signal_mask() != mask_before;
    bool slow = now_ns() - begun > LONG_NS;

    /* Which of the two that return from a fork is first is nobody's choice. */
    if (!exact && result >= 0 && !blocked && !slow)
        return;
    if (!exact && result > 0)
        result = 1;
    say("%s: %ld%s%s%s%s", label, result, error == UNTOUCHED ? "" : ", errno ",
        error == UNTOUCHED ? "" : strerrorname_np(error), blocked ? ", signal mask changed" : "",
        slow ? ", slow" : "");
}

void say_numbers(void)
{
    char line[400];
    size_t n = 0;

    for (int fd = 0; fd < LIBRARY_NUMBERS && n < sizeof(line) - 8; fd++)
        if (sys2(SYS_fcntl, fd, F_GETFD) >= 0)
            n += (size_t)sprintf(line + n, " %d", fd);
    line[n] = '\0';
    say("open:%s", line);
}

/* ---- Connections ----------------------------------------------------------------------------- */

struct answer ask_peer(enum peer_op op, int slot, int argument)
{
    struct request request = {op, slot, argument};
    struct answer answer = {.value = -EPIPE};

    if (send(CONTROL, &request, sizeof(request), MSG_NOSIGNAL) < 0 ||
        recv(CONTROL, &answer, sizeof(answer), 0) < 0)
        say("the peer is gone");
    return answer;
}

void begin_listening(void)
{
    struct sockaddr_in address = net_loopback(0);
    socklen_t len = sizeof(address);

    listening = (int)CALL("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    bind(listening, (struct sockaddr *)&address, sizeof(address));
    CALL("listen", listen(listening, 16));
    getsockname(listening, (struct sockaddr *)&address, &len);
    port = ntohs(address.sin_port);
}

int accepted(int slot)
{
    ask_peer(PEER_CONNECT, slot, port);
    return (int)CALL("accept", accept(listening, NULL, NULL));
}

int connected(int slot)
{
    struct sockaddr_in address = net_loopback(0);
    int fd = (int)CALL("socket", socket(AF_INET, SOCK_STREAM, 0));

    address.sin_port = htons((uint16_t)ask_peer(PEER_PORT, 0, 0).value);
    CALL("connect", connect(fd, (struct sockaddr *)&address, sizeof(address)));
    ask_peer(PEER_ACCEPT, slot, 0);
    return fd;
}

void pause_ms(int ms)
{
    const struct timespec t = {0, (long)ms * 1000000};

    sys2(SYS_nanosleep, SYS_ARG(&t), 0);
}

void arrive(int slot, int fd, int bytes)
{
    int before = 0;
    int here = 0;

    ioctl(fd, FIONREAD, &before);
    ask_peer(PEER_SEND, slot, bytes);
    for (int i = 0; i < 2000 && here < before + bytes; i++) {
        ioctl(fd, FIONREAD, &here);
        if (here < before + bytes)
            pause_ms(1);
    }
}

void arrive_urgent(int slot, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLPRI};

    ask_peer(PEER_URGENT, slot, 0);
    poll(&p, 1, PEER_MS);
}

void peer_finishes(int slot, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    ask_peer(PEER_FINISH, slot, 0);
    poll(&p, 1, PEER_MS);
}

int early(int slot)
{
    int fd = accepted(slot);

    if (write(fd, "0123456789", 10) != 10)
        say("unable to write");
    arrive(slot, fd, 5);
    return fd;
}

static void say_end(const char *label, int slot, const char *meant)
{
    int64_t start = now_ns();
    struct answer a = ask_peer(PEER_END, slot, PEER_MS);

    say("peer %s: %ld bytes, %s%s%s", label, a.value, a.text, meant,
        now_ns() - start > LONG_NS ? ", late" : "");
}

void ended(const char *label, int slot)
{
    say_end(label, slot, "");
}

void ended_as_asked(const char *label, int slot)
{
    say_end(label, slot, " as asked");
}

void goes_on(const char *label, int slot)
{
    say("peer %s: %s so far", label, ask_peer(PEER_LOOK, slot, 0).text);
}

void unread_is(const char *label, int fd)
{
    char bytes[64];
    long n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    say("%s reads %ld%s%s", label, n, n < 0 ? " " : "", n < 0 ? strerrorname_np(errno) : "");
}

/* ---- Processes ------------------------------------------------------------------------------- */

struct turns make_turns(void)
{
    struct turns t;

    if (pipe2(t.to_child, O_CLOEXEC) < 0 || pipe2(t.to_parent, O_CLOEXEC) < 0)
        say("unable to make a pipe");
    return t;
}

void give(const int pipe[2])
{
    sys3(SYS_write, pipe[1], SYS_ARG("."), 1);
}

void wait_for(const int pipe[2])
{
    struct pollfd p = {.fd = pipe[0], .events = POLLIN};
    char byte;

    if (poll(&p, 1, PEER_MS) <= 0)
        say("nobody takes the turn");
    else
        sys3(SYS_read, pipe[0], SYS_ARG(&byte), 1);
}

void end_turns(struct turns *turns)
{
    for (int i = 0; i < 2; i++) {
        close(turns->to_child[i]);
        close(turns->to_parent[i]);
    }
}

void reap(const char *label, int pid)
{
    int status = -1;

    if (pid > 0 && waitpid(pid, &status, 0) == pid)
        say("%s ended: %d", label, status);
    else
        say("%s is none", label);
}

/* ---- Which ----------------------------------------------------------------------------------- */

/* Where the library is, for the campaign to know. */
static void say_place(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");

    while (maps && fgets(line, sizeof(line), maps)) {
        if (strstr(line, "libsafeclose.so")) {
            say("%.12s", line);
            break;
        }
    }
}

/* What a program started by another does with what it was left (play_spawn). */
static void play_heir(void)
{
    for (int fd = 3; fd < 32; fd++) {
        struct tcp_info info;
        socklen_t len = sizeof(info);

        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
            info.tcpi_state != TCP_LISTEN) {
            unread_is("heir", fd);
            CALL("heir closes", close(fd));
        }
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    static const struct {
        const char *name;
        void (*play)(void);
    } plays[] = {
        {"place", say_place},    {"heir", play_heir},       {"few", play_few},
        {"doors", play_doors},   {"ways", play_ways},       {"epoll", play_epoll},
        {"share", play_share},   {"threads", play_threads}, {"rights", play_rights},
        {"hidden", play_hidden}, {"sandbox", play_sandbox}, {"moves", play_moves},
        {"root", play_root},
    };

    fcntl(CONTROL, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
        if (strcmp(plays[i].name, name) == 0)
            plays[i].play();
    if (strcmp(name, "spawn") == 0)
        play_spawn(argv[0]);
    if (strcmp(name, "ends") == 0)
        play_ends(argv[0]);
    return 0;
}
