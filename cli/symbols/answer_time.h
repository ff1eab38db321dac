/* How long the answers of addr2line and c++filt may take, each and all together. */
#ifndef SAFECLOSE_ANSWER_TIME_H
#define SAFECLOSE_ANSWER_TIME_H

#include "symbols/symbols.h"
#include "symbols/tool.h"

#include <stdbool.h>
#include <time.h>

struct answer_time {
    enum symbols_how how;
    int left;     /* ms */
    time_t added; /* when left was last added to, in monotonic seconds */
    bool said;    /* that there are answers missing */
};

void answer_time_begin(struct answer_time *t, enum symbols_how how);

/* The ms to wait for an answer; 0 if there is no time left. */
int answer_time_one(struct answer_time *t);

/* Takes off what an answer took; more if the tool has ended without one, which takes another start. */
void answer_time_took(struct answer_time *t, const struct tool *tool, int took);

#endif
