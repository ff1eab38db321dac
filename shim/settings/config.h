/*
 * The settings: read from the environment once, by the constructor, constant from then on.
 */
#ifndef SAFECLOSE_CONFIG_H
#define SAFECLOSE_CONFIG_H

#include "ground/format.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define SAFECLOSE_VERSION "0.1.0"

enum mode { MODE_OFF, MODE_LOG, MODE_WARN, MODE_DRAIN, MODE_LINGER };
enum log_target { LOG_STDERR, LOG_SYSLOG, LOG_NONE, LOG_FILE };

struct port_range {
    uint16_t first;
    uint16_t last;
};

#define CONFIG_PORT_RANGES 64
#define CONFIG_PREVIEW_MAX 256
#define CONFIG_STACK_BY_MODE UINT32_MAX

struct config {
    char comm[16];         /* the program, as ps names it */
    char executable[1536]; /* "" if there is no /proc; cut where longer, as the log would */
    enum mode mode;        /* SAFECLOSE_MODE; that of now is mode_now()'s (settings/control.h) */
    enum log_target log;
    char *log_path;     /* of a file: absolute; %p, %h and %% still in it; shorter than PATH_MAX */
    bool controlled;    /* SAFECLOSE_CONTROL is set: */
    char *control_path; /* absolute; shorter than PATH_MAX */
    bool json;          /* for a file the default */
    bool format_given;  /* SAFECLOSE_FORMAT was set */
    bool all_events;
    bool sole;  /* what was inherited is nobody else's any more, as the user says */
    int handed; /* how many listening sockets, from number 3 on, a service manager has handed over */
    bool in_programs;     /* false: this program is not one of SAFECLOSE_PROGRAMS */
    unsigned port_ranges; /* 0: every port */
    struct port_range ports[CONFIG_PORT_RANGES];
    unsigned stack;   /* frames; CONFIG_STACK_BY_MODE: as mode_stack() says */
    unsigned preview; /* bytes */
    uint64_t discard_max;
    int64_t linger_idle; /* ns, as the next three */
    int64_t linger_time;
    int64_t exit_wait;
    int64_t summary; /* 0: none before the end */
};

extern struct config config;

/* What could not be used, a sentence a line. The constructor writes it; it is printed at the first
 * TCP use. */
const struct text *config_problems(void);

/* Where the constructor adds one, a sentence and a newline. */
struct text *config_problem(void);

/* Reads the environment. Every value that can't be used leaves a problem, and the default. */
void config_read(void);

/* True if SAFECLOSE_PORTS covers this port. */
bool config_covers_port(uint16_t port);

#endif
