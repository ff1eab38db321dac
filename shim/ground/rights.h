/* What a thread may do. The kernel keeps it for each thread, and libc alone makes them equal. */
#ifndef SAFECLOSE_RIGHTS_H
#define SAFECLOSE_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#define RIGHTS_GROUPS 32

/* Of the users and the groups; then the capabilities, effective, permitted and inheritable, and the upper halves
 * of them. */
enum { REAL_UID, EFFECTIVE_UID, SAVED_UID, REAL_GID, EFFECTIVE_GID, SAVED_GID, EFFECTIVE_CAPS };
enum { EFFECTIVE_UPPER_CAPS = EFFECTIVE_CAPS + 3, RIGHTS_WORDS = EFFECTIVE_CAPS + 6 };

/* No padding: compared byte by byte. */
struct rights {
    uint32_t words[RIGHTS_WORDS];
    uint32_t groups[RIGHTS_GROUPS];
    int group_count;
    int known; /* 0: the kernel refused to tell, or there are more groups */
};

/* Of the calling thread, wherever that is. Two calls for the ids, two more for the rest. */
void rights_ask_ids(uint32_t ids[EFFECTIVE_CAPS]);
void rights_ask(struct rights *r);

bool rights_equal(const struct rights *a, const struct rights *b);

/* Whether somebody who has these rights can get back to former ones: only what is effective, and the groups,
 * differ. */
bool rights_can_return(const struct rights *r, const uint32_t former[RIGHTS_WORDS]);

#endif
