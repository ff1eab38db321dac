#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/pid.h"
#include "ground/real.h"
#include "ground/sys.h"
#include "holders/family.h"

#include <linux/futex.h>
#include <sys/wait.h>

#define PLACES 1024 /* a power of two: a place is its index, and above it how often it was given */
#define DEAD 0x80000000u /* in a place */
#define EXECUTED FUTEX_OWNER_DIED
#define SERIAL_BITS 48
#define SERIAL_MASK ((1ULL << SERIAL_BITS) - 1)
#define MOST_READS 4
#define ASKED 8 /* of those that seem to live, whenever a place is looked for */
#define SEVERAL UINT32_MAX
#define NESTED                                                                                     \
    3 /* forks of one thread, by handlers of signals that come in the middle of another */

/* What is known of a process. Never changed in place: a new one is written beside it, and then is the current one. */
struct record {
    _Atomic uint64_t words[RELATIVE_WORDS];
    _Atomic uint64_t seal; /* make_seal */
};

struct member {
    _Atomic uint32_t place;   /* 0: free; the record's; with DEAD: its process is; or TAKEN */
    _Atomic uint32_t current; /* record, modulo 2 */
    struct record records[2];
    _Atomic uint32_t executing; /* a robust futex: the thread that executes, then EXECUTED */
    _Atomic uint64_t ending;    /* ending_seal; anything else: it is not */
};

struct family {
    _Atomic uint64_t clock;
    _Atomic uint32_t forks;
    _Atomic uint32_t hand;      /* where a place is looked for first */
    _Atomic uint64_t top;       /* the highest index that was ever used, and its seal */
    _Atomic uint64_t untrusted; /* what has a serial up to this one */
    _Atomic int linger2;
    _Atomic uint32_t ringer;       /* the place of the process that gave a ring requests; SEVERAL */
    struct member members[PLACES]; /* the first is never used */
};

static uint64_t secret;         /* constructor */
static uint32_t *latest;        /* by index, the latest place that this process saw; first fork */
static struct family *family;   /* constructor */
static uint32_t self;           /* constructor; a fork child's first hook */
static uint64_t pid_ns;         /* likewise */
static uint32_t parent;         /* the place of the process that forked this one; likewise */
static int forker;              /* its pid as it sees it itself; family_fork_begin */
static _Atomic int forking;     /* threads between family_fork_begin and its end */
static _Atomic uint64_t forked; /* the serial of the last end; fork hooks */
static PER_THREAD struct {
    uint32_t places[NESTED]; /* of the children that this thread is about to fork */
    int depth;
} unborn;

static struct member *member_of(uint32_t place)
{
    return &family->members[place % PLACES];
}

static uint64_t ask_pid_ns(void)
{
    struct stat st;

    if (sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG("/proc/self/ns/pid"), SYS_ARG(&st), 0) < 0)
        return 0;
    return st.st_ino;
}

/* The clock's upper 16 bits are those of the secret: a clock that an attacker has set gives no serials. */
uint64_t family_serial(void)
{
    uint64_t now = family ? atomic_fetch_add(&family->clock, 1) + 1 : 0;

    return now >> SERIAL_BITS == secret >> SERIAL_BITS ? now & SERIAL_MASK : 0;
}

uint32_t family_self(void)
{
    return self;
}

void family_distrust(void)
{
    if (family)
        atomic_store(&family->untrusted, family_serial());
}

bool family_trusts(uint64_t serial)
{
    return family && serial > atomic_load(&family->untrusted);
}

uint32_t family_forks(void)
{
    return family ? atomic_load(&family->forks) : 0;
}

/* ---- Places ---------------------------------------------------------------------------------- */

static uint64_t make_seal(const struct relative *r)
{
    uint64_t seal = secret ^ r->index;

    for (unsigned i = 0; i < RELATIVE_WORDS; i++)
        seal = (seal ^ seal >> 32 ^ r->words[i]) * 0x9e3779b97f4a7c15;
    return seal;
}

/* Whether this process has seen no later place at this index: an old record must not come back. */
static bool is_latest(uint32_t index, uint32_t place)
{
    if (!latest || place < latest[index])
        return false;
    latest[index] = place;
    return true;
}

