#include "symbols/answer_time.h"
#include "common/say.h"

#define FAILURE_MS 100

/* In ms. What is live gets back some each minute, for it runs for days. */
static const struct {
    int one;
    int all;
    int each_minute;
} limits[] = {[SYMBOLS_LINES] = {10000, 60000, 0},
              [SYMBOLS_LIVE] = {2000, 10000, 1000},
              [SYMBOLS_NAMES] = {0, 0, 0}};

static time_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

void answer_time_begin(struct answer_time *t, enum symbols_how how)
{
    *t = (struct answer_time){how, limits[how].all, now(), false};
}

static void say_once(struct answer_time *t)
{
    if (!t->said)
        unable("get all answers of addr2line and c++filt in time: lines and names may be missing");
    t->said = true;
}

int answer_time_one(struct answer_time *t)
{
    for (time_t time = now(); time - t->added >= 60; t->added += 60)
        if (t->left < limits[t->how].all)
            t->left += limits[t->how].each_minute;
    if (t->left >= limits[t->how].one)
        return limits[t->how].one;
    say_once(t);
    return 0;
}

void answer_time_took(struct answer_time *t, const struct tool *tool, int took)
{
    t->left -= took;
    if (tool->fd >= 0)
        return;
    t->left -= FAILURE_MS;
    say_once(t);
}
