#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/pid.h"
#include "ground/sys.h"
#include "holders/family_state.h"

#define SEVERAL UINT32_MAX

struct family *family;
uint64_t family_secret;
uint32_t family_own;
uint32_t family_parent;
uint64_t family_pid_ns;

/* The clock's upper 16 bits are those of the secret: a clock that an attacker has set gives no serials. */
uint64_t family_serial(void)
{
    uint64_t now = family ? atomic_fetch_add(&family->clock, 1) + 1 : 0;

    return now >> SERIAL_BITS == family_secret >> SERIAL_BITS ? now & SERIAL_MASK : 0;
}

uint32_t family_self(void)
{
    return family_own;
}

void family_raise(_Atomic uint64_t *last, uint64_t serial)
{
    uint64_t was = atomic_load(last);

    while (was < serial && !atomic_compare_exchange_weak(last, &was, serial))
        ;
}

void family_distrust(void)
{
    if (family)
        family_raise(&family->untrusted, family_serial());
}

bool family_trusts(uint64_t serial)
{
    return family && serial > atomic_load(&family->untrusted);
}

uint32_t family_forks(void)
{
    return family ? atomic_load(&family->forks) : 0;
}

struct relative family_find(uint32_t place)
{
    struct relative r = {.place = 0};

    if (family)
        r = family_view(place);
    r.place = r.sound && (r.place & ~DEAD) == place ? place : 0;
    return r;
}

struct relative family_next(uint32_t index)
{
    uint32_t most = family ? family_top() : 0;
    struct relative r;

    for (uint32_t i = index + 1; i <= most; i++) {
        r = family_view(i);
        if (i != family_own % PLACES && (!r.sound || (r.place && !(r.place & DEAD))))
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
    if (r->pid <= 0 || !family_pid_ns || r->pid_ns != family_pid_ns ||
        (place == family_parent && sys_getppid() == r->pid))
        return false;
    dead =
        sys2(SYS_kill, (int)r->pid, 0) == -ESRCH ||
        (r->parent == family_own ? pid_can_be_waited_for((int)r->pid) : pid_has_ended((int)r->pid));
    if (dead)
        atomic_compare_exchange_strong(&m->place, &place, place | DEAD);
    return dead;
}

/* Leaves out the pid, which the parent may write down later. */
static uint64_t ending_seal(uint32_t place, uint64_t begin)
{
    return (family_secret ^ (uint64_t)place << 32 ^ begin) * 0x9e3779b97f4a7c15;
}

void family_end(void)
{
    struct relative own = family_find(family_own);

    if (own.place)
        atomic_store(&member_of(family_own)->ending, ending_seal(family_own, own.begin));
}

bool family_is_ending(const struct relative *r)
{
    return r->sound && atomic_load(&member_of(r->place)->ending) == ending_seal(r->place, r->begin);
}

void family_linger2(void)
{
    if (family)
        atomic_store(&family->linger2, 1);
}

bool family_knows_linger2(void)
{
    return !family || atomic_load(&family->linger2);
}

void family_ring(void)
{
    uint32_t me = family_own ? family_own : SEVERAL;
    uint32_t was = family ? atomic_load(&family->ringer) : me;

    while (was != me && was != SEVERAL &&
           !atomic_compare_exchange_weak(&family->ringer, &was, was ? SEVERAL : me))
        ;
}

bool family_rings_elsewhere(void)
{
    uint32_t who = family ? atomic_load(&family->ringer) : 0;

    return who && who != family_own;
}

/* ---- Start ----------------------------------------------------------------------------------- */

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
void *family_start(size_t more)
{
    family = sys_map_shared(sizeof(struct family) + more);
    if (!family)
        return NULL;
    family_secret = make_secret();
    atomic_store(&family->clock, family_secret & ~SERIAL_MASK);
    atomic_store(&family->top, family_seal_top(0));
    family_own = family_fill(1, 1 + PLACES, 0);
    return family + 1;
}