static uint64_t seal_top(uint32_t index)
{
    return ((index ^ secret) * 0x9e3779b97f4a7c15 & ~0xffffffffULL) | index;
}

/* The highest index in use. If an attacker has set it, all places are looked at. */
static uint32_t top(void)
{
    static uint32_t highest; /* that this process has seen */
    uint64_t word = atomic_load(&family->top);
    uint32_t index = (uint32_t)word;

    if (word != seal_top(index) || index < highest || index > PLACES - 2)
        return PLACES - 2;
    highest = index;
    return index;
}

static void raise_top(uint32_t index)
{
    uint64_t word = atomic_load(&family->top);

    while ((uint32_t)word < index &&
           !atomic_compare_exchange_weak(&family->top, &word, seal_top(index)))
        ;
}

static struct relative read_record(const struct record *of, uint32_t index)
{
    uint64_t seal = atomic_load(&of->seal);
    struct relative r = {.index = index};

    for (unsigned i = 0; i < RELATIVE_WORDS; i++)
        r.words[i] = atomic_load(&of->words[i]);
    r.sound = seal == make_seal(&r) && is_latest(index, r.place);
    return r;
}

/* The record is unsound if an attacker has written it; or if it was written twice during each of our reads. */
static struct relative view(uint32_t index)
{
    struct member *m = &family->members[index % PLACES];
    struct relative r;
    uint32_t which;

    for (int i = 0; i < MOST_READS; i++) {
        which = atomic_load(&m->current);
        r = read_record(&m->records[which % 2], index % PLACES);
        if (r.sound || atomic_load(&m->current) == which)
            break;
    }
    if (r.sound && r.place && atomic_load(&m->place) == (r.place | DEAD))
        r.place |= DEAD;
    return r;
}

#define TAKEN UINT32_MAX /* being written; of the last index, which is not used */

/* Claims the index for writing. False if its place is not this one any more, or another process writes. */
static bool begin_writing(uint32_t index, uint32_t place)
{
    return atomic_compare_exchange_strong(&family->members[index].place, &place, TAKEN);
}

static void write_record(struct relative *r)
{
    struct member *m = &family->members[r->index];
    uint32_t next = atomic_load(&m->current) + 1;
    struct record *to = &m->records[next % 2];

    r->place &= ~DEAD;
    for (unsigned i = 0; i < RELATIVE_WORDS; i++)
        atomic_store(&to->words[i], r->words[i]);
    atomic_store(&to->seal, make_seal(r));
    atomic_store(&m->current, next);
}

/* Before the family's first fork. Two threads, or a handler, may make that one at the same time. */
static void seal_all(void)
{
    if (latest)
        return;
    latest = sys_map(PLACES * sizeof(latest[0]));
    for (uint32_t i = 1; i < PLACES; i++)
        if (begin_writing(i, 0)) {
            struct relative none = {.index = i};

            write_record(&none);
            atomic_store(&family->members[i].place, 0);
        }
}

struct relative family_find(uint32_t place)
{
    struct relative r = {.place = 0};

    if (family)
        r = view(place);
    r.place = r.sound && (r.place & ~DEAD) == place ? place : 0;
    return r;
}

struct relative family_next(uint32_t index)
{
    uint32_t most = family ? top() : 0;
    struct relative r;

    for (uint32_t i = index + 1; i <= most; i++) {
        r = view(i);
        if (i != self % PLACES && (!r.sound || (r.place && !(r.place & DEAD))))
            return r;
    }
    return (struct relative){.index = 0};
}

/* Writes down that it is dead, so that nobody asks again; but not if another process has the place by now. */
bool family_is_gone(const struct relative *r)
{
    struct member *m = member_of(r->place);
    uint32_t place = r->place;
    bool dead;

    if (!r->sound)
        return false;
    if (atomic_load(&m->executing) == EXECUTED)
        return true;
    if (r->pid <= 0 || !pid_ns || r->pid_ns != pid_ns ||
        (place == parent && sys_getppid() == r->pid))
        return false;
    dead = sys2(SYS_kill, (int)r->pid, 0) == -ESRCH ||
           (r->parent == self ? pid_can_be_waited_for((int)r->pid) : pid_has_ended((int)r->pid));
    if (dead)
        atomic_compare_exchange_strong(&m->place, &place, place | DEAD);
    return dead;
}

