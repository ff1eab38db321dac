/* Everything that speaks for and against, a sentence each, and what follows from it. */
#ifndef SAFECLOSE_FINDINGS_H
#define SAFECLOSE_FINDINGS_H

#include <stdbool.h>

/* One AGAINST decides, else one UNSURE. LIMIT: what some of the modes can't do. MODES: what each of them
 * can. DO: what the reader can do. */
enum leaning { FOR, AGAINST, UNSURE, LIMIT, MODES, NOTE, DO };
enum verdict { COVERED, NOT_COVERED, UNKNOWN }; /* check exits with it */

struct finding {
    enum leaning leaning;
    char *text;
};

struct findings {
    struct finding list[64];
    unsigned count;
};

void findings_add(struct findings *f, enum leaning leaning, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum verdict findings_verdict(const struct findings *f);

/* "about: covered", and the sentences, on standard output. */
void findings_print(const struct findings *f, const char *about);

void findings_free(struct findings *f);

#endif
