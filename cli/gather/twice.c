#include "gather/twice.h"
#include "log/strings.h"

#include <stdlib.h>

#define PLACES 65536
#define NEAR                                                                                       \
    2000000 /* us: watch tells when the reset was sent, the library when its close had returned */

/* Changed by gather_told_twice only. */
static struct {
    uint64_t ends;
    int64_t time;
    bool by_watch;
} told[PLACES];

bool gather_told_twice(const struct log_event *e)
{
    bool by_watch = e->kind == LOG_RESET;
    uint64_t ends;

    if (!log_is(&e->outcome, "rst"))
        return false;
    ends = hash_bytes(1, e->local.bytes, e->local.len);
    ends = hash_bytes(ends, e->peer.bytes, e->peer.len);
    if (told[ends % PLACES].ends == ends && told[ends % PLACES].by_watch != by_watch &&
        llabs(told[ends % PLACES].time - e->time) < NEAR)
        return true;
    told[ends % PLACES].ends = ends;
    told[ends % PLACES].time = e->time;
    told[ends % PLACES].by_watch = by_watch;
    return false;
}
