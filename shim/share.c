#include "safeclose.h"

#include "boundary.h"
#include "format.h"
#include "proc.h"
#include "real.h"
#include "share.h"
#include "sys.h"

#define COUNTS 65536
#define MEMBERS 512
#define LOST 0x80000000u   /* in a count: can't be followed any more */
#define UNUSED 0x40000000u /* in a count: only while they are reclaimed */
#define STUCK 0x20000000u  /* in a count: registered in an epoll set by a number that is gone */
#define HOLDERS 0x1fffffffu
#define MOST_TRIES 1000 /* to change a count that others change at the same time */

/*
 * A count has the holders in its lower half, and in its upper half how often it was given out; an
 * fd_note has the number of the count in its lower 16 bits, and above them the end of that. So a
 * note that outlives its count (its number was closed unseen, or a fork copied it that nobody
 * counted) finds out, and takes nothing from the connection that has the count now.
 */
static uint32_t name_of(uint32_t at, uint64_t count)
{
    return (uint32_t)(count >> 32) << 16 | at;
}

static bool is_named(uint64_t count, uint32_t share)
{
    return ((count >> 32) & 0xffff) == share >> 16;
}

/* Of which everything is zero at first, and nothing is ever given back. */
struct family {
    _Atomic int forking;     /* forks whose child is not yet a member */
    _Atomic int grabbed;     /* pidfd_getfd was called: anybody may hold anything */
    _Atomic int linger2;     /* TCP_LINGER2 was set by somebody */
    _Atomic uint32_t moves;  /* how often a connection may have got one more holder */
    _Atomic int untrusted;   /* a member can't be followed: too many, or in another pid namespace */
    _Atomic uint32_t hint;   /* where a free count may be */
    _Atomic uint64_t pid_ns; /* inode of the namespace that the pids are of */
    _Atomic int members[MEMBERS];    /* pids; 0: free. A dead one is dropped when somebody looks */
    _Atomic uint64_t counts[COUNTS]; /* the first is never used: 0 means none */
};

static struct family *family; /* constructor */
static bool unseen_fork;      /* this process: its fork was not counted, so old notes are void */
static uint32_t void_before;  /* this process: notes of epochs before this one */

static _Atomic uint64_t *count_of(uint32_t share)
{
    return &family->counts[share & (COUNTS - 1)];
}

static uint64_t pid_namespace(void)
{
    struct stat st;

    if (sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG("/proc/self/ns/pid"), SYS_ARG(&st), 0) < 0)
        return 0;
    return st.st_ino;
}

static bool is_dead(int pid)
{
    return sys2(SYS_kill, pid, 0) == -ESRCH;
}

/* A pid that the kernel refused to tell (a seccomp filter) stands for nobody, or for everybody. */
static void add_member(int pid)
{
    if (pid <= 0) {
        share_distrust();
        return;
    }
    for (int i = 0; i < MEMBERS; i++)
        if (atomic_load_explicit(&family->members[i], memory_order_relaxed) == pid)
            return;
    for (int i = 0; i < MEMBERS; i++) {
        int free_slot = 0;
        if (atomic_compare_exchange_strong(&family->members[i], &free_slot, pid))
            return;
    }
    for (int i = 0; i < MEMBERS; i++) {
        int old = atomic_load(&family->members[i]);
        if (is_dead(old) && atomic_compare_exchange_strong(&family->members[i], &old, pid))
            return;
    }
    share_distrust();
}

void share_start(void)
{
    long size = sizeof(struct family);
    long at = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at < 0 && at > -4096)
        return;
    family = (struct family *)at;
}

/* Whoever looks for holders looks at one after the other: one that passes the connection on to another
 * meanwhile could be missed. So this comes before it does, and the look is of no use. */
static void note_move(void)
{
    if (family)
        atomic_fetch_add(&family->moves, 1);
}

static bool is_void(const struct fd_note *note)
{
    return unseen_fork && (int32_t)(note->epoch - void_before) < 0;
}

/* Where nobody else of the family lives, the counts that this process does not use are dead
 * holders'. */
