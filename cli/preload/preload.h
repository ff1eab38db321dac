/* LD_PRELOAD. */
#ifndef SAFECLOSE_PRELOAD_H
#define SAFECLOSE_PRELOAD_H

#include "preload/library.h"

/* Puts the library into the LD_PRELOAD of the environment, in front of what it holds already. Only
 * AddressSanitizer's runtime, one that is there or the one named asan ("": none), stays before it.
 */
bool preload_set(const struct library *library, const char *asan);

/* Whether a value of LD_PRELOAD names the library. */
bool preload_names_library(const char *value);

#endif
