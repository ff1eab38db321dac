/* The mode as it changes (settings/control.h). */
#ifndef SAFECLOSE_MODE_CHANGE_H
#define SAFECLOSE_MODE_CHANGE_H

#include "settings/config.h"
#include "settings/control.h"

/* What mode_change_look does when it is time to. */
void mode_change_look_now(int64_t now);

/* Before a decision, at this monotonic time in ns: takes the mode that the control file holds, at most
 * once a second, and reports a change. */
static inline void mode_change_look(int64_t now)
{
    if (control_is_due(now))
        mode_change_look_now(now);
}

#endif
