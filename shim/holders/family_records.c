/* Reading and writing what is known of a process. */
#include "safeclose.h"

#include "ground/sys.h"
#include "holders/family_state.h"

#define MOST_READS 4

static uint32_t *latest; /* by index, the latest place that this process saw; first fork */

static uint64_t make_seal(const struct relative *r)
{
    uint64_t seal = family_secret ^ r->index;

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

static struct relative read_record(const struct record *of, uint32_t index)
{
    uint64_t seal = atomic_load(&of->seal);
    struct relative r = {.index = index};

    for (unsigned i = 0; i < RELATIVE_WORDS; i++)
        r.words[i] = atomic_load(&of->words[i]);
    r.sound = seal == make_seal(&r) && is_latest(index, r.place);
    return r;
}

struct relative family_view(uint32_t index)
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

bool family_begin_writing(uint32_t index, uint32_t place)
{
    return atomic_compare_exchange_strong(&family->members[index].place, &place, TAKEN);
}

void family_write(struct relative *r)
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

/* Two threads, or a handler, may make the first fork at the same time. */
void family_seal_all(void)
{
    if (latest)
        return;
    latest = sys_map(PLACES * sizeof(latest[0]));
    for (uint32_t i = 1; i < PLACES; i++)
        if (family_begin_writing(i, 0)) {
            struct relative none = {.index = i};

            family_write(&none);
            atomic_store(&family->members[i].place, 0);
        }
}

uint64_t family_seal_top(uint32_t index)
{
    return ((index ^ family_secret) * 0x9e3779b97f4a7c15 & ~0xffffffffULL) | index;
}

/* If an attacker has set it, all places are looked at. */
uint32_t family_top(void)
{
    static uint32_t highest; /* that this process has seen */
    uint64_t word = atomic_load(&family->top);
    uint32_t index = (uint32_t)word;

    if (word != family_seal_top(index) || index < highest || index > PLACES - 2)
        return PLACES - 2;
    highest = index;
    return index;
}

void family_raise_top(uint32_t index)
{
    uint64_t word = atomic_load(&family->top);

    while ((uint32_t)word < index &&
           !atomic_compare_exchange_weak(&family->top, &word, family_seal_top(index)))
        ;
}
