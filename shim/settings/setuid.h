#ifndef SAFECLOSE_SETUID_H
#define SAFECLOSE_SETUID_H

#include <stdbool.h>

/* Whether the program has more rights than whoever started it (AT_SECURE, getauxval(3)): then the library stays off.
 * Why: setuid.c. */
bool setuid_program(void);

#endif
