/*
 * The mode of now. SAFECLOSE_MODE holds, unless SAFECLOSE_CONTROL names a file that holds another.
 *
 * Each process looks for itself: when it starts, at a close once a second has gone by since its last look,
 * and once a second in a lot in which something lingers. Most closes are within the second, and read a clock that
 * costs no system call. A file that is as it was is not opened: that is seen from outside, but for once more
 * after a change, since two changes within a tick of the kernel's clock look like one.
 *
 * The file decides what is done to connections, so another user must not decide what is in it: it is
 * opened like a log (report/log_open.h), and what is refused leaves the mode as it is. A missing file is no
 * error: then SAFECLOSE_MODE holds. An empty one is about to be written; if it stays so it counts as missing.
 * In another root than that of the start the name means nothing to us, and the last mode stays.
 *
 * Everything that is written down about connections is written down in every mode, where there is a file: a
 * mode that acts may be next, and needs the whole history. A decision reads the mode once.
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

/* Whether the mode is, was or may yet be one that acts: constant. */
static inline bool mode_may_act(void)
{
    return config.controlled || config.mode >= MODE_DRAIN;
}

static inline bool mode_may_linger(void)
{
    return config.controlled || config.mode == MODE_LINGER;
}

/* Frames of a stack. */
unsigned mode_stack(void);

/* Takes the mode that holds at the start. For the constructor, behind config_read; what is wrong with the
 * file is one of config_problems. */
void control_start(void);

/* What a look has found. */
struct control_news {
    enum mode from;
    enum mode to;
    struct text *trouble; /* a sentence: the file can't be used, which was not said yet; NULL */
    uint64_t signals;     /* the thread's mask before */
};

/* Whether it is time for a look at this monotonic time, in ns. No call. */
bool control_is_due(int64_t now);

/* Looks, unless another thread does. True: the caller tells what has changed, if anything, and calls
 * control_end; every signal is blocked in between. Of trouble that the caller could not tell it is told
 * again. */
bool control_begin(int64_t now, struct control_news *news);
void control_end(const struct control_news *news, bool told);

#endif
