/* Which file execvp would start. */
#ifndef SAFECLOSE_SEARCH_PATH_H
#define SAFECLOSE_SEARCH_PATH_H

#include <limits.h>
#include <stdbool.h>

/* 0 and the file in found; or ENOENT, EACCES (it is there, but not executable) or ENAMETOOLONG,
 * with the file that is to blame in found, if there is one. */
int search_path(const char *name, char found[PATH_MAX]);

#endif