/* Leaves out the pid, which the parent may write down later. */
static uint64_t ending_seal(uint32_t place, uint64_t begin)
{
    return (secret ^ (uint64_t)place << 32 ^ begin) * 0x9e3779b97f4a7c15;
}

void family_end(void)
{
    struct relative own = family_find(self);

    if (own.place)
        atomic_store(&member_of(self)->ending, ending_seal(self, own.begin));
}

bool family_is_ending(const struct relative *r)
{
    return r->sound && atomic_load(&member_of(r->place)->ending) == ending_seal(r->place, r->begin);
}

/* Claims this index if it is free, or its process is known to be gone; ask: or turns out to be gone. Returns the new
 * place; 0 if it can't be had. */
static uint32_t claim(uint32_t index, bool ask)
{
    struct member *m = &family->members[index];
    struct relative r = view(index);
    uint32_t was;

    if (!r.sound || (r.place && r.place == self) ||
        (r.place && !(r.place & DEAD) && (!ask || !family_is_gone(&r))))
        return 0;
    was = atomic_load(&m->place);
    if ((was & ~DEAD) != (r.place & ~DEAD) || (was & ~DEAD) > ~DEAD - PLACES || /* used up */
        !begin_writing(index, was))
        return 0;
    return (was ? was & ~DEAD : index) + PLACES;
}

/* All that is known of a child before it is born. */
static uint32_t fill(uint32_t index, uint32_t place, uint64_t end)
{
    struct member *m = &family->members[index];
    struct relative r = {
        .index = index, .place = place, .parent = self, .begin = family_serial(), .end = end};

    atomic_store(&m->executing, 0);
    atomic_store(&m->ending, 0);
    write_record(&r);
    atomic_store(&m->place, place);
    raise_top(index);
    return place;
}

/* Tries count indices from this one on, in a ring of those up to most. */
static uint32_t find_place(uint32_t from, uint32_t count, uint32_t most, bool ask)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = 1 + (from + i) % most;
        uint32_t place = claim(index, ask);

        if (place)
            return fill(index, place, UINT64_MAX);
    }
    return 0;
}

/* Takes low indices first, so that few have to be looked at. Each time it asks about a few of those that seem to
 * live. 0 if all places are taken. */
static uint32_t reserve(void)
{
    uint32_t most = top();
    uint32_t hand = atomic_fetch_add_explicit(&family->hand, ASKED, memory_order_relaxed);
    uint32_t place = 0;

    if (most)
        place = find_place(0, most, most, false);
    if (!place && most)
        place = find_place(hand % most, ASKED, most, true);
    if (!place && most < PLACES - 2)
        place = find_place(most, PLACES - 2 - most, PLACES - 2, false);
    return place ? place : find_place(0, PLACES - 2, PLACES - 2, true);
}

/* The kernel gives each program 16 random bytes (getauxval(3)). */
static uint64_t make_secret(void)
{
    const void *random = (const void *)getauxval(AT_RANDOM);
    uint64_t value = 0;

    if (random)
        memcpy(&value, random, sizeof(value));
    return value | 1ULL << 63;
}

/* The constructor's process is the first; its parent is none of the family's. */
void family_start(void)
{
    family = sys_map_shared(sizeof(struct family));
    if (!family)
        return;
    secret = make_secret();
    atomic_store(&family->clock, secret & ~SERIAL_MASK);
    atomic_store(&family->top, seal_top(0));
    self = fill(1, 1 + PLACES, 0);
}

/* ---- Forks ----------------------------------------------------------------------------------- */

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
    seal_all();
    if (!pid_ns)
        family_fork_self(); /* before the first fork nobody asks */
    place = self && depth < NESTED ? reserve() : 0;
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

    if (!begin_writing(place % PLACES, place)) /* it is dead by now */
        return;
    r = family_find(place);
    r.pid = pid ? pid : r.pid;
    r.pid_ns = pid_ns;
    r.end = end ? end : r.end;
    if (r.place)
        write_record(&r);
    atomic_store(&member_of(place)->place, place);
}

