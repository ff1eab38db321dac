/* Where the library is, seen from the command, and how LD_PRELOAD is to name it. */
#ifndef SAFECLOSE_LIBRARY_H
#define SAFECLOSE_LIBRARY_H

#include "elf/facts.h"

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

/* Builds for other machines and libcs are beside each other in the command's PREFIX: where the program's loader looks
 * for $LIB, and for musl, whose loader knows no $LIB, in PREFIX/lib/MACHINE-linux-musl. */

/* Makes it the build for this program. False if there is none, and then place is where it would be; "" if that is
 * unknown, or another build is there. */
bool library_choose(struct library *library, const struct elf_facts *program, char place[PATH_MAX]);

#endif
