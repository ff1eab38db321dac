/*
 * owner_peer [-hnpq] PROGRAM ARG...: starts PROGRAM with $LIBSAFECLOSE in front of it, or nothing
 * where that is empty, and is its peer: it connects, sends and reads as the program's processes ask
 * (owner.h). Ends when all of them have ended, and prints how many closes the kernel
 * reset meanwhile because of unread data (-q: doesn't).
 *
 * -h: /proc shows nobody but root another's processes; -n: there is no /proc; -p: the program is in
 * a PID namespace, and /proc shows another one.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

enum { PATIENCE_S = 60, AT_ONCE_MS = 100 };

static int connection = -1;
static int port;
static long sent;

static void connects(void)
{
    if (connection >= 0)
        close(connection);
    connection = connect_here(port);
    sent = 0;
}

static void sends(long bytes)
{
    unsigned char *data = malloc((size_t)bytes);

    for (long i = 0; i < bytes; i++)
        data[i] = owner_byte(sent + i);
    if (send(connection, data, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        unable("send");
    free(data);
    sent += bytes;
    if (!net_wait_for(net_unacked, connection, 0))
        unable("see the program's kernel take what was sent");
}

static void finishes(void)
{
    if (shutdown(connection, SHUT_WR) == 0 && net_state(connection) == TCP_FIN_WAIT1)
        net_wait_for(net_unacked, connection, 0);
}

/* At most MOST bytes; up to the end where that is 0. */
static struct owner_answer reads(long most)
{
    static unsigned char bytes[65536];
    static const struct timeval patience = {NET_DEADLINE_MS / 1000, 0};
    struct owner_answer answer = {.right = true};
    ssize_t n;

    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (most == 0 || answer.bytes < most) {
        size_t size = sizeof bytes;
        if (most && most - answer.bytes < (long)size)
            size = (size_t)(most - answer.bytes);
        n = recv(connection, bytes, size, 0);
        if (n <= 0) {
            answer.error = n < 0 ? errno : 0;
            break;
        }
        answer.right = answer.right && owner_right(bytes, answer.bytes, n);
        answer.bytes += n;
    }
    return answer;
}

/* In place of bytes: when the end came, in nanoseconds of CLOCK_MONOTONIC. */
static struct owner_answer when_it_ends(void)
{
    struct owner_answer answer = reads(0);

    answer.bytes = (long)net_now_ns(); /* of which a long of 32 bits has the lower half */
    return answer;
}

/* ---- Many at a time -------------------------------------------------------------------------- */

static int many[20000];
static int count;

/* From ever other addresses, so that no port gets scarce. */
static int connect_from(int i)
{
    const int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f000002u + (unsigned)i % 250)};
    struct sockaddr_in to = net_loopback(port);
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");

    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    must(bind(fd, (struct sockaddr *)&from, sizeof from), "bind");
    must(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
    return fd;
}

static void connects_many(int more)
{
    for (; more > 0 && count < (int)(sizeof many / sizeof *many); more--, count++)
        many[count] = connect_from(count);
}

static void send_on_each(long bytes)
{
    unsigned char data[OWNER_BYTES];

    for (long i = 0; i < bytes; i++)
        data[i] = owner_byte(i);
    for (int i = 0; i < count; i++)
        if (send(many[i], data, (size_t)bytes, MSG_NOSIGNAL) != bytes)
            unable("send");
    for (int i = 0; i < count; i++)
        if (!net_wait_for(net_unacked, many[i], 0))
            unable("see the program's kernel take what was sent");
}

/* Each to its end, and no more of them. The error is how many ended with one. */
static struct owner_answer read_each(void)
{
    struct owner_answer all = {.right = true};

    for (int i = 0; i < count; i++) {
        connection = many[i];
        struct owner_answer one = reads(0);
        close(many[i]);
        all.bytes += one.bytes;
        all.right = all.right && one.right;
        all.error += one.error != 0;
    }
    connection = -1;
    count = 0;
    return all;
}

/* ---- When the program has ended -------------------------------------------------------------- */

static long may_end_at; /* when it was said, 0 where it was not */

