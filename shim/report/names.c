#include "safeclose.h"

#include "ground/format.h"
#include "report/names.h"

const char *names_cause(enum cause cause)
{
    static const char names[CAUSE_COUNT][NAME_SIZE] = {
#define CAUSE(id, name, why, peer, fix, without) [CAUSE_##id] = name,
#include "tcp/causes.def"
#undef CAUSE
    };
    return names[cause];
}

const char *names_outcome(enum outcome outcome)
{
    static const char names[OUTCOME_COUNT][NAME_SIZE] = {
        [OUTCOME_NONE] = "none",
        [OUTCOME_FIN] = "fin",
        [OUTCOME_RST] = "rst",
        [OUTCOME_UNKNOWN] = "unknown",
    };
    return names[outcome];
}

const char *names_content(enum content content)
{
    static const char names[CONTENT_COUNT][NAME_SIZE] = {
#define CONTENT(id, name, words) [CONTENT_##id] = name,
#include "tcp/content.def"
#undef CONTENT
    };
    return names[content];
}

const char *names_via(enum via via)
{
    static const char names[VIA_COUNT][NAME_SIZE] = {
#define DOOR(id, name) [VIA_##id] = name,
#include "doors/doors.def"
#undef DOOR
    };
    return names[via];
}

const char *names_action(enum action action)
{
    static const char names[ACTION_COUNT][NAME_SIZE] = {
        [ACTION_NONE] = "none",         [ACTION_DRAINED] = "drained",
        [ACTION_DRAINING] = "draining", [ACTION_LINGERING] = "lingering",
        [ACTION_PASSED] = "passed",
    };
    return names[action];
}

const char *names_reason(enum reason reason)
{
    static const char names[REASON_COUNT][NAME_SIZE] = {
#define REASON(id, name, text) [REASON_##id] = name,
#include "report/reasons.def"
#undef REASON
    };
    return names[reason];
}

const char *names_ended(enum ended ended)
{
    static const char names[ENDED_COUNT][NAME_SIZE] = {
#define END(id, name, text) [ENDED_##id] = name,
#include "remedy/ends.def"
#undef END
    };
    return names[ended];
}

const char *names_state(uint8_t state)
{
    static const char names[][NAME_SIZE] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                            "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                            "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "";
}
