#include "safeclose.h"

#include "tcp/outcome.h"

static struct told of_gone(const struct verdict *last, uint8_t state, bool others)
{
    bool after_fin = state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK;

    if (last->outcome == OUTCOME_RST)
        return (struct told){OUTCOME_RST, !(others && after_fin), true};
    if (last->cause != CAUSE_NONE && !after_fin) /* more data came after it was drained */
        return (struct told){OUTCOME_RST, false, true};
    return (struct told){last->outcome, after_fin || last->outcome == OUTCOME_NONE, false};
}

static struct told of_orphan(const struct verdict *last, uint8_t state)
{
    if (last->outcome == OUTCOME_RST && verdict_sends_fin(state))
        return (struct told){OUTCOME_FIN, true, false};
    return (struct told){last->outcome == OUTCOME_RST ? OUTCOME_NONE : last->outcome, true, false};
}

struct told outcome_of(const struct verdict *last, enum diag before, enum diag after, uint8_t state,
                       bool others)
{
    if (before == DIAG_HELD && after == DIAG_HELD)
        return (struct told){OUTCOME_NONE, true, false};
    if (before == DIAG_HELD && after == DIAG_ORPHAN)
        return of_orphan(last, state);
    if (before == DIAG_HELD && after == DIAG_GONE)
        return of_gone(last, state, others);
    return (struct told){last->outcome, false, false};
}
