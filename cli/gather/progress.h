/* One line on a terminal while long logs are read. */
#ifndef SAFECLOSE_PROGRESS_H
#define SAFECLOSE_PROGRESS_H

#include <stdint.h>

/* The files that will be read, whose sizes tell how much there is. */
void progress_begin(char *const *names, unsigned count);

/* At most four times a second, and only from the second second on. */
void progress_show(const char *name, uint64_t bytes);
void progress_clear(void);

#endif