static void reclaim_counts(void)
{
    int own = atomic_load(&process->pid);

    if (atomic_load(&family->forking) || atomic_load(&family->untrusted))
        return;
    for (int i = 0; i < MEMBERS; i++) {
        int pid = atomic_load(&family->members[i]);
        if (pid && pid != own && !is_dead(pid))
            return;
    }
    for (uint32_t at = 1; at < COUNTS; at++)
        atomic_fetch_or(&family->counts[at], UNUSED);
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        atomic_fetch_and(count_of(fdtable_get(fd).share), ~(uint64_t)UNUSED);
    for (uint32_t at = 1; at < COUNTS; at++)
        if (atomic_load(&family->counts[at]) & UNUSED)
            atomic_fetch_and(&family->counts[at], ~(uint64_t)UINT32_MAX);
}

/* The name of a free count, which has n holders now; 0 where none is free. */
static uint32_t find_count(uint32_t n)
{
    uint32_t start = atomic_load_explicit(&family->hint, memory_order_relaxed);

    for (uint32_t i = 0; i < COUNTS; i++) {
        uint32_t at = (start + i) % COUNTS;
        uint64_t count = atomic_load_explicit(&family->counts[at], memory_order_relaxed);
        uint64_t given = ((count >> 32) + 1) << 32 | n;

        if (at && (uint32_t)count == 0 &&
            atomic_compare_exchange_strong(&family->counts[at], &count, given)) {
            atomic_store_explicit(&family->hint, at + 1, memory_order_relaxed);
            return name_of(at, given);
        }
    }
    return 0;
}

/* A count of n holders; 0 where there is no room. */
static uint32_t new_count(uint32_t n)
{
    uint32_t count = find_count(n);

    if (!count && real_single_threaded()) { /* with threads, somebody might be counting meanwhile */
        reclaim_counts();
        count = find_count(n);
    }
    return count;
}

/* Changes a count that this still is the name of, as long as it has holders. What it was before,
 * with LOST where it is no more. */
static uint64_t change_count(uint32_t share, uint64_t (*changed)(uint64_t count))
{
    _Atomic uint64_t *count = count_of(share);
    uint64_t now = atomic_load(count);

    for (int i = 0; i < MOST_TRIES && is_named(now, share) && now & HOLDERS; i++)
        if (atomic_compare_exchange_weak(count, &now, changed(now)))
            return now;
    return now | LOST;
}

static uint64_t one_more(uint64_t count)
{
    return count + 1;
}

static uint64_t unchanged(uint64_t count)
{
    return count;
}

static uint64_t none_left(uint64_t count)
{
    return count & ~(uint64_t)UINT32_MAX;
}

/* Where nobody is left whom we can follow the count is free for another. */
static uint64_t one_less(uint64_t count)
{
    return (count & HOLDERS) > 1 ? count - 1 : none_left(count);
}

static uint64_t lost(uint64_t count)
{
    return count | LOST;
}

static uint64_t stuck(uint64_t count)
{
    return count | STUCK;
}

/* A count that this process is the first to need. A fork of another thread that came meanwhile may
 * have copied the note with it, or without. */
static bool begin_count(int fd, uint32_t settled, int own_forks)
{
    uint32_t share;

    if (fdtable_get(fd).epoch != settled)
        return false;
    share = new_count(1);
    if (!share)
        return false;
    if (!fdtable_set_share(fd, share))
        change_count(share, one_less);
    return boundary_forking() == own_forks && boundary_epoch() == settled + (uint32_t)own_forks;
}

/*
 * One holder more. False where it can't be followed; it is counted all the same where there is a
 * count, since it will be given up like any other. A count may begin only for a connection that
 * surely nobody holds yet: not one that came while somebody else forked, settled being the epoch up
 * to which nobody did; own_forks is 1 in a fork of this thread's.
 */
