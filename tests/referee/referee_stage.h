/* A stage: where scenarios are played. */
#ifndef SAFECLOSE_TESTS_REFEREE_STAGE_H
#define SAFECLOSE_TESTS_REFEREE_STAGE_H

#include "referee.h"

#include <signal.h>

struct stage {
    enum run_mode mode;
    bool resets_only;
    enum setting setting;
    struct place place;
    pid_t pid; /* the template */
    int control;
    int holder_control;
    int log;
    char log_path[256];
    char jail[300]; /* a directory to change the root to */
    int plays;
    bool stuck; /* the template does not answer: another one is needed */
};

/* A new program for SCENARIO, and an empty log. */
int stage_begin(struct stage *stage, const struct scenario *scenario);

/* Through stage->control to the program, through holder_control to its fork child. */
bool stage_tell(int channel, const struct command *command);

/* Somebody to call now and then while there is no answer, until it is false. */
struct helper {
    bool (*help)(void *context);
    void *context;
    int ms;
};

/* The answer; helper may be NULL. False if none comes. */
bool stage_hear(struct stage *stage, int channel, struct reply *reply, const struct helper *helper);

long stage_log_size(const struct stage *stage);
long stage_log_read(const struct stage *stage, char *log, size_t size);

#endif
