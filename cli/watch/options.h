/* What watch was asked for. */
#ifndef SAFECLOSE_WATCH_OPTIONS_H
#define SAFECLOSE_WATCH_OPTIONS_H

#include "shim/settings/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct watch_options {
    pid_t pid;    /* 0: all */
    int64_t time; /* ns; 0: until a signal */
    bool received;
    bool json;
    bool help;
    const char *log;     /* of the library, or NULL */
    struct config ports; /* of which only the ports are used */
};

/* False, and says why, if they can't be used. */
bool watch_options_read(struct watch_options *options, int argc, char **argv);

bool watch_options_have_port(const struct watch_options *options, uint16_t port);

/* The closes that are looked at, as a filter for the kernel; to be freed. */
char *watch_options_filter(const struct watch_options *options);

#endif