static bool add_holder(int fd, uint32_t settled, int own_forks)
{
    struct fd_note note = fdtable_get(fd);
    bool follows = boundary_forking() == own_forks && !(note.flags & FD_LOST);

    if (!family || is_void(&note))
        return false;
    if (!note.share) {
        follows = follows && begin_count(fd, settled, own_forks);
        note = fdtable_get(fd);
    }
    /* None was begun, or another thread has closed it meanwhile. */
    if (!note.share)
        return false;
    return !(change_count(note.share, one_more) & LOST) && follows;
}

uint32_t share_drop(const struct fd_note *note)
{
    uint64_t before;

    if (!family || !note->share || is_void(note))
        return 0;
    before = change_count(note->share, one_less);
    return before & LOST ? LOST : (uint32_t)(before & HOLDERS) - 1;
}

bool share_has_others(const struct fd_note *note)
{
    return family && note->share && !is_void(note) &&
           (change_count(note->share, unchanged) & HOLDERS) > 1;
}

void share_lose_note(const struct fd_note *note)
{
    note_move();
    change_count(note->share, lost);
}

bool share_was_lost(uint32_t left)
{
    return left & LOST;
}

void share_stick(const struct fd_note *note)
{
    if (family && note->share && !is_void(note))
        change_count(note->share, stuck);
}

bool share_is_stuck(const struct fd_note *note)
{
    uint64_t count;

    if (!family || !note->share)
        return false;
    count = atomic_load(count_of(note->share));
    return !is_named(count, note->share) || count & STUCK;
}

void share_lose(int fd)
{
    struct fd_note note = fdtable_get(fd);

    if (!note.flags)
        return;
    note_move();
    fdtable_add(fd, FD_LOST);
    if (family && note.share)
        change_count(note.share, lost);
}

void share_fork_begin(void)
{
    uint32_t settled = boundary_epoch() - 1; /* boundary_fork_begin was the last to count */

    if (!family)
        return;
    if (!atomic_load(&family->pid_ns)) {
        atomic_store(&family->pid_ns, pid_namespace());
        if (!atomic_load(&family->pid_ns))
            share_distrust();
        add_member(atomic_load(&process->pid));
    }
    atomic_fetch_add(&family->forking, 1);
    note_move();
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        if (!add_holder(fd, settled, 1))
            share_lose(fd);
}

/* What a failed fork counted stays counted: too high does no harm, and some may be gone meanwhile.
 */
void share_fork_parent(int child)
{
    if (!family)
        return;
    if (child > 0)
        add_member(child);
    atomic_fetch_sub(&family->forking, 1);
}

bool share_has_relatives(void)
{
    return !family || atomic_load_explicit(&family->moves, memory_order_relaxed);
}

void share_distrust(void)
{
    if (family)
        atomic_store(&family->untrusted, 1);
}

/* What an unseen fork copied was never counted, so those who count it must know that they can't. */
static void lose_all_inherited(void)
{
    unseen_fork = true;
    void_before = boundary_epoch();
    share_lose_all();
    share_distrust();
}

void share_fork_child(bool seen)
{
    if (!seen)
        lose_all_inherited();
    /* A pid in another namespace means somebody else in ours. */
    if (family && pid_namespace() != atomic_load(&family->pid_ns))
        share_distrust();
}

void share_parent_gone(void)
{
    if (!family)
        return;
    add_member(atomic_load(&process->pid));
    atomic_fetch_sub(&family->forking, 1);
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;) {
        struct fd_note note = fdtable_get(fd);
        share_drop(&note);
    }
}

struct fd_note share_copied(int fd, uint32_t epoch)
{
    struct fd_note copied;

    note_move(); /* it may have been closed, and looked for, under the one number or the other */
    if (fdtable_get(fd).flags & FD_TCP) {
        if (!add_holder(fd, epoch, 0) || epoch != boundary_epoch())
            share_lose(fd);
        fdtable_add(fd, FD_COPIED);
    }
    copied = fdtable_get(fd);
    copied.epolls = 0; /* which know it by the other number */
    return copied;
}

void share_lose_all(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        share_lose(fd);
}

void share_grabbed(void)
{
    note_move();
    share_lose_all();
    share_distrust();
    if (family)
        atomic_store(&family->grabbed, 1);
}

