#include "safeclose.h"

#include "boundary.h"
#include "format.h"
#include "inuse.h"
#include "probe.h"
#include "proc.h"
#include "sys.h"

struct question {
    int fd;
    int self; /* our own thread, which is in a read of /proc */
    int64_t until;
    struct inuse_later *later; /* where somebody else will look again */
    bool watched;              /* a thread was running, and is held to be elsewhere */
    bool by_clock;             /* and was told so by nothing but its clock */
    bool located;              /* position could be told before that */
    struct probe_position position;
    enum inuse answer;
};

static uint64_t number(const char **s)
{
    uint64_t n = 0;
    unsigned base = 10;

    if ((*s)[0] == '0' && (*s)[1] == 'x') {
        base = 16;
        *s += 2;
    }
    for (;; (*s)++) {
        unsigned digit = **s >= '0' && **s <= '9'   ? (unsigned)(**s - '0')
                         : **s >= 'a' && **s <= 'f' ? (unsigned)(**s - 'a') + 10
                                                    : 16;
        if (digit >= base)
            return n;
        n = n * base + digit;
    }
}

/*
 * "NR ARG0 ARG1 ARG2 ...": what reads or writes a connection has it first; splice has a second
 * third. Any other call whose first argument happens to be the same number is taken for one, and so
 * is any sendmsg: it may be passing the connection to somebody. The cost is a close left alone.
 */
static bool names_fd(const char *call, int fd)
{
    uint64_t nr = number(&call);

    if (nr == SYS_sendmsg || nr == SYS_sendmmsg)
        return true;
    for (int i = 0; i < 3; i++) {
        uint64_t argument;

        if (*call != ' ')
            return false;
        call++;
        argument = number(&call);
        if ((i == 0 || (i == 2 && nr == SYS_splice)) && (int)argument == fd)
            return true;
    }
    return false;
}

enum state { ELSEWHERE, HERE, RUNNING, UNREADABLE };

static enum state state_of(int dir, const char *name, int fd)
{
    char path_bytes[32];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);
    char call[128];
    long file;
    long n;

    text_put(&path, "%s/syscall", name);
    path_bytes[path.len] = '\0';
    file = sys4(SYS_openat, dir, SYS_ARG(path_bytes), O_RDONLY | O_CLOEXEC, 0);
    if (file == -ENOENT) {
        /* The thread has ended, or this kernel has no such file at all. */
        path_bytes[path.len - (sizeof("/syscall") - 1)] = '\0';
        return sys3(SYS_faccessat, dir, SYS_ARG(path_bytes), F_OK) == -ENOENT ? ELSEWHERE
                                                                              : UNREADABLE;
    }
    if (file < 0)
        return UNREADABLE;
    n = sys3(SYS_read, file, SYS_ARG(call), sizeof(call) - 1);
    sys1(SYS_close, file);
    if (n == 0 || n == -ESRCH)
        return ELSEWHERE;
    if (n < 0)
        return UNREADABLE;
    call[n] = '\0';
    if (call[0] == 'r')
        return RUNNING;
    return names_fd(call, fd) ? HERE : ELSEWHERE;
}

/* The time that a thread has spent on the CPU, up to now (CPUCLOCK_SCHED in linux/posix-timers.h); -1
 * where the kernel does not tell. */