static void say_how_program_ended(void)
{
    long ms = net_now_ms() - may_end_at;

    fprintf(stderr, "the program ended after %ld ms\n", ms);
    owner_say("the program ended %s\n", ms <= AT_ONCE_MS ? "at once" : "late");
}

static void say_how_connections_ended(void)
{
    int connections = count;

    if (connection >= 0) {
        struct owner_answer last = reads(0);
        owner_say("%s, then %s\n", last.right ? "right" : "wrong",
                  last.error ? strerrorname_np(last.error) : "the end");
    }
    if (connections)
        owner_say("%d of %d connections reset\n", read_each().error, connections);
}

/* ---- Obeying --------------------------------------------------------------------------------- */

static struct owner_answer obey(const struct owner_question *question)
{
    struct owner_answer answer = {.right = true};

    switch (question->what) {
    case 'P':
        port = (int)question->number;
        break;
    case 'C':
        connects();
        break;
    case 'S':
        sends(question->number);
        break;
    case 'F':
        finishes();
        break;
    case 'R':
        return reads(question->number);
    case 'T':
        return when_it_ends();
    case 'A':
        may_end_at = net_now_ms();
        break;
    case 'M':
        connects_many((int)question->number);
        break;
    case 'm':
        send_on_each(question->number);
        break;
    case 'f':
        for (int i = 0; i < count; i++)
            shutdown(many[i], SHUT_WR);
        break;
    case 'r':
        return read_each();
    }
    return answer;
}

static void serve(int wire)
{
    struct owner_question question;

    while (recv(wire, &question, sizeof question, 0) == sizeof question) {
        struct owner_answer answer = obey(&question);
        send(wire, &answer, sizeof answer, MSG_NOSIGNAL);
    }
}

/* The first process of a PID namespace, whose end is the end of them all. */
static void wait_as_init(pid_t pid)
{
    int status = 0;

    must(waitpid(pid, &status, 0), "wait for the program");
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Goes on in a child that is not the first process of its PID namespace, while /proc shows the one
 * around it, where the same numbers are those of others. */
static void hide_behind_wrong_proc(void)
{
    pid_t pid;

    must(unshare(CLONE_NEWPID | CLONE_NEWNS), "make namespaces");
    if ((pid = must(fork(), "fork")) != 0)
        wait_as_init(pid);
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "have mounts of its own");
    must(mount("proc", "/proc", "proc", 0, NULL), "mount /proc");
    for (int i = 0; i < 20; i++)
        if (fork() == 0) {
            close_range(0, ~0U, 0);
            pause();
        }
    must(unshare(CLONE_NEWPID), "make a PID namespace");
    for (int i = 0; i < 2; i++)
        if ((pid = must(fork(), "fork")) != 0)
            wait_as_init(pid);
}

/* For a program that looks for others where there is no /proc. */
static void hide_proc(void)
{
    have_own_mounts();
    must(mount("none", "/proc", "tmpfs", 0, NULL), "hide /proc");
}

/* A /proc in which nobody but root sees others' processes. */
static void hide_pids(void)
{
    have_own_mounts();
    must(mount("proc", "/proc", "proc", 0, "hidepid=2"), "mount /proc");
}

static void prepare(const char *places)
{
    if (strchr(places, 'p'))
        hide_behind_wrong_proc();
    if (strchr(places, 'n'))
        hide_proc();
    if (strchr(places, 'h'))
        hide_pids();
}

int main(int argc, char **argv)
{
    char places[16] = "";
    bool quiet = false;
    struct net_resets before;
    int option, status, worst = 0;
    pid_t pid;

    while ((option = getopt(argc, argv, "+hnpq")) != -1) {
        quiet = quiet || option == 'q';
        if (strlen(places) + 1 < sizeof places)
            places[strlen(places)] = (char)option;
    }
    before = net_resets_now();
    serve(owner_starts(argv + optind, prepare, places, PATIENCE_S));
    while ((pid = wait(&status)) > 0) {
        if (pid == owner_program && may_end_at)
            say_how_program_ended();
        if (status != 0) {
            owner_say("a process ended with status %#x\n", (unsigned)status);
            worst = 1;
        }
    }
    if (may_end_at)
        say_how_connections_ended();
    if (!quiet)
        owner_say("resets for unread data %ld\n", net_resets_since(before).on_close);
    return worst;
}
