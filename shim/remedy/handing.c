#include "safeclose.h"

#include "remedy/handing.h"

#define ADDRESS_SHIFT 6
#define COUNT_SHIFT 54
#define RELEASED 1 /* no thread's */

/* A place is freed by the thread that has its mark. The mark is made of the place's index, an address that only this
 * thread has, and a count, so that the same mark does not soon come back. */
static _Atomic(struct handings *) handings; /* handing_start */
static PER_THREAD char me;

void handing_start(struct handings *memory)
{
    atomic_store(&handings, memory);
}

static uint64_t my_part(void)
{
    return (uint64_t)(uintptr_t)&me << ADDRESS_SHIFT;
}

static bool is_mine(uint64_t mark)
{
    return mark && (mark & ((1ULL << COUNT_SHIFT) - HANDINGS)) == my_part();
}

static bool is_within(uint64_t numbers, unsigned first, unsigned last)
{
    return numbers && (numbers - 1) >> 32 >= first && (uint32_t)(numbers - 1) <= last;
}

static uint64_t find(const struct handings *h, unsigned fd)
{
    for (unsigned i = 0; i < HANDINGS; i++) {
        uint64_t mark = atomic_load(&h->at[i].mark);
        uint64_t numbers = atomic_load(&h->at[i].numbers);

        if (is_mine(mark) && numbers && (numbers - 1) >> 32 <= fd && fd <= (uint32_t)(numbers - 1))
            return mark;
    }
    return 0;
}

uint64_t handing_begin(unsigned first, unsigned last)
{
    struct handings *h = atomic_load(&handings);
    uint64_t mark = h && atomic_load(&h->under_way) > 0 ? find(h, first) : 0;

    if (!h || mark)
        return mark;
    mark = my_part() | (uint64_t)atomic_fetch_add(&h->given, 1) << COUNT_SHIFT;
    for (unsigned i = 0; i < HANDINGS; i++) {
        uint64_t none = 0;

        if (!atomic_compare_exchange_strong(&h->at[i].mark, &none, mark | i))
            continue;
        atomic_store(&h->at[i].numbers, ((uint64_t)first << 32 | last) + 1);
        atomic_fetch_add(&h->under_way, 1);
        return mark | i;
    }
    return 0;
}

/* In three steps, so that nothing is written to the place once another thread may have it. */
static void release(struct handings *h, uint64_t mark)
{
    unsigned i = mark % HANDINGS;

    if (!atomic_compare_exchange_strong(&h->at[i].mark, &mark, RELEASED))
        return;
    atomic_store(&h->at[i].numbers, 0);
    atomic_store(&h->at[i].mark, 0);
    atomic_fetch_sub(&h->under_way, 1);
}

/* Others of a range wait for it as well. */
void handing_forget(uint64_t mark)
{
    struct handings *h = atomic_load(&handings);
    uint64_t numbers = mark ? atomic_load(&h->at[mark % HANDINGS].numbers) : 0;

    if (numbers && (numbers - 1) >> 32 == (uint32_t)(numbers - 1))
        release(h, mark);
}

void handing_end(unsigned first, unsigned last)
{
    struct handings *h = atomic_load(&handings);

    for (unsigned i = 0; h && i < HANDINGS && atomic_load(&h->under_way) > 0; i++) {
        uint64_t mark = atomic_load(&h->at[i].mark);

        if (is_mine(mark) && is_within(atomic_load(&h->at[i].numbers), first, last))
            release(h, mark);
    }
}

bool handing_is_over(uint64_t mark)
{
    return atomic_load(&atomic_load(&handings)->at[mark % HANDINGS].mark) != mark;
}
