#include "safeclose.h"

#include "tcp/outcome.h"

static struct conclusion of_gone(const struct verdict *last, uint8_t state, bool others)
{
    bool after_fin = state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK;

    if (last->outcome == OUTCOME_RST)
        return (struct conclusion){OUTCOME_RST, !(others && after_fin), true};
    if (last->cause != CAUSE_NONE && !after_fin) /* more data came after it was drained */
        return (struct conclusion){OUTCOME_RST, false, true};
    return (struct conclusion){last->outcome, after_fin || last->outcome == OUTCOME_NONE, false};
}

static struct conclusion of_orphan(const struct verdict *last, uint8_t state)
{
    if (last->outcome == OUTCOME_RST && verdict_sends_fin(state))
        return (struct conclusion){OUTCOME_FIN, true, false};
    return (struct conclusion){last->outcome == OUTCOME_RST ? OUTCOME_NONE : last->outcome, true,
                               false};
}

struct conclusion outcome_of(const struct verdict *last, enum diag before, enum diag after,
                             uint8_t state, bool others)
{
    if (before == DIAG_HELD && after == DIAG_HELD)
        return (struct conclusion){OUTCOME_NONE, true, false};
    if (before == DIAG_HELD && after == DIAG_ORPHAN)
        return of_orphan(last, state);
    if (before == DIAG_HELD && after == DIAG_GONE)
        return of_gone(last, state, others);
    return (struct conclusion){last->outcome, false, false};
}
