/*
 * owner_many SCENE [COUNT]: thousands of connections at a time that a fork shares.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

enum { AT_ONCE = 50, FEW = 5, MOST = 40000 };

static int fds[MOST];
static int count;

static void take(int listener, int wanted)
{
    for (count = 0; count < wanted;) {
        owner_ask('M', AT_ONCE);
        for (int i = 0; i < AT_ONCE; i++)
            fds[count++] = must(accept(listener, NULL, NULL), "accept");
    }
}

static void close_all(void)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static void peers_read(const char *what)
{
    struct owner_answer all = owner_ask('r', 0);

    owner_say("%s: peers read %ld bytes, %s; %d errors\n", what, all.bytes,
              all.right ? "right" : "wrong", all.error);
}

/* ---- Both close at the same moment ----------------------------------------------------------- */

/* Both wait for each other, on the processor, now and then: between they race. */
struct meeting {
    _Atomic int arrived;
};

static void meet(struct meeting *meeting, int round)
{
    meeting->arrived++;
    while (meeting->arrived < 2 * (round + 1))
        sched_yield();
}

static void at_the_same_moment(int wanted)
{
    enum { BATCH = 100, TOGETHER = 10 };
    int listener = owner_listens();
    struct meeting *meeting =
        mmap(NULL, sizeof *meeting, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long bytes = 0, errors = 0;

    for (int done = 0; done < wanted; done += BATCH) {
        take(listener, BATCH);
        owner_ask('m', FEW);
        meeting->arrived = 0;
        pid_t pid = must(fork(), "fork");
        for (int i = 0; i < count; i++) {
            if (i % TOGETHER == 0)
                meet(meeting, i / TOGETHER);
            close(fds[i]);
        }
        if (pid == 0)
            _exit(0);
        owner_reaps(pid);
        struct owner_answer all = owner_ask('r', 0);
        bytes += all.bytes;
        errors += all.error;
    }
    owner_say("peers read %ld bytes, %ld errors\n", bytes, errors);
}

/* ---- Inherited by a child that exits ---------------------------------------------------------- */

/* The parent has all that came, afterwards. */
static void inherited(int wanted)
{
    int listener = owner_listens();
    unsigned char bytes[OWNER_BYTES];
    double began, best = 1e9;
    long right = 0;

    take(listener, wanted);
    owner_ask('m', FEW);
    for (int i = 0; i < 3; i++) {
        began = (double)net_now_ns() / 1e6;
        pid_t pid = must(fork(), "fork");
        if (pid == 0)
            exit(0);
        owner_reaps(pid);
        if ((double)net_now_ns() / 1e6 - began < best)
            best = (double)net_now_ns() / 1e6 - began;
    }
    fprintf(stderr, "%.3f\n", best);
    for (int i = 0; i < count; i++)
        right +=
            recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) == FEW && owner_right(bytes, 0, FEW);
    owner_say("parent read %ld of %d right\n", right, count);
    close_all();
    peers_read("closed");
}

/* ---- More than can be counted ----------------------------------------------------------------- */

/* Goes, without closing anything in a way that the library could see. */
static _Noreturn void leave(void)
{
    unsetenv("LD_PRELOAD");
    execlp("true", "true", NULL);
    _exit(127);
}

/* The parent gives up the last of them; the child has all that came. */
static void beyond_counts(int wanted)
{
    enum { LAST = 500 };
    int listener = owner_listens();
    unsigned char bytes[OWNER_BYTES];
    struct owner_gate closed = owner_gate();
    long right = 0;

    take(listener, wanted);
    owner_ask('m', FEW);
    pid_t pid = must(fork(), "fork");
    if (pid == 0) {
        owner_waits(closed);
        for (int i = 0; i < count; i++)
            right += recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) == FEW &&
                     owner_right(bytes, 0, FEW);
        owner_say("child read %ld of %d right\n", right, count);
        leave();
    }
    for (int i = count - LAST; i < count; i++)
        close(fds[i]);
    owner_opens(closed);
    owner_reaps(pid);
    leave();
}

int main(int argc, char **argv)
{
    int wanted = argc > 2 ? atoi(argv[2]) : 0;

    if (wanted <= 0 || wanted > MOST)
        return 2;
    if (strcmp(argv[1], "at-the-same-moment") == 0)
        at_the_same_moment(wanted);
    else if (strcmp(argv[1], "inherited") == 0)
        inherited(wanted);
    else if (strcmp(argv[1], "beyond-counts") == 0)
        beyond_counts(wanted);
    else
        return 2;
    return 0;
}
