#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/format.h"
#include "holders/threads.h"
#include "ground/own_fd.h"
#include "tcp/probe.h"
#include "ground/proc.h"
#include "ground/sys.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>

#define MOST 4096 /* threads; of more nothing is known */
#define RUN_NS                                                                                     \
    3000000 /* more than one burst of what arrives takes of whoever runs: netdev_budget_usecs is 2000 */
#define ANSWER 128 /* bytes of a file in /proc that are of use */

enum where {
    ELSEWHERE, /* where no call on a connection can be in progress */
    RUNNING,
    ASLEEP, /* in a call on a connection */
    OPAQUE, /* nobody knows */
};

struct thread {
    int tid;
    enum where where;
    int number;      /* that its call is on; -1: unknown */
    uint64_t listed; /* the last walk that saw it */
    uint64_t out;    /* the last one that saw it ELSEWHERE */
    uint64_t ran;    /* RUNNING: since this walk it has run for RUN_NS */
    uint64_t
        lap; /* RUNNING: since when that is being counted; ASLEEP: it has slept all the while */
    int64_t
        count; /* RUNNING: the ns that it had run for then; ASLEEP: how often it had gone to sleep; -1
                        where the kernel does not tell */
    bool counted; /* ASLEEP: somebody wants to know */
};

#ifndef SYS_open_tree
#define SYS_open_tree 428 /* on every machine */
#endif
#define OPEN_TREE_CLONE 1
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static struct own_fd kept = OWN_FD_NONE; /* threads_keep_tasks */
static _Atomic int kept_by;

void threads_keep_tasks(void)
{
    long tasks =
        sys3(SYS_open_tree, AT_FDCWD, SYS_ARG("/proc/self/task"), OPEN_TREE_CLONE | O_CLOEXEC);

    if (tasks < 0)
        return;
    own_fd_keep(&kept, (int)tasks);
    atomic_store(&kept_by, atomic_load(&process->pid));
}

void threads_fork_child(void)
{
    int number = own_fd_check(&kept);

    if (number >= 0)
        sys1(SYS_close, number);
    atomic_store(&kept.number, -1);
}

bool threads_own(int fd)
{
    return atomic_load(&kept.number) == fd && own_fd_check(&kept) == fd;
}

