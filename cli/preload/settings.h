/*
 * The settings of the library, as options of the command and as variables of the environment: both
 * come from options.def. SAFECLOSE_LINGER_IDLE is --linger-idle.
 */
#ifndef SAFECLOSE_SETTINGS_H
#define SAFECLOSE_SETTINGS_H

#include "shim/settings/config.h"
#include "shim/settings/options.h"

#include <stdio.h>

struct setting {
    const char *name; /* LINGER_IDLE */
    char option[24];  /* linger-idle */
    const char *allowed;
    const char *fallback;
    const char *meaning;
};

/* All of them, in the order of options.def. */
const struct setting *settings(unsigned *count);

/* Puts the value into the environment; false, and says what is allowed, where it can't be used. */
bool settings_set(const struct setting *setting, const char *value);

/* True if every variable of the environment that begins with SAFECLOSE_ is a setting and holds
 * what is allowed. Says of each that isn't. */
bool settings_check(char *const *environment);

/* The list for --help. */
void settings_help(FILE *to);

#endif