bool share_was_grabbed(void)
{
    return family && atomic_load(&family->grabbed);
}

/* What is not open (in a vfork child that has closed it, for one) is not kept either. Where the kernel
 * does not answer it may be. */
bool share_survives_exec(int fd)
{
    long flags = sys2(SYS_fcntl, fd, F_GETFD);

    return flags < 0 ? flags != -EBADF : !(flags & FD_CLOEXEC);
}

void share_spawn(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        if (share_survives_exec(fd))
            share_lose(fd);
}

/* Looking, in /proc. */

struct look {
    uint64_t inode;
    int64_t until; /* CLOCK_MONOTONIC, ns */
    int except;    /* our own number, which is no other holder; -1 in another process */
    int seen;      /* how many numbers there were */
    enum share answer;
    struct holder *holder;
};

/* Whether name, relative to dir, is a link to the socket that is looked for. */
static enum share is_socket(const struct look *look, int dir, const char *name)
{
    char want_bytes[40];
    char link[40];
    struct text want = text_over(want_bytes, sizeof(want_bytes));
    long n = sys4(SYS_readlinkat, dir, SYS_ARG(name), SYS_ARG(link), sizeof(link));

    if (n < 0)
        return n == -ENOENT ? SHARE_SOLE : SHARE_UNKNOWN; /* it may be listed but not read */
    text_put(&want, "socket:[%llu]", (unsigned long long)look->inode);
    return n == (long)want.len && memcmp(link, want_bytes, want.len) == 0 ? SHARE_HELD : SHARE_SOLE;
}

static bool visit_number(int dir, const char *name, int number, void *context)
{
    struct look *look = context;

    look->seen++;
    if (number == look->except)
        return true;
    look->answer = proc_is_over(look->until) ? SHARE_UNKNOWN : is_socket(look, dir, name);
    look->holder->fd = number;
    return look->answer == SHARE_SOLE;
}

static bool count_thread(int dir, const char *name, int number, void *context)
{
    (void)dir;
    (void)name;
    (void)number;
    ++*(int *)context;
    return true;
}

static long open_of(int pid, const char *what)
{
    char path_bytes[48];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);

    text_put(&path, "/proc/%d/%s", pid, what);
    path_bytes[path.len] = '\0';
    return proc_open(path_bytes);
}

/* A process without any descriptor is a zombie, or one whose first thread has ended before the
 * others, and then /proc shows nothing of what they hold. */
static bool is_zombie(int pid)
{
    int threads = 0;
    long dir = open_of(pid, "task");

    if (dir < 0)
        return dir == -ENOENT && is_dead(pid);
    proc_walk((int)dir, count_thread, &threads);
    sys1(SYS_close, dir);
    return threads <= 1;
}

/* One process; only the number that a fork would have kept, or all. */
static enum share look_at(struct look *look, int pid, int fd, bool all)
{
    char number_bytes[16];
    struct text number = text_over(number_bytes, sizeof(number_bytes) - 1);
    long dir;

    look->holder->pid = pid;
    look->holder->fd = fd;
    look->except = pid == atomic_load(&process->pid) ? fd : -1;
    look->answer = SHARE_SOLE;
    look->seen = 0;
    dir = open_of(pid, "fd");
    if (dir < 0)
        return dir == -ENOENT && is_dead(pid) ? SHARE_SOLE : SHARE_UNKNOWN;
    text_put(&number, "%d", fd);
    number_bytes[number.len] = '\0';
    if (!all)
        look->answer = is_socket(look, (int)dir, number_bytes);
    else if (proc_walk((int)dir, visit_number, look) == PROC_FAILED)
        look->answer = SHARE_UNKNOWN;
    sys1(SYS_close, dir);
    if (all && look->seen == 0 && !is_zombie(pid))
        return SHARE_UNKNOWN;
    return look->answer;
}

/* Every other member of the family; what can't be told of one is the answer unless another holds
 * it. */
static enum share look_at_members(struct look *look, int fd, bool all)
{
    enum share worst = SHARE_SOLE;

