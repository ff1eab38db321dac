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

/* Of which everything is zero at first, and nothing is ever given back. */
struct family {
    _Atomic int forking;     /* forks whose child is not yet a member */
    _Atomic int untrusted;   /* a member can't be followed: too many, or in another pid namespace */
    _Atomic uint32_t hint;   /* where a free count may be */
    _Atomic uint64_t pid_ns; /* inode of the namespace that the pids are of */
    _Atomic int members[MEMBERS];    /* pids; 0: free. A dead one is dropped when somebody looks */
    _Atomic uint32_t counts[COUNTS]; /* the first is never used: 0 means none */
};

static struct family *family; /* constructor */
static bool unseen_fork;      /* this process: its fork was not counted, so old notes are void */
static uint32_t void_before;  /* this process: notes of epochs before this one */

static uint64_t pid_namespace(void)
{
    struct stat st;

    if (sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG("/proc/self/ns/pid"), SYS_ARG(&st), 0) < 0)
        return 0;
    return st.st_ino;
}

static void add_member(int pid)
{
    for (int i = 0; i < MEMBERS; i++)
        if (atomic_load_explicit(&family->members[i], memory_order_relaxed) == pid)
            return;
    for (int i = 0; i < MEMBERS; i++) {
        int free_slot = 0;
        if (atomic_compare_exchange_strong(&family->members[i], &free_slot, pid))
            return;
    }
    atomic_store(&family->untrusted, 1);
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
        if (pid && pid != own && sys2(SYS_kill, pid, 0) != -ESRCH)
            return;
    }
    for (uint32_t at = 1; at < COUNTS; at++)
        atomic_fetch_or(&family->counts[at], UNUSED);
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        atomic_fetch_and(&family->counts[fdtable_get(fd).share], ~UNUSED);
    for (uint32_t at = 1; at < COUNTS; at++)
        if (atomic_load(&family->counts[at]) & UNUSED)
            atomic_store(&family->counts[at], 0);
}

