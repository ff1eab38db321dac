#include "safeclose.h"

#include "ground/rights.h"
#include "ground/sys.h"

#include <linux/capability.h>

void rights_ask_ids(uint32_t ids[EFFECTIVE_CAPS])
{
    sys3(SYS_getresuid, SYS_ARG(&ids[REAL_UID]), SYS_ARG(&ids[EFFECTIVE_UID]),
         SYS_ARG(&ids[SAVED_UID]));
    sys3(SYS_getresgid, SYS_ARG(&ids[REAL_GID]), SYS_ARG(&ids[EFFECTIVE_GID]),
         SYS_ARG(&ids[SAVED_GID]));
}

/* What the kernel does not tell is nobody's: no user, no group and no capability has this number. */
void rights_ask(struct rights *r)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    bool known;

    memset(r, 0xff, sizeof(*r));
    rights_ask_ids(r->words);
    known = r->words[REAL_UID] != UINT32_MAX && r->words[REAL_GID] != UINT32_MAX &&
            sys2(SYS_capget, SYS_ARG(&header), SYS_ARG(&r->words[EFFECTIVE_CAPS])) == 0;
    r->group_count = (int)sys2(SYS_getgroups, RIGHTS_GROUPS, SYS_ARG(r->groups));
    r->known = known && r->group_count >= 0;
}

bool rights_equal(const struct rights *a, const struct rights *b)
{
    return a->known && memcmp(a, b, sizeof(*a)) == 0;
}

bool rights_can_return(const struct rights *r, const uint32_t former[RIGHTS_WORDS])
{
    const unsigned effective = 1u << EFFECTIVE_UID | 1u << EFFECTIVE_GID | 1u << EFFECTIVE_CAPS |
                               1u << EFFECTIVE_UPPER_CAPS;

    for (int i = 0; i < RIGHTS_WORDS; i++)
        if (r->words[i] != former[i] && !(effective >> i & 1))
            return false;
    return r->known;
}