    for (int i = 0; i < MEMBERS; i++) {
        int pid = atomic_load_explicit(&family->members[i], memory_order_relaxed);
        enum share found;

        if (pid == 0 || pid == atomic_load(&process->pid))
            continue;
        if (is_dead(pid)) { /* most are, and the next look is shorter by them */
            atomic_compare_exchange_strong(&family->members[i], &pid, 0);
            continue;
        }
        if (proc_is_over(look->until))
            return SHARE_UNKNOWN;
        found = look_at(look, pid, fd, all);
        if (found == SHARE_HELD)
            return found;
        if (found == SHARE_UNKNOWN)
            worst = found;
    }
    return worst;
}

static bool same_socket(int fd, int other)
{
    struct stat a;
    struct stat b;

    return sys2(SYS_fstat, fd, SYS_ARG(&a)) == 0 && sys2(SYS_fstat, other, SYS_ARG(&b)) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Only what was dup'ed here, or came by an exec or a message, can have a second number. */
bool share_held_here(int fd, const struct fd_note *note, struct holder *holder)
{
    const uint32_t kinds = note->flags & (FD_COPIED | FD_ARRIVED);

    for (int other = kinds ? fdtable_next(-1, kinds) : -1; other >= 0;
         other = fdtable_next(other, kinds)) {
        if (other != fd && fdtable_get(other).peer == note->peer && same_socket(fd, other)) {
            holder->pid = atomic_load(&process->pid);
            holder->fd = other;
            return true;
        }
    }
    return false;
}

/* A /proc that shows another PID namespace would have us look at other processes. */
static bool proc_is_ours(void)
{
    char link[16];
    char own_bytes[16];
    struct text own = text_over(own_bytes, sizeof(own_bytes));
    long n = sys4(SYS_readlinkat, AT_FDCWD, SYS_ARG("/proc/self"), SYS_ARG(link), sizeof(link));

    text_put(&own, "%d", atomic_load(&process->pid));
    return n == (long)own.len && memcmp(link, own_bytes, own.len) == 0;
}

/* Most often the number that a fork kept answers at once. */
static enum share look_around(int fd, int64_t until, struct holder *holder)
{
    struct look look = {.until = until, .holder = holder};
    enum share found;
    struct stat st;

    if (sys2(SYS_fstat, fd, SYS_ARG(&st)) < 0 || !proc_is_ours())
        return SHARE_UNKNOWN;
    look.inode = st.st_ino;
    found = look_at_members(&look, fd, false);
    if (found != SHARE_SOLE)
        return found;
    found = look_at_members(&look, fd, true);
    if (found != SHARE_SOLE)
        return found;
    return look_at(&look, atomic_load(&process->pid), fd, true);
}

void share_linger2(void)
{
    if (family)
        atomic_store(&family->linger2, 1);
}

bool share_knows_linger2(void)
{
    return !family || atomic_load(&family->linger2);
}

int64_t share_deadline(void)
{
    return proc_now_ns() + SHARE_LOOK_NS;
}

enum share share_look(int fd, const struct fd_note *note, uint32_t left, int64_t until,
                      struct holder *holder)
{
    enum share found;
    uint32_t moves;
    bool forking;

    holder->pid = 0;
    holder->fd = -1;
    if (!family || is_void(note) || note->flags & FD_LOST || left & LOST)
        return SHARE_UNKNOWN;
    if (left == 0)
        return SHARE_SOLE;
    if (share_held_here(fd, note, holder))
        return SHARE_HELD;
    if (atomic_load(&family->untrusted) || proc_is_over(until))
        return SHARE_UNKNOWN;
    moves = atomic_load(&family->moves);
    forking = atomic_load(&family->forking);
    found = look_around(fd, until, holder);
    /* Whoever is found holds it, whoever is being forked; that nobody does takes more. */
    if (found == SHARE_SOLE && (forking || moves != atomic_load(&family->moves) ||
                                change_count(note->share, unchanged) & LOST))
        return SHARE_UNKNOWN;
    if (found == SHARE_SOLE) /* those who were counted are dead: nobody else will give it back */
        change_count(note->share, none_left);
    return found;
}
