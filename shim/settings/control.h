/*
 * The current mode: SAFECLOSE_MODE, unless the file that SAFECLOSE_CONTROL names holds another.
 *
 * Each process looks at the file itself: at its start, at a close if its last look was a second ago, and once a second
 * in a lot in which something lingers. Most closes come within the second; they read a clock without a system call. A
 * file that has not changed is not opened (its times and size tell). After a change it is read once more, because two
 * changes within a tick of the kernel's clock look like one.
 *
 * The file decides what is done to connections, so no other user may write it. It is opened like a log
 * (ground/log_open.h); if that is refused, the mode stays. A missing file is no error: SAFECLOSE_MODE holds. An empty
 * file is about to be written; if it stays empty, it counts as missing. After a chroot the name means something else,
 * so the last mode stays.
 *
 * If there is such a file, the history of connections is kept in every mode, because the next mode may need it. A
 * decision reads the mode once.
 */
#ifndef SAFECLOSE_CONTROL_H
#define SAFECLOSE_CONTROL_H

#include "ground/format.h"
#include "settings/config.h"

#include <stdatomic.h>

extern _Atomic int control_mode; /* for mode_now */

static inline enum mode mode_now(void)
{
    return (enum mode)atomic_load_explicit(&control_mode, memory_order_relaxed);
}

/* Whether the mode is, was or may become one that acts. Constant. */
static inline bool mode_may_act(void)
{
    return config.controlled || config.mode >= MODE_DRAIN;
}

static inline bool mode_may_linger(void)
{
    return config.controlled || config.mode == MODE_LINGER;
}

/* How many frames a stack has in the current mode. */
unsigned mode_stack(void);

/* Sets the mode at the start. For the constructor, after config_read. Adds what is wrong with the file to
 * config_problems. */
void control_start(void);

/* What a look has found. */
struct control_news {
    enum mode from;
    enum mode to;
    struct text *trouble; /* a sentence: the file can't be used, which was not said yet; NULL */
    uint64_t signals;     /* the thread's mask before */
};

/* Whether a look is due at this monotonic time, in ns. No call. */
bool control_is_due(int64_t now);

/* Looks, unless another thread does. True: the caller reports what has changed, if anything, and calls control_end; all
 * signals are blocked in between. reported: the caller has reported it; otherwise trouble is reported again. */
bool control_begin(int64_t now, struct control_news *news);
void control_end(const struct control_news *news, bool reported);

#endif
