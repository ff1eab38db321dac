/* A place for a child that is about to be born. */
#include "safeclose.h"

#include "holders/family_state.h"

#define ASKED 8 /* of those that seem to live, whenever a place is looked for */

/* Claims this index if it is free, or its process is known to be gone; ask: or turns out to be gone. Returns the new
 * place; 0 if it can't be had. */
static uint32_t claim(uint32_t index, bool ask)
{
    struct member *m = &family->members[index];
    struct relative r = family_view(index);
    uint32_t was;

    if (!r.sound || (r.place && r.place == family_own) ||
        (r.place && !(r.place & DEAD) && (!ask || !family_is_gone(&r))))
        return 0;
    was = atomic_load(&m->place);
    if ((was & ~DEAD) != (r.place & ~DEAD) || (was & ~DEAD) > ~DEAD - PLACES || /* used up */
        !family_begin_writing(index, was))
        return 0;
    return (was ? was & ~DEAD : index) + PLACES;
}

uint32_t family_fill(uint32_t index, uint32_t place, uint64_t end)
{
    struct member *m = &family->members[index];
    struct relative r = {
        .index = index, .place = place, .parent = family_own, .begin = family_serial(), .end = end};

    atomic_store(&m->executing, 0);
    atomic_store(&m->ending, 0);
    family_write(&r);
    atomic_store(&m->place, place);
    family_raise_top(index);
    return place;
}

/* Tries count indices from this one on, in a ring of those up to most. */
static uint32_t find_place(uint32_t from, uint32_t count, uint32_t most, bool ask)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = 1 + (from + i) % most;
        uint32_t place = claim(index, ask);

        if (place)
            return family_fill(index, place, UINT64_MAX);
    }
    return 0;
}

/* Takes low indices first, so that few have to be looked at. Each time it asks about a few of those that seem to live. */
uint32_t family_reserve(void)
{
    uint32_t most = family_top();
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
