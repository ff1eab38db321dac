/* What a group of closes most likely means and what to do, in the words of causes.def, as the library's log says it. */
#ifndef SAFECLOSE_ADVICE_H
#define SAFECLOSE_ADVICE_H

#include "gather/groups.h"

/* Sentences; "" if there is nothing to say. */
struct advice {
    const char *what;
    const char *fix;
    const char *without; /* what to do where the program can't be changed */
    const char *why;
    const char *peer; /* what the peer sees */
};

/* False of a cause that this version doesn't know. */
bool advice_for(const struct group *group, struct advice *advice);

/* "an HTTP request" for "http-request"; a name that it doesn't know as it is. */
const char *advice_content(const char *name);
const char *advice_note(const char *name);
const char *advice_ended(const char *name);

#endif