int threads_open_tasks(void)
{
    int own = atomic_load(&kept_by) == atomic_load(&process->pid) ? own_fd_check(&kept) : -1;
    long tasks = own >= 0
                     ? sys4(SYS_openat, own, SYS_ARG("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
                     : proc_open("/proc/self/task");

    return tasks < 0 ? -1 : (int)tasks;
}

void threads_start(struct threads *t, int tasks)
{
    memset(t, 0, sizeof(*t));
    t->tasks = tasks;
    t->walk = 1; /* who was never listed was not in the last one */
}

void threads_stop(struct threads *t)
{
    if (t->list)
        sys2(SYS_munmap, SYS_ARG(t->list), MOST * sizeof(t->list[0]));
    t->list = NULL;
}

/* ---- One thread ------------------------------------------------------------------------------ */

/* The kernel's functions in which a thread sleeps that is in no call on a connection, or takes nothing of it:
 * epoll_wait, poll and select, futex, sleeping, accept, waiting for a child or a signal, or stopped on its
 * way into a call or out of it; pipes, UNIX and datagram sockets, locks of files, and the like; io_uring's
 * threads while idle. Names of older kernels beside those of newer ones. */
static const char elsewhere[] =
    "do_epoll_wait\0ep_poll\0poll_schedule_timeout\0futex_do_wait\0"
    "futex_wait_queue\0futex_wait_queue_me\0hrtimer_nanosleep\0do_nanosleep\0"
    "inet_csk_accept\0do_wait\0do_sigtimedwait\0sigsuspend\0__do_sys_pause\0sys_pause\0"
    "ptrace_stop\0do_signal_stop\0anon_pipe_read\0anon_pipe_write\0pipe_read\0pipe_write\0"
    "unix_stream_read_generic\0sock_alloc_send_pskb\0__skb_wait_for_more_packets\0"
    "eventfd_read\0signalfd_read_iter\0signalfd_dequeue\0timerfd_read_iter\0"
    "do_wait_intr_irq\0inotify_read\0__do_semtimedop\0do_semtimedop\0n_tty_read\0wq_sleep\0"
    "do_msgrcv\0locks_lock_inode_wait\0io_wq_worker\0io_sq_thread\0";

/* What the compiler made of a function has a suffix. */
static bool is_function(const char *answer, const char *name)
{
    size_t len = strlen(name);

    return strncmp(answer, name, len) == 0 && (answer[len] == '\0' || answer[len] == '.');
}

static bool is_elsewhere(const char *answer)
{
    for (const char *name = elsewhere; *name; name += strlen(name) + 1)
        if (is_function(answer, name))
            return true;
    return false;
}

/* Reads the file of this name of one thread, as much as there is room for; the bytes, or -errno. */
static long read_file(int tasks, const char *tid, const char *name, char *answer, long room)
{
    char path_bytes[32];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);
    long file;
    long n;

    text_put(&path, "%s/%s", tid, name);
    path_bytes[path.len] = '\0';
    file = sys4(SYS_openat, tasks, SYS_ARG(path_bytes), O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return file;
    n = sys3(SYS_read, file, SYS_ARG(answer), room - 1);
    sys1(SYS_close, file);
    answer[n > 0 ? n : 0] = '\0';
    return n;
}

/* "NR 0xARG 0xARG ...", as proc_pid_syscall(5) has it. */
static uint64_t next_number(const char **s)
{
    unsigned base = 10;
    uint64_t n = 0;

    while (**s == ' ')
        (*s)++;
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

/* By the call that it is in. False where that can't be told; a thread that is in none (it waits for a page
 * of memory, or is one of io_uring's) says -1. */
static bool look_at_call(struct threads *t, struct thread *seen, const char *tid)
{
    char answer[ANSWER];
    const char *s = answer;
    uint64_t nr;
    long n = t->shut ? -EACCES : read_file(t->tasks, tid, "syscall", answer, sizeof(answer));

    t->shut = n == -EACCES || n == -EPERM;
    if (n <= 0 || answer[0] == '-')
        return false;
    if (answer[0] == 'r') {
        seen->where = RUNNING;
        return true;
    }
    nr = next_number(&s);
    /* Which are on two numbers, and on any. */
    if (nr != SYS_splice && nr != SYS_io_uring_enter && nr != SYS_io_submit)
        seen->number = (int)next_number(&s);
    return true;
}

/* The letter of its state, as proc_pid_stat(5) has it, behind its name in parentheses; 0: unknown. */
static char state_of(const struct threads *t, const char *tid)
{
    char answer[ANSWER];
    long n = read_file(t->tasks, tid, "stat", answer, sizeof(answer));

    while (n > 2 && answer[n - 1] != ')')
        n--;
    return n > 2 && answer[n] == ' ' ? answer[n + 1] : 0;
}

/* By where in the kernel it sleeps; "0" where it doesn't, or where that is hidden. The first thread stays
 * listed, dead, until the others have ended. */
static void look_at_place(struct threads *t, struct thread *seen, const char *tid)
{
    char function[ANSWER];
    long n = read_file(t->tasks, tid, "wchan", function, sizeof(function));

    seen->number = -1;
    seen->where = OPAQUE;
    if (n > 0 && is_elsewhere(function)) {
        seen->where = ELSEWHERE;
        return;
    }
    if (n > 0 && is_function(function, "wait_woken"))
        seen->where = ASLEEP;
    if (look_at_call(t, seen, tid) || n != 1)
        return;
    switch (state_of(t, tid)) {
    case 'R':
        seen->where = RUNNING;
        break;
    case 'Z':
    case 'X':
        seen->where = ELSEWHERE;
        break;
    default: /* hidden */
        break;
    }
}

/* The time that a thread has spent on a CPU (CPUCLOCK_SCHED in linux/posix-timers.h); -1 where the kernel
 * does not tell. */
static int64_t cpu_ns(int tid)
{
    struct timespec used = {0, 0};

    if (sys2(SYS_clock_gettime, (int)(~(unsigned)tid << 3 | 6), SYS_ARG(&used)) < 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* How often a thread has gone to sleep, as proc_pid_status(5) has it; -1 where the kernel does not tell. The time that
 * it has run for does not do: in a virtual machine, what the host took meanwhile is taken from that, down to 0. */
static int64_t sleeps(struct threads *t, const char *tid)
{
    static const char key[] = "\nvoluntary_ctxt_switches:\t";
    long n = read_file(t->tasks, tid, "status", t->status, sizeof(t->status));

    for (long at = n - (long)sizeof(key); at >= 0; at--)
        if (strncmp(t->status + at, key, sizeof(key) - 1) == 0) {
            const char *digits = t->status + at + sizeof(key) - 1;

            return (int64_t)next_number(&digits);
        }
    return -1;
}

/* same: it was in this state in the walk before. */
static void look_at_count(struct threads *t, struct thread *seen, const char *tid, bool same)
{
    bool running = seen->where == RUNNING;
    int64_t now = running ? cpu_ns(seen->tid) : seen->counted ? sleeps(t, tid) : -1;
    bool known = same && now >= 0 && seen->count >= 0;

    if (known && (running ? now - seen->count <= RUN_NS : now == seen->count))
        return;
    if (known && running)
        seen->ran = seen->lap;
    seen->lap = t->walk;
    seen->count = now;
}

/* ---- All of them ----------------------------------------------------------------------------- */

/* Threads are listed in the order of their creation, so this one most often follows the one before. */
static struct thread *find(struct threads *t, int tid, uint32_t *hint)
{
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (*hint + i) % t->count;

        if (t->list[at].tid == tid) {
            *hint = at + 1;
            return &t->list[at];
        }
    }
    if (t->count == MOST)
        return NULL;
    t->list[t->count] = (struct thread){.tid = tid, .out = t->whole};
    return &t->list[t->count++];
}

struct walk {
    struct threads *threads;
    uint32_t hint;
    uint32_t listed;
    uint32_t lots; /* which are listed as well */
};

static bool look_at(int dir, const char *name, int tid, void *context)
{
    struct walk *w = context;
    struct threads *t = w->threads;
    struct thread *seen;
    enum where before;
    bool listed;

    (void)dir;
    if (boundary_is_lot(tid)) { /* whose numbers are its own */
        w->lots++;
        return true;
    }
    seen = find(t, tid, &w->hint);
    if (!seen)
        return false;
    listed = seen->listed == t->walk - 1;
    t->fresh += !listed;
    before = seen->where;
    seen->listed = t->walk;
    w->listed++;
    look_at_place(t, seen, name);
    if (seen->where == ELSEWHERE)
        seen->out = t->walk;
    seen->counted |= t->counts_all || seen->number < 0;
    if (seen->where == RUNNING || seen->where == ASLEEP)
        look_at_count(t, seen, name, listed && seen->where == before);
    return true;
}

/* Whom two walks in a row have not seen has ended. */
static void bury(struct threads *t)
{
    uint32_t left = 0;
    uint32_t count = t->count;

    for (uint32_t i = 0; i < t->count; i++)
        if (t->list[i].listed >= t->walk - 1)
            t->list[left++] = t->list[i];
    t->count = left;
    if (left < count && !t->complete) /* nor has one that is not missed by a third */
        t->whole = 0;
}

/* How many there are the kernel says by the directory's links, of which two are not theirs. Fewer than two
 * it says where it isn't Linux. */
static bool are_all(const struct threads *t, uint32_t listed)
{
    struct stat st;

    return sys2(SYS_fstat, t->tasks, SYS_ARG(&st)) == 0 &&
           (st.st_nlink <= 2 || st.st_nlink - 2 == listed);
}

static void walk(struct threads *t)
{
    struct walk w = {.threads = t};

    t->walk++;
    t->fresh = 0;
    t->complete = sys3(SYS_lseek, t->tasks, 0, SEEK_SET) == 0 &&
                  proc_walk(t->tasks, look_at, &w) == PROC_ALL && t->fresh == 0 &&
                  w.listed == t->before && w.lots > 0 && are_all(t, w.listed + w.lots);
    t->before = w.listed;
    if (t->complete)
        t->whole = t->walk;
    bury(t);
}

/* Not for fork children; where that is refused a child has a useless copy. */
static bool map_list(struct threads *t)
{
    t->list = sys_map(MOST * sizeof(t->list[0]));
    sys3(SYS_madvise, SYS_ARG(t->list), MOST * sizeof(t->list[0]), MADV_DONTFORK);
    return t->list;
}

void threads_look(struct threads *t)
{
    t->complete = false;
    t->shut = false; /* the process may have other rights by now */
    if (t->tasks < 0 || (!t->list && !map_list(t)))
        return;
    walk(t);
    walk(t);
}

/* ---- One connection -------------------------------------------------------------------------- */

void threads_begin(const struct threads *t, struct in_call *c)
{
    c->gone = t->walk + 1;
}

/* Whether it is where it was. */
static bool is_still(const struct threads *t, struct in_call *c, int fd, uint8_t *state)
{
    struct probe_position position = {.read = 0};
    bool known = probe_position(fd, &position);

    *state = known ? position.state : 0;
    if (known && c->still && c->read == position.read && c->written == position.written)
        return true;
    c->still = known ? t->walk + 1 : 0;
    c->read = position.read;
    c->written = position.written;
    c->knock = 0;
    return false;
}

/* While there is room to write, this wakes all that sleep on it (sk_stream_write_space in the kernel): readers,
 * writers, who peeks. With a FIN of ours sent, poll(2) says that there is room where there is none. */
static bool wakes_for_room(int fd, uint8_t state)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0, 0};
    long lowat = sys_getsockopt_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    int same = (int)lowat;

    return (state == STATE_ESTABLISHED || state == STATE_CLOSE_WAIT) && lowat >= 0 &&
           sys6(SYS_ppoll, SYS_ARG(&room), 1, SYS_ARG(&now), 0, 0, 0) == 1 &&
           room.revents & POLLOUT &&
           sys6(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SYS_ARG(&same), sizeof(same),
                0) == 0;
}

/* While something is unread, so does this (tcp_data_ready), but where another protocol is laid over it. */
static bool wakes_for_data(int fd)
{
    int one = 1;
    char protocol[16];
    unsigned len = sizeof(protocol);

    return (sys_getsockopt(fd, IPPROTO_TCP, TCP_ULP, protocol, &len) < 0 || len == 0) &&
           sys_getsockopt_int(fd, SOL_SOCKET, SO_RCVLOWAT) == one &&
           sys_ioctl_int(fd, FIONREAD) > 0 &&
           sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, SYS_ARG(&one), sizeof(one), 0) == 0;
}

static void knock(const struct threads *t, struct in_call *c, int fd, uint8_t state)
{
    c->knock = !c->shared && (wakes_for_room(fd, state) || wakes_for_data(fd)) ? t->walk + 1 : 0;
}

void threads_watch(struct threads *t, struct in_call *c, int fd)
{
    uint8_t state;

    t->counts_all = true;
    is_still(t, c, fd, &state);
    knock(t, c, fd, state);
}

static bool is_on_another(const struct thread *seen, int number)
{
    return number >= 0 && seen->number >= 0 && seen->number != number;
}

/* Of one to which nothing happened since it was watched. */
static bool is_not_on(const struct thread *seen, const struct in_call *c)
{
    return (seen->where == RUNNING && seen->ran >= c->still) ||
           (seen->where == ASLEEP && seen->count >= 0 && seen->lap < c->knock);
}

enum threads_answer threads_ask(struct threads *t, struct in_call *c, int fd, int number,
                                int closer)
{
    enum threads_answer answer = THREADS_OUT;
    bool asked = false;
    bool still = false;
    uint8_t state = 0;

    if (!t->complete || !c->gone)
        return THREADS_UNSEEN;
    for (uint32_t i = 0; i < t->count; i++) {
        struct thread *seen = &t->list[i];

        if (seen->out >= c->gone || seen->tid == closer || is_on_another(seen, number))
            continue;
        if (!asked) {
            still = is_still(t, c, fd, &state);
            if (state == STATE_CLOSE)
                return THREADS_OVER;
            asked = true;
        }
        seen->counted = true;
        if (!still || !is_not_on(seen, c))
            answer = still && seen->where != RUNNING ? THREADS_ASLEEP : THREADS_UNSEEN;
    }
    if (answer != THREADS_OUT)
        knock(t, c, fd, state);
    return answer;
}