static uint32_t find_count(uint32_t n)
{
    uint32_t start = atomic_load_explicit(&family->hint, memory_order_relaxed);

    for (uint32_t i = 0; i < COUNTS; i++) {
        uint32_t at = (start + i) % COUNTS;
        uint32_t unused = 0;

        if (at && atomic_compare_exchange_strong(&family->counts[at], &unused, n)) {
            atomic_store_explicit(&family->hint, at + 1, memory_order_relaxed);
            return at;
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

/* One holder more. False where it can't be counted. */
static bool add_holder(int fd)
{
    struct fd_note note = fdtable_get(fd);
    uint32_t count;

    if (!family || is_void(&note))
        return false;
    if (!note.share) {
        count = new_count(1);
        if (!count)
            return false;
        if (!fdtable_set_share(fd, count))
            atomic_store(&family->counts[count], 0);
        note = fdtable_get(fd);
        if (!note.share) /* closed by another thread meanwhile */
            return false;
    }
    atomic_fetch_add(&family->counts[note.share], 1);
    return true;
}

uint32_t share_drop(const struct fd_note *note)
{
    uint32_t only_lost = LOST;
    uint32_t left;

    if (!family || !note->share || is_void(note))
        return 0;
    left = atomic_fetch_sub(&family->counts[note->share], 1) - 1;
    if (left == LOST) /* nobody is left whom we can follow: the count is free for another */
        atomic_compare_exchange_strong(&family->counts[note->share], &only_lost, 0);
    return left;
}

void share_lose(int fd)
{
    struct fd_note note = fdtable_get(fd);

    if (!note.flags)
        return;
    fdtable_add(fd, FD_LOST);
    if (family && note.share)
        atomic_fetch_or(&family->counts[note.share], LOST);
}

void share_fork_begin(void)
{
    if (!family)
        return;
    if (!atomic_load(&family->pid_ns)) {
        atomic_store(&family->pid_ns, pid_namespace());
        if (!atomic_load(&family->pid_ns))
            atomic_store(&family->untrusted, 1);
        add_member(sys_getpid());
    }
    atomic_fetch_add(&family->forking, 1);
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        if (!add_holder(fd))
            share_lose(fd);
}

void share_fork_parent(int child)
{
    if (!family)
        return;
    if (child > 0)
        add_member(child);
    else
        for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;) {
            struct fd_note note = fdtable_get(fd);
            share_drop(&note);
        }
    atomic_fetch_sub(&family->forking, 1);
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
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        share_lose(fd);
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

struct fd_note share_copied(int fd)
{
    if (fdtable_get(fd).flags & FD_TCP && !add_holder(fd))
        share_lose(fd);
    return fdtable_get(fd);
}

/* What is not open (in a vfork child that has closed it, for one) is not kept either. */
static bool closes_on_exec(int fd)
{
    long flags = sys2(SYS_fcntl, fd, F_GETFD);
    return flags < 0 || flags & FD_CLOEXEC;
}

void share_spawn(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        if (!closes_on_exec(fd))
            share_lose(fd);
}

/* Looking, in /proc. */

struct look {
    uint64_t inode;
    int64_t until; /* CLOCK_MONOTONIC, ns */
    int except;    /* our own number, which is no other holder; -1 in another process */
    bool late;
    struct holder *holder;
};

/* True where name, relative to dir, is a link to the socket that is looked for. */
static bool is_socket(const struct look *look, int dir, const char *name)
{
    char want_bytes[40];
    char link[40];
    struct text want = text_over(want_bytes, sizeof(want_bytes));
    long n = sys4(SYS_readlinkat, dir, SYS_ARG(name), SYS_ARG(link), sizeof(link));

    text_put(&want, "socket:[%llu]", (unsigned long long)look->inode);
    return n == (long)want.len && memcmp(link, want_bytes, want.len) == 0;
}

static bool visit_number(int dir, const char *name, int number, void *context)
{
    struct look *look = context;

    if (number == look->except)
        return true;
    if (proc_now_ns() > look->until) {
        look->late = true;
        return false;
    }
    if (!is_socket(look, dir, name))
        return true;
    look->holder->fd = number;
    return false;
}

static enum share scan(struct look *look, int dir)
{
    switch (proc_walk(dir, visit_number, look)) {
    case PROC_ALL:
        return SHARE_SOLE;
    case PROC_STOPPED:
        return look->late ? SHARE_UNKNOWN : SHARE_HELD;
    default:
        return SHARE_UNKNOWN;
    }
}

/* One process: at the number that a fork would have kept first. */
static enum share look_at(struct look *look, int pid, int fd)
{
    char path_bytes[48];
    struct text path = text_over(path_bytes, sizeof(path_bytes) - 1);
    char number_bytes[16];
    struct text number = text_over(number_bytes, sizeof(number_bytes) - 1);
    bool self = pid == atomic_load(&process->pid);
    enum share found;
    long dir;

    text_put(&path, "/proc/%d/fd", pid);
    path_bytes[path.len] = '\0';
    text_put(&number, "%d", fd);
    number_bytes[number.len] = '\0';
    look->holder->pid = pid;
    look->holder->fd = fd;
    look->except = self ? fd : -1;
    dir = proc_open(path_bytes);
    if (dir < 0)
        return dir == -ENOENT && sys2(SYS_kill, pid, 0) == -ESRCH ? SHARE_SOLE : SHARE_UNKNOWN;
    found = !self && is_socket(look, (int)dir, number_bytes) ? SHARE_HELD : scan(look, (int)dir);
    sys1(SYS_close, dir);
    return found;
}

/* Drops a dead member, so that the next look is shorter. */
static void forget_dead(_Atomic int *member, int pid)
{
    if (sys2(SYS_kill, pid, 0) == -ESRCH)
        atomic_compare_exchange_strong(member, &pid, 0);
}

/* Another number of our own, as the table knows them. */
static bool held_here(int fd, const struct fd_note *note, struct holder *holder)
{
    for (int other = -1; (other = fdtable_next(other, FD_TCP)) >= 0;) {
        if (other != fd && fdtable_get(other).share == note->share) {
            holder->pid = atomic_load(&process->pid);
            holder->fd = other;
            return true;
        }
    }
    return false;
}

static enum share look_around(int fd, int64_t until, struct holder *holder)
{
    struct look look = {.until = until, .holder = holder};
    int own = atomic_load(&process->pid);
    enum share worst;
    struct stat st;

    if (sys2(SYS_fstat, fd, SYS_ARG(&st)) < 0)
        return SHARE_UNKNOWN;
    look.inode = st.st_ino;
    worst = look_at(&look, own, fd);
    for (int i = 0; i < MEMBERS && worst != SHARE_HELD; i++) {
        int pid = atomic_load_explicit(&family->members[i], memory_order_relaxed);
        enum share found;

        if (pid == 0 || pid == own)
            continue;
        if (proc_now_ns() > until)
            return SHARE_UNKNOWN;
        found = look_at(&look, pid, fd);
        if (found == SHARE_SOLE)
            forget_dead(&family->members[i], pid);
        else
            worst = found;
    }
    return worst;
}

int64_t share_deadline(void)
{
    return proc_now_ns() + SHARE_LOOK_NS;
}

enum share share_look(int fd, const struct fd_note *note, uint32_t left, int64_t until,
                      struct holder *holder)
{
    enum share found;

    holder->pid = 0;
    holder->fd = -1;
    if (!family || is_void(note) || note->flags & FD_LOST || left & LOST)
        return SHARE_UNKNOWN;
    if (left == 0)
        return SHARE_SOLE;
    if (held_here(fd, note, holder))
        return SHARE_HELD;
    if (atomic_load(&family->forking) || atomic_load(&family->untrusted) || proc_now_ns() > until)
        return SHARE_UNKNOWN;
    found = look_around(fd, until, holder);
    if (found == SHARE_SOLE) /* those who were counted are dead: nobody else will give it back */
        atomic_store(&family->counts[note->share], 0);
    return found;
}