void family_fork_self(void)
{
    pid_ns = ask_pid_ns();
    if (self)
        set_pid(self, atomic_load(&process->pid), 0);
}

void family_fork_parent(int child)
{
    uint32_t place = take_unborn();
    struct member *m = place ? member_of(place) : NULL;
    uint64_t end = family_serial();
    uint64_t last = atomic_load(&forked);

    if (m && child < 0)
        atomic_store(&m->place, place | DEAD); /* nobody was born */
    else if (m)
        set_pid(place, child > 0 ? child : 0, end);
    while (last < end && !atomic_compare_exchange_weak(&forked, &last, end))
        ; /* another thread's fork may have been over later */
    atomic_fetch_sub(&forking, 1);
}

/* Without asking /proc, which takes 15 us. A process in another namespace than its parent can't see it: getppid is 0
 * there, or, once the parent is dead, 1; and what a process with pid 1 has forked dies with it. */
static bool has_parents_pid_ns(void)
{
    return parent && pid_ns && forker > 0 && sys_getppid() == forker;
}

/* The parent writes down the pid, as it is in the parent's namespace: there it will be asked for. */
void family_fork_child(bool seen)
{
    parent = seen ? self : 0;
    self = seen ? take_unborn() : 0;
    unborn.depth = 0;
    if (!has_parents_pid_ns())
        pid_ns = ask_pid_ns();
    atomic_store(&forking, 0);
    atomic_store(&forked, 0);
    if (!self)
        family_distrust();
}

/* ---- Exec ------------------------------------------------------------------------------------ */

/* When a thread ends, or executes another program, the kernel marks what its robust list leads to
 * (get_robust_list(2)). Between family_exec_begin and the return of a failed exec a thread can end only together with
 * its process. If libc's list is not empty, the program needs it, and ours is not used. */
static PER_THREAD struct {
    struct robust_list node;
    struct robust_list_head head;
    struct robust_list_head *libcs;
    size_t size;
    bool ours; /* stands in place of libc's */
} lists;

bool family_exec_begin(void)
{
    struct member *m = family && self ? member_of(self) : NULL;

    if (!m || lists.ours ||
        sys3(SYS_get_robust_list, 0, SYS_ARG(&lists.libcs), SYS_ARG(&lists.size)) < 0 ||
        !lists.libcs || lists.libcs->list.next != &lists.libcs->list)
        return false;
    lists.node.next = &lists.head.list;
    lists.head.list.next = &lists.node;
    lists.head.list_op_pending = NULL;
    lists.head.futex_offset = (char *)&m->executing - (char *)&lists.node;
    atomic_store(&m->executing, (uint32_t)sys_gettid());
    lists.ours = sys2(SYS_set_robust_list, SYS_ARG(&lists.head), sizeof(lists.head)) == 0;
    if (!lists.ours)
        atomic_store(&m->executing, 0);
    return lists.ours;
}

void family_exec_failed(void)
{
    atomic_store(&member_of(self)->executing, 0);
    sys2(SYS_set_robust_list, SYS_ARG(lists.libcs), (long)lists.size);
    lists.ours = false;
}

/* Reads the place last: whoever takes it over writes to it before he clears the mark (begin_writing, fill). */
bool family_executes(uint32_t place)
{
    struct member *m = member_of(place);

    return atomic_load(&m->executing) || (atomic_load(&m->place) & ~DEAD) != place;
}

/* ---- TCP_LINGER2 ----------------------------------------------------------------------------- */

void family_linger2(void)
{
    if (family)
        atomic_store(&family->linger2, 1);
}

bool family_knows_linger2(void)
{
    return !family || atomic_load(&family->linger2);
}

/* ---- io_uring -------------------------------------------------------------------------------- */

void family_ring(void)
{
    uint32_t me = self ? self : SEVERAL;
    uint32_t was = family ? atomic_load(&family->ringer) : me;

    while (was != me && was != SEVERAL &&
           !atomic_compare_exchange_weak(&family->ringer, &was, was ? SEVERAL : me))
        ;
}

bool family_rings_elsewhere(void)
{
    uint32_t who = family ? atomic_load(&family->ringer) : 0;

    return who && who != self;
}
