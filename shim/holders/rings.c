#include "safeclose.h"

#include "holders/family.h"
#include "holders/holders.h"
#include "holders/rings.h"

#define UNDER_WAY 0xffffffULL /* calls that are not over: no more than there can be threads */
#define BEGUN (UNDER_WAY + 1) /* above that: how many were begun */

/* Of this process; a fork child begins with its parent's. */
static _Atomic uint64_t
    count; /* by a thread that enters a ring. If a handler never returns to the call, for good */
static _Atomic bool polled; /* rings_distrust */

void rings_begin(void)
{
    family_ring();
    atomic_fetch_add(&count, BEGUN + 1);
}

void rings_end(void)
{
    atomic_fetch_sub(&count, 1);
}

void rings_distrust(void)
{
    family_ring();
    atomic_store(&polled, true);
}

uint64_t rings_count(void)
{
    return atomic_load(&count);
}

bool rings_may_have(const struct fd_info *info)
{
    uint64_t now = rings_count();

    return now & UNDER_WAY || now != info->rings || atomic_load(&polled) ||
           (family_rings_elsewhere() && holders_were_others(info));
}

/* What was noted while a call was under way does not become true by this: the call was counted. */
void rings_fork_child(void)
{
    atomic_fetch_and(&count, ~UNDER_WAY);
}
