/* Where the library is, seen from the command, and how LD_PRELOAD is to name it. */
#ifndef SAFECLOSE_LIBRARY_H
#define SAFECLOSE_LIBRARY_H

#include "elf_facts.h"

#define LIBRARY_NAME "libsafeclose.so"

struct library {
    char file[PATH_MAX];
    char prefix[PATH_MAX]; /* where the command is in PREFIX/bin; else "" */
    /* There is one for each word size, where the loader looks for $LIB: it then takes the one that
     * fits, for children too. */
    bool for_each_size;
    struct elf_facts facts;
};

/* False, and says why, where there is none that can be used. */
bool library_find(struct library *library);

/* As LD_PRELOAD names it: a text to be freed. */
char *library_name(const struct library *library);

/* The build of it that this loader takes for $LIB, where there is one for each size. */
bool library_for_loader(const struct library *library, const char *loader, char file[PATH_MAX]);

#endif
