/*
 * linger_process_peer [-nu] PROGRAM ARG...: starts PROGRAM with $LIBSAFECLOSE in front of it, or
 * nothing where that is empty, and is all its peers (linger_process.h). When the program and all
 * its children have ended and all plans are done, it prints how the program ended, how many
 * connections got every byte and a clean end, and how many resets the program's side sent (where the kernel can't tell
 * whose they are: all).
 *
 * -n: there is no /proc; -u: as a user without any rights.
 */
#define _GNU_SOURCE
#include "linger_process.h"
#include "net.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { PATIENCE_S = 100, MOST = 1000, NOBODY = 64999 };

struct side {
    int fd;
    int port; /* ours */
    long expected;
    enum linger_question plan;
    bool begun;
    pthread_t thread;
    bool whole;
};

static struct side sides[MOST];
static int count;
static int port;
static _Atomic bool program_ended;

static void connects(void)
{
    static unsigned char bytes[OWNER_BYTES];
    struct sockaddr_in to = net_loopback(port);
    int small = 100000;
    struct side *s = &sides[count++];

    if (count == MOST)
        unable("count so many connections");
    s->fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    must(connect(s->fd, (struct sockaddr *)&to, sizeof to), "connect");
    s->port = net_port(s->fd);
    if (send(s->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes)
        unable("send");
}

/* ---- Plans ----------------------------------------------------------------------------------- */

/* Whether the program's end of it is still as it was accepted. The kernel is asked for this one
 * socket: a list of them all takes a walk through the whole of its table. */
static bool is_established(const struct side *s)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {
        {sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0},
        {.sdiag_family = AF_INET,
         .sdiag_protocol = IPPROTO_TCP,
         .idiag_states = ~0u,
         .id = {htons((uint16_t)port),
                htons((uint16_t)s->port),
                {htonl(INADDR_LOOPBACK)},
                {htonl(INADDR_LOOPBACK)},
                0,
                {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    union {
        struct nlmsghdr header;
        char bytes[8192];
    } answer = {.bytes = {0}};
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    const struct inet_diag_msg *said = NLMSG_DATA(&answer.header);

    if (fd < 0 || send(fd, &question, sizeof question, 0) != sizeof question ||
        recv(fd, &answer, sizeof answer, 0) <= 0)
        unable("ask the kernel of a socket");
    close(fd);
    return answer.header.nlmsg_type == SOCK_DIAG_BY_FAMILY && said->idiag_state == TCP_ESTABLISHED;
}

/* Longer each time, for many wait like this. */
static void moment(useconds_t *length)
{
    usleep(*length);
    if (*length < 100000)
        *length *= 2;
}

/* Up to a place, or to the end where the place is -1. 1: more is to come. */
static int read_to(struct side *s, long place, long *at, bool *right)
{
    unsigned char bytes[16384];

    while (place < 0 || *at < place) {
        ssize_t n = recv(s->fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return n == 0 ? 0 : -1;
        *right = *right && owner_right(bytes, *at, n);
        *at += n;
    }
    return 1;
}

/* What a reset answers is never acknowledged. */
static bool is_answered(void *side)
{
    const struct side *s = side;

    return net_unacked(s->fd) == 0 || net_state(s->fd) == TCP_CLOSE;
}

/* A reset that comes in answer leaves its mark on the socket. */
static bool send_late(struct side *s)
{
    static unsigned char bytes[OWNER_BYTES];
    int error = 0;
    socklen_t len = sizeof error;

    if (send(s->fd, bytes, sizeof bytes, MSG_NOSIGNAL) != sizeof bytes)
        return false;
    net_wait_until(is_answered, s);
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error == 0;
}

static void *follow_plan(void *argument)
{
    struct side *s = argument;
    long at = 0;
    bool right = true;
    bool clean = true;
    useconds_t pause = 1000;
    int end;

    while (s->plan == ASK_HOLD ? !program_ended : is_established(s))
        moment(&pause);
    if (s->plan == ASK_LATE) {
        read_to(s, s->expected / 2, &at, &right);
        send_late(s);
    }
    end = read_to(s, -1, &at, &right);
    if (s->plan == ASK_LATE)
        clean = send_late(s);
    s->whole = at == s->expected && right && end == 0 && clean;
    if (!s->whole)
        fprintf(stderr, "peer %d: %ld of %ld bytes, %s, end %d, %s\n", (int)(s - sides), at,
                s->expected, right ? "right" : "wrong", end, clean ? "clean" : "reset behind it");
    close(s->fd);
    s->fd = -1;
    return NULL;
}

static void begin_plan(long number, enum linger_question plan)
{
    for (int i = 0; i < count; i++)
        if (!sides[i].begun && (number == EVERY || number == i)) {
            sides[i].begun = true;
            sides[i].plan = plan;
            sides[i].thread = start_thread(follow_plan, &sides[i]);
        }
}

/* How many are done and well. */
static int join_plans(void)
{
    int whole = 0;

    for (int i = 0; i < count; i++) {
        if (sides[i].thread)
            pthread_join(sides[i].thread, NULL);
        sides[i].thread = 0;
        whole += sides[i].whole;
    }
    return whole;
}

static void obey(const struct owner_question *question)
{
    switch (question->what) {
    case ASK_PORT:
        port = (int)question->number;
        break;
    case ASK_CONNECT:
        connects();
        break;
    case ASK_EXPECT:
        sides[count - 1].expected = question->number;
        break;
    case ASK_WAIT:
        join_plans();
        break;
    default:
        begin_plan(question->number, (enum linger_question)question->what);
    }
}

static void serve(int wire)
{
    struct owner_question question;
    struct owner_answer answer = {.right = true};

    while (recv(wire, &question, sizeof question, 0) == sizeof question) {
        obey(&question);
        send(wire, &answer, sizeof answer, MSG_NOSIGNAL);
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static void prepare(const char *places)
{
    const gid_t group = NOBODY;

    if (strchr(places, 'n')) {
        have_own_mounts();
        must(mount("none", "/proc", "tmpfs", 0, NULL), "hide /proc");
    }
    if (strchr(places, 'u')) {
        must(setgroups(1, &group), "drop groups");
        must(setresgid(NOBODY, NOBODY, NOBODY), "drop the group");
        must(setresuid(NOBODY, NOBODY, NOBODY), "drop the user");
    }
}

/* All that the program left behind, too. */
static void wait_for_all(void)
{
    int status;
    pid_t pid;

    while ((pid = wait(&status)) > 0)
        if (pid == owner_program && WIFSIGNALED(status))
            owner_say("killed by signal %d\n", WTERMSIG(status));
        else if (pid == owner_program)
            owner_say("exit status %d\n", WEXITSTATUS(status));
        else if (status != 0)
            owner_say("a child of its ended with status %#x\n", (unsigned)status);
    program_ended = true;
}

static long resets_of_program(long all)
{
    long resets = 0;

    for (int i = 0; i < count; i++) {
        long sent = net_trace_resets(port, sides[i].port);
        if (sent < 0)
            return all;
        resets += sent;
    }
    return resets;
}

int main(int argc, char **argv)
{
    char places[16] = "";
    struct net_resets resets = net_resets_now();
    int option, whole;

    net_trace_start();
    while ((option = getopt(argc, argv, "+nu")) != -1)
        if (strlen(places) + 1 < sizeof places)
            places[strlen(places)] = (char)option;
    serve(owner_starts(argv + optind, prepare, places, PATIENCE_S));
    wait_for_all();
    whole = join_plans();
    resets = net_resets_since(resets);
    owner_say("whole %d of %d\n", whole, count);
    owner_say("resets %ld, for unread data %ld\n", resets_of_program(resets.sent), resets.on_close);
    return 0;
}
