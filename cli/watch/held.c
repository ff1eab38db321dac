#include "watch/held.h"

#define MOST 1024

/* Changed by this file only. */
static struct trace_event held[MOST];
static unsigned first, count;

bool watch_held_full(void)
{
    return count == MOST;
}

void watch_held_put(const struct trace_event *event)
{
    struct trace_event *copy = &held[(first + count++) % MOST];

    *copy = *event;
    copy->kernel_count = 0;
    copy->registers = NULL;
    copy->callers_count = 0;
    copy->stack_size = 0;
}

bool watch_held_take(struct trace_event *event, int64_t until)
{
    if (!count || held[first].time > until)
        return false;
    *event = held[first];
    first = (first + 1) % MOST;
    count--;
    return true;
}
