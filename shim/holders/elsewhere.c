#include "safeclose.h"

#include "holders/elsewhere.h"
#include "holders/family.h"
#include "holders/given.h"

#define MOST_LOOKS 3      /* at a family that goes on forking */
#define MOST_ANCESTORS 32 /* of a relative; more count as one that holds it */

bool elsewhere_excluded(const struct fd_info *info)
{
    return info->serial && info->origin == family_self() && info->serial > family_forked();
}

/* Whether this relative can have inherited the connection: each of its ancestors, up to the process that created it,
 * was forked when its parent may have held it. */
static bool may_hold(const struct fd_info *info, struct relative r)
{
    for (int i = 0; i < MOST_ANCESTORS; i++) {
        struct relative parent;
        uint64_t given;

        if (r.place == info->origin)
            return true;
        if (r.end < info->serial)
            return false;
        parent = family_find(r.parent);
        given = given_when(info->serial, r.parent);
        if (given && given < r.begin)
            return false;
        if (!parent.place) /* its place is another's: nobody knows what it held */
            return true;
        r = parent;
    }
    return true;
}

static bool any_may_hold(const struct fd_info *info)
{
    struct relative r = {.index = 0};

    while ((r = family_next(r.index)).index)
        if (!r.sound || (!given_when(info->serial, r.place) && !family_is_ending(&r) &&
                         may_hold(info, r) && !family_is_gone(&r)))
            return true;
    return false;
}

bool elsewhere_may_hold(const struct fd_info *info)
{
    for (int i = 0; i < MOST_LOOKS; i++) {
        uint32_t forks = family_forks();

        if (any_may_hold(info))
            return true;
        if (forks == family_forks())
            return false;
    }
    return true;
}

/* Several processes may say that they give it up, and then see that nobody is left: one of them acts. */
static enum held give_up_shared(const struct fd_info *info, bool ending, bool stays)
{
    bool said = ending && !stays;

    if (!said && elsewhere_may_hold(info)) {
        said = !ending && !stays && given_note(info->serial, info->origin, family_self());
        if (!said)
            return HELD_ELSEWHERE;
    }
    if (said && (elsewhere_may_hold(info) || !given_claim(info->serial)))
        return HELD_ELSEWHERE;
    return given_is_lost(info->serial) ? HELD_UNKNOWN : HELD_BY_NOBODY;
}

/* Asks who has put it into an epoll set only once nobody holds it any more: then nobody can do so later. */
enum held elsewhere_give_up(struct fd_info *info, bool ending, bool stays)
{
    enum held held = give_up_shared(info, ending, stays);

    if (held == HELD_ELSEWHERE)
        return held;
    if (given_in_epoll(info->serial, family_self()))
        info->flags |= FD_EPOLL_STUCK;
    given_forget(info->serial);
    return held;
}

void elsewhere_lose(const struct fd_info *info)
{
    if (info->serial && !elsewhere_excluded(info) && !given_lose(info->serial, info->origin))
        family_distrust();
}
