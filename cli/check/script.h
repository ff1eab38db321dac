/* The first line of a script, as the kernel reads it. Pure. */
#ifndef SAFECLOSE_SCRIPT_H
#define SAFECLOSE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#define SCRIPT_BYTES 256 /* the kernel looks at no more */

enum script_kind {
    SCRIPT_ELF,
    SCRIPT_LINE, /* begins with #! */
    SCRIPT_BROKEN,
    SCRIPT_PLAIN,  /* text without */
    SCRIPT_BINARY, /* neither */
    SCRIPT_EMPTY,
};

struct script {
    char interpreter[SCRIPT_BYTES];
    char env_program[SCRIPT_BYTES]; /* where that is env: what it starts; or "" */
    bool env_clears;                /* env -i */
};

/* The first bytes of a file, at most SCRIPT_BYTES. */
enum script_kind script_read(struct script *script, const char *bytes, size_t len);

#endif