static int64_t cpu_ns(int tid)
{
    struct timespec used = {0, 0};

    if (sys2(SYS_clock_gettime, (int)(~(unsigned)tid << 3 | 6), SYS_ARG(&used)) < 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/*
 * A running thread could be on its way out of a call on this very descriptor: woken, and waiting
 * for a CPU. Then its clock stands still. Once it runs it takes what there is under the socket's
 * lock, and is out of the call, or blocked in it again, long before its clock has moved by
 * INUSE_CPU_NS.
 */
static enum state watch_running(struct question *q, int dir, const char *name, int tid)
{
    const struct timespec moment = {0, INUSE_CPU_NS};
    int64_t start = cpu_ns(tid);
    enum state state = RUNNING;

    if (!q->watched)
        q->located = probe_position(q->fd, &q->position);
    q->watched = true;
    while (state == RUNNING && !proc_is_over(q->until)) {
        /* Off the CPU, so that it can run: a yield would bring us back before it. */
        sys2(SYS_nanosleep, SYS_ARG(&moment), 0);
        if (start >= 0 && cpu_ns(tid) - start > INUSE_CPU_NS) {
            q->by_clock = true;
            return ELSEWHERE;
        }
        state = state_of(dir, name, q->fd);
    }
    return state;
}

/* Somebody will. False where there are more than he can be told of, or where no clock would ever tell
 * him that the thread has moved. */
static bool leave_for_later(struct inuse_later *later, int tid)
{
    int64_t spent = cpu_ns(tid);

    if (later->count == INUSE_RUNNING || spent < 0)
        return false;
    later->thread[later->count].tid = tid;
    later->thread[later->count++].cpu_ns = spent;
    return true;
}

static bool look_at_thread(int dir, const char *name, int tid, void *context)
{
    struct question *q = context;
    enum state state;

    if (tid == q->self || boundary_is_lot(tid)) /* whose numbers are its own */
        return true;
    state = state_of(dir, name, q->fd);
    if (state == RUNNING && q->later && leave_for_later(q->later, tid))
        return true;
    if (state == RUNNING)
        state = watch_running(q, dir, name, tid);
    if (state == HERE)
        q->answer = INUSE_YES;
    else if (state != ELSEWHERE)
        q->answer = INUSE_UNKNOWN;
    return q->answer == INUSE_NO;
}

/* Nobody has read or written in between. */
static bool same_place(const struct probe_position *a, const struct probe_position *b)
{
    return a->read == b->read && a->written == b->written;
}

/*
 * One that goes from call to call, or that copies for long in one, is never seen in it; but what it
 * reads or writes shows. While the peer is heard of, a thread's clock proves nothing: what arrives
 * is handled on the time of whoever happens to run, and with an acknowledgement that may be the
 * reader.
 */
static bool has_moved(const struct question *q)
{
    struct probe_position now;

    return !q->located || !probe_position(q->fd, &now) || !same_place(&now, &q->position) ||
           (q->by_clock && now.heard != q->position.heard);
}

enum inuse inuse_by_thread(int fd, struct inuse_later *later)
{
    struct question q = {.later = later,
                         .fd = fd,
                         .self = sys_gettid(),
                         .until = proc_now_ns() + INUSE_LOOK_NS,
                         .answer = INUSE_NO};
    long dir = proc_open("/proc/self/task");

    if (dir < 0)
        return INUSE_UNKNOWN;
    if (proc_walk((int)dir, look_at_thread, &q) == PROC_FAILED)
        q.answer = INUSE_UNKNOWN;
    sys1(SYS_close, dir);
    if (q.answer == INUSE_NO && q.watched && has_moved(&q))
        return INUSE_UNKNOWN;
    if (q.answer != INUSE_NO || !later || later->count == 0)
        return q.answer;
    later->fd = fd;
    return probe_position(fd, &later->position) ? INUSE_LATER : INUSE_UNKNOWN;
}

/*
 * Where a thread that was running is now. Once its clock has moved it is out of whatever call it
 * was in then; by more than what arrives can take of it (has_moved), where something has. The
 * number may have been given out again meanwhile, so one that is blocked by now, and seems to be in
 * a call on it, has but to have come further than it takes to block again for nothing. Until then
 * nobody can tell.
 */
static enum state look_at_runner(int dir, const struct inuse_later *later, int i, bool quiet)
{
    char name_bytes[16];
    struct text name = text_over(name_bytes, sizeof(name_bytes) - 1);
    enum state state;
    int64_t spent;

    text_put(&name, "%d", later->thread[i].tid);
    name_bytes[name.len] = '\0';
    state = state_of(dir, name_bytes, later->fd);
    spent = cpu_ns(later->thread[i].tid) - later->thread[i].cpu_ns;
    if ((state == HERE && quiet && spent > INUSE_BLOCKED_NS) ||
        (state == RUNNING && spent > (quiet ? INUSE_CPU_NS : INUSE_BURST_NS)))
        return ELSEWHERE;
    return state;
}

enum inuse inuse_look_again(struct inuse_later *later, int fd)
{
    long dir = proc_open("/proc/self/task");
    struct probe_position now;
    enum state state = ELSEWHERE;
    bool quiet;

    if (dir < 0)
        return INUSE_UNKNOWN;
    quiet = probe_position(fd, &now) && now.heard == later->position.heard;
    for (int i = later->count - 1; i >= 0 && state != UNREADABLE; i--) {
        state = look_at_runner((int)dir, later, i, quiet);
        if (state == ELSEWHERE) {
            later->count--;
            later->thread[i] = later->thread[later->count];
        }
    }
    sys1(SYS_close, dir);
    if (state == UNREADABLE)
        return INUSE_UNKNOWN;
    if (later->count)
        return INUSE_LATER;
    if (!probe_position(fd, &now))
        return INUSE_UNKNOWN;
    if (now.state == STATE_CLOSE) /* it is over, and nobody can be in a call on it */
        return INUSE_NO;
    return same_place(&now, &later->position) ? INUSE_NO : INUSE_YES;
}
