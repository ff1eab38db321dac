/*
 * calls_end SCENE: a program with threads that ends, executes another or gives up its rights just
 * after it closed connections with unread data, so that what the library does about them is under
 * way. What is left over is the library's to settle at once.
 */
#define _GNU_SOURCE
#include "calls.h"

enum { CONNECTIONS = 10, FEW = 5, MUCH = 20 * 1024 * 1024 };

static int fd;
static ssize_t written;
static const char *own_name;

static void *transmit(void *unused)
{
    unsigned char *much = malloc(MUCH);

    for (long i = 0; i < MUCH; i++)
        much[i] = owner_byte(i);
    calls_announce();
    written = send(fd, much, MUCH, MSG_NOSIGNAL);
    return unused;
}

/* ---- Up to the close ------------------------------------------------------------------------- */

/* Where the program is to end, its peer measures from the first close on, and tells afterwards how the
 * connections ended. Nothing is waited for: there shall be no time between close and end. */
static void announce_end(void)
{
    owner_begins_to_ask('A', 0);
}

static void nothing(void)
{
}

static void close_many(void (*before)(void))
{
    int fds[CONNECTIONS];

    for (int i = 0; i < 3; i++)
        calls_start_asleep(calls_sleep);
    calls_take_many(fds, CONNECTIONS, CONNECTIONS, FEW);
    before();
    for (int i = 0; i < CONNECTIONS; i++)
        must(close(fds[i]), "close");
}

/* Another thread is in the middle of a write. */
static pthread_t close_beside_writer(void (*before)(void))
{
    fd = owner_takes_one();
    owner_sends(FEW);
    pthread_t thread = calls_start_asleep(transmit);
    before();
    must(close(fd), "close");
    return thread;
}

/* ---- The end --------------------------------------------------------------------------------- */

SCENE(by_exit, "exit")
{
    close_many(announce_end);
    exit(0);
}

SCENE(by__exit, "_exit")
{
    close_many(announce_end);
    _exit(0);
}

SCENE(writer_by_exit, "writer-exit")
{
    close_beside_writer(announce_end);
    exit(0);
}

SCENE(writer_by__exit, "writer-_exit")
{
    close_beside_writer(announce_end);
    _exit(0);
}

/* ---- Another program ------------------------------------------------------------------------- */

static _Noreturn void execute(const char *scene)
{
    char now[32];

    snprintf(now, sizeof now, "%ld", net_now_ms());
    execl("/proc/self/exe", own_name, scene, now, (char *)NULL);
    unable("execute");
}

SCENE(by_exec, "exec")
{
    close_many(nothing);
    execute("executed");
}

SCENE(writer_by_exec, "writer-exec")
{
    close_beside_writer(nothing);
    execute("executed-writer");
}

static void say_how_long(const char *what, long since)
{
    long ms = net_now_ms() - since;

    fprintf(stderr, "%s after %ld ms\n", what, ms);
    owner_say("%s %s\n", what, ms <= 100 ? "at once" : "late");
}

static void say_resets(void)
{
    owner_say("%d of %d connections reset\n", owner_ask('r', 0).error, CONNECTIONS);
}

static long executed_at;

SCENE(executed, "executed")
{
    say_how_long("executed", executed_at);
    say_resets();
}

SCENE(executed_writer, "executed-writer")
{
    struct owner_answer last;

    say_how_long("executed", executed_at);
    last = owner_ask('R', 0);
    owner_say("then %s\n", last.error ? strerrorname_np(last.error) : "the end");
}

/* ---- Fewer rights ---------------------------------------------------------------------------- */

SCENE(by_setuid, "setuid")
{
    close_many(nothing);
    long before = net_now_ms();
    calls_become_nobody();
    say_how_long("nobody", before);
    say_resets();
}

/* What libc does for it in each thread ends a write early, with or without the library. */
SCENE(writer_by_setuid, "writer-setuid")
{
    pthread_t thread = close_beside_writer(nothing);
    long before = net_now_ms();

    calls_become_nobody();
    say_how_long("nobody", before);
    struct owner_answer last = owner_ask('R', 0);
    pthread_join(thread, NULL);
    owner_say("written %s\n", written == MUCH ? "all" : "a part");
    owner_say("%s, then %s\n", last.right ? "right" : "wrong",
              last.error ? strerrorname_np(last.error) : "the end");
}

int main(int argc, char **argv)
{
    own_name = argv[0];
    executed_at = argc > 2 ? atol(argv[2]) : 0;
    return owner_plays(argv[1]);
}
