/* The mode as it changes (settings/control.h). */
#ifndef SAFECLOSE_EVENT_MODE_H
#define SAFECLOSE_EVENT_MODE_H

#include "config.h"
#include "settings/control.h"

/* What event_mode_look does when it is time to. */
void event_mode_look_now(int64_t now);

/* Before a decision, at this monotonic time in ns: takes the mode that the control file holds, at most
 * once a second, and tells of a change. */
static inline void event_mode_look(int64_t now)
{
    if (control_is_due(now))
        event_mode_look_now(now);
}

#endif
