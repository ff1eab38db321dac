/* What the family learns of a fork. The rules: family.h. */
#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "holders/family_state.h"

#define NESTED                                                                                     \
    3 /* forks of one thread, by handlers of signals that come in the middle of another */

static int forker;              /* this process's pid as it sees it itself; family_fork_begin */
static _Atomic int forking;     /* threads between family_fork_begin and its end */
static _Atomic uint64_t forked; /* the serial of the last end; fork hooks */
static PER_THREAD struct {
    uint32_t places[NESTED]; /* of the children that this thread is about to fork */
    int depth;
} unborn;

static uint64_t ask_pid_ns(void)
{
    struct stat st;

    if (sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG("/proc/self/ns/pid"), SYS_ARG(&st), 0) < 0)
        return 0;
    return st.st_ino;
}

uint64_t family_forked(void)
{
    return atomic_load(&forking) ? UINT64_MAX : atomic_load(&forked);
}

/* Counts the fork once the child's place is there: a process that has read a lower count looks again, and finds it. */
void family_fork_begin(void)
{
    int depth = unborn.depth++;
    uint32_t place;

    atomic_signal_fence(memory_order_seq_cst); /* a handler that forks from here on has its own */
    if (depth < NESTED)
        unborn.places[depth] = 0;
    atomic_fetch_add(&forking, 1);
    if (!family)
        return;
    forker = atomic_load(&process->pid);
    family_seal_all();
    if (!family_pid_ns)
        family_fork_self(); /* before the first fork nobody asks */
    place = family_own && depth < NESTED ? family_reserve() : 0;
    if (place)
        unborn.places[depth] = place;
    else
        family_distrust();
    atomic_fetch_add(&family->forks, 1);
}

static uint32_t take_unborn(void)
{
    int depth = unborn.depth - 1;
    uint32_t place = depth >= 0 && depth < NESTED ? unborn.places[depth] : 0;

    atomic_signal_fence(memory_order_seq_cst);
    unborn.depth = depth;
    return place;
}

/* end: of the fork that it was born in; 0: as it was. */
static void set_pid(uint32_t place, int pid, uint64_t end)
{
    struct relative r;

    if (!family_begin_writing(place % PLACES, place)) /* it is dead by now */
        return;
    r = family_find(place);
    r.pid = pid ? pid : r.pid;
    r.pid_ns = family_pid_ns;
    r.end = end ? end : r.end;
    if (r.place)
        family_write(&r);
    atomic_store(&member_of(place)->place, place);
}

void family_fork_self(void)
{
    family_pid_ns = ask_pid_ns();
    if (family_own)
        set_pid(family_own, atomic_load(&process->pid), 0);
}

void family_fork_parent(int child)
{
    uint32_t place = take_unborn();
    struct member *m = place ? member_of(place) : NULL;
    uint64_t end = family_serial();

    if (m && child < 0)
        atomic_store(&m->place, place | DEAD); /* nobody was born */
    else if (m)
        set_pid(place, child > 0 ? child : 0, end);
    family_raise(&forked, end); /* another thread's fork may have been over later */
    atomic_fetch_sub(&forking, 1);
}

/* Without asking /proc, which takes 15 us. A process in another namespace than its parent can't see it: getppid is 0
 * there, also when another has become its parent. */
static bool has_parents_pid_ns(void)
{
    return family_parent && family_pid_ns && forker > 0 && sys_getppid() == forker;
}

/* The parent writes down the pid, as it is in the parent's namespace: there it will be asked for. */
void family_fork_child(bool seen)
{
    family_parent = seen ? family_own : 0;
    family_own = seen ? take_unborn() : 0;
    unborn.depth = 0;
    if (!has_parents_pid_ns())
        family_pid_ns = ask_pid_ns();
    atomic_store(&forking, 0);
    atomic_store(&forked, 0);
    if (!family_own)
        family_distrust();
}
