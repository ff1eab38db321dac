/*
 * What a close did, from what it would do as the last one (the verdict) and what the kernel says afterwards.
 * Pure (tests/unit/unit_outcome.c).
 *
 *   afterwards    it was
 *   held          not the last: nothing was sent. (A socket that is held has an inode; the state doesn't tell)
 *   an orphan     an orderly close: FIN, or nothing if ours was sent before. (Another holder has read the unread data)
 *   gone          a reset, if something was unread or the program asked for one. Otherwise perhaps an orderly end:
 *                 our FIN came after the peer's, and all was acknowledged
 *
 * A reset of the peer's within the same microseconds looks like one of ours.
 */
#ifndef SAFECLOSE_OUTCOME_H
#define SAFECLOSE_OUTCOME_H

#include "tcp/diag.h"
#include "tcp/verdict.h"

struct conclusion {
    enum outcome outcome;
    bool confirmed;
    bool
        claims; /* it was reset, maybe by another holder's close at the same time: only one of them reports it */
};

/* last: what the last close would do, after a remedy if there was one. state: enum tcp_state, as it was before the close.
 * others: another process may have been able to read it. */
struct conclusion outcome_of(const struct verdict *last, enum diag before, enum diag after,
                             uint8_t state, bool others);

#endif
