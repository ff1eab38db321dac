/*
 * The settings of options.def: what a value means, or that it is none that is allowed. Pure, so
 * that the command asks the same before it starts anything, and a fuzzer can.
 */
#ifndef SAFECLOSE_OPTIONS_H
#define SAFECLOSE_OPTIONS_H

#include "settings/config.h"

#define OPTIONS_PREFIX "SAFECLOSE_"

enum option_answer { OPTION_TAKEN, OPTION_REFUSED, OPTION_UNKNOWN };

/* What a value that is refused should have been. */
struct option_rule {
    const char *allowed;
    const char *fallback;
};

/* Puts the value of the setting (its name without SAFECLOSE_, name_len bytes) into *to. A value
 * that is refused leaves the setting as it was (PORTS: at its default), and its rule in *rule.
 * PROGRAMS is compared with to's comm and executable. A file name for LOG makes to's log LOG_FILE
 * and no more: its path depends on the directory. The same of a file name for CONTROL and controlled. */
enum option_answer options_take(struct config *to, const char *name, size_t name_len,
                                const char *value, struct option_rule *rule);

/* "warn" and so on. */
const char *options_mode_name(enum mode mode);

/* What these bytes are: a mode's name, in *mode then; nothing, or another word. What is blank at their end
 * does not count. */
enum option_word { WORD_MODE, WORD_NONE, WORD_OTHER };
enum option_word options_word(const char *bytes, size_t len, enum mode *mode);

/* What the name of a mode may be. */
const char *options_modes(void);

#endif
