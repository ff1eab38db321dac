#include "safeclose.h"

#include "tcp/outcome.h"

static struct told of_gone(const struct verdict *last, uint8_t state, bool others)
{
    bool after_fin = state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK;

    switch (last->outcome) {
    case OUTCOME_RST:
        return (struct told){OUTCOME_RST, !(others && after_fin), true};
    case OUTCOME_FIN: /* else more data came after it was drained */
        if (after_fin || last->cause == CAUSE_NONE)
            return (struct told){OUTCOME_FIN, after_fin, false};
        return (struct told){OUTCOME_RST, true, true};
    default:
        return (struct told){OUTCOME_NONE, true, false};
    }
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
